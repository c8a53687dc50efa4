/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of VMCS02 whenever L1 has entered L2, whatever VMCS12 says: hardware accepts
 * it, it keeps every intercept of L0 and of L1, and every address in it is L0's own or of L1's
 * RAM. theorem_check() asserts it. Include nested_world.h first.
 */
#ifndef NESTOR_TESTS_VMCS02_THEOREM_H
#define NESTOR_TESTS_VMCS02_THEOREM_H

#include "nested_world.h"

#include "nested/nested_int.h"
#include "spec/cet.h"

#define L1_PROC_INTERCEPTS                                                                \
	(PROC_INTR_WINDOW | PROC_HLT_EXITING | PROC_INVLPG_EXITING | PROC_MWAIT_EXITING | \
		PROC_RDPMC_EXITING | PROC_RDTSC_EXITING | PROC_CR3_LOAD_EXITING |         \
		PROC_CR3_STORE_EXITING | PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING | \
		PROC_NMI_WINDOW | PROC_MOV_DR_EXITING | PROC_MTF | PROC_MONITOR_EXITING | \
		PROC_PAUSE_EXITING)
#define L1_PROC2_INTERCEPTS                                                           \
	(PROC2_DESC_TABLE_EXITING | PROC2_WBINVD_EXITING | PROC2_PAUSE_LOOP_EXITING | \
		PROC2_RDRAND_EXITING | PROC2_ENCLS_EXITING | PROC2_RDSEED_EXITING |   \
		PROC2_BUS_LOCK_EXITING)
#define L0_PROC_INTERCEPTS                                                                     \
	(PROC_UNCOND_IO_EXITING | PROC_USE_MSR_BITMAPS | PROC_SECONDARY | PROC_MWAIT_EXITING | \
		PROC_MONITOR_EXITING | PROC_RDPMC_EXITING)
#define L0_PROC2_NEEDS (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID | PROC2_WBINVD_EXITING)
#define L0_PROC2_NEVER (PROC2_ENABLE_PML | PROC2_EPT_VIOLATION_VE)
#define L1_PROC2_OWN   (PROC2_ENABLE_VMFUNC | PROC2_MODE_BASED_EXECUTE | PROC2_SUB_PAGE_WRITE)

#define HAS_ALL(value, bits) assert_true(((value) & (bits)) == (bits))

/* The machine's own checks on VMCS02: its memory is where host-physical addresses say. */
static inline enum check_id theorem_hardware_checks(void)
{
	uint64_t link = world_02()[FID_VMCS_LINK_POINTER], kept = 0;
	struct vmx_caps hw = fake_hardware_caps();
	struct check_env e = {.f = world_02(),
		.caps = &hw,
		.l1_long_mode = true,
		.current = {0x5000},
		.n = &world.n};
	enum check_id id;

	hw.efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	hw.debugctl_valid = 0xffc3;
	hw.perf_global_valid = 0x70000000full;
	hw.cet_valid = CET_OF_SS | CET_OF_IBT;
	if (link != UINT64_MAX) {
		kept = fake_read64(link - FAKE_HPA_BASE);
		fake_write32(link - FAKE_HPA_BASE, caps_revision(&hw) | BIT(31));
	}
	fake.base = FAKE_HPA_BASE;
	id = golden_run(&e);
	fake.base = 0;
	if (link != UINT64_MAX)
		fake_write64(link - FAKE_HPA_BASE, kept);
	return id;
}

static inline void theorem_address(uint64_t hpa)
{
	if (hpa == WORLD_APIC_HPA)
		return;
	assert_in_range(hpa, FAKE_HPA_BASE, FAKE_HPA_BASE + FAKE_RAM_SIZE - PAGE_SIZE);
	assert_true((hpa & PAGE_MASK) == 0);
}

static inline void theorem_memory(const uint64_t *f02)
{
	const struct vept_root *root = world.n.cur->root;

	if (f02[FID_PROC_CONTROLS] & PROC_TPR_SHADOW)
		theorem_address(f02[FID_VIRTUAL_APIC_ADDR]);
	if (f02[FID_PROC2_CONTROLS] & PROC2_APIC_ACCESSES)
		theorem_address(f02[FID_APIC_ACCESS_ADDR]);
	if ((f02[FID_PROC2_CONTROLS] & PROC2_VMCS_SHADOWING) &&
		f02[FID_VMCS_LINK_POINTER] != UINT64_MAX) {
		assert_in_range(f02[FID_VMCS_LINK_POINTER], FAKE_SHADOW_HPA,
			FAKE_SHADOW_HPA + (NVMCS_SLOTS - 1) * PAGE_SIZE);
	}
	assert_true(f02[FID_EPT_POINTER] == (root ? root->eptp02 : WORLD_EPTP01));
	if (root)
		assert_true(world.vm.vept.table[root->table].in_use &&
			    world.vm.vept.table[root->table].level == 4);
	if (f02[FID_PROC2_CONTROLS] & PROC2_SUB_PAGE_WRITE)
		assert_true(root && world.vm.vept.table[root->spp_table].spp &&
			    f02[FID_SPPTP] == vept_spptp02(&world.n, root));
	assert_in_range(f02[FID_VPID], world.n.vpid01 + 1, world.n.vpid01 + VPID02_SLOTS);
}

/* What the processor makes an access to the virtual-APIC page (29.5); a word of the bitmap. */
static inline uint64_t theorem_virtual_msrs(const uint64_t *f02, unsigned word)
{
	uint32_t proc2 = (uint32_t)f02[FID_PROC2_CONTROLS];
	uint64_t first = word == 0x800 / 64 || word == 256 + 0x800 / 64;

	if (!(proc2 & PROC2_X2APIC_MODE))
		return 0;
	if (word < 256)
		return proc2 & PROC2_APIC_REGISTER_VIRT ? UINT64_MAX : first << 8;
	return (first << 8) |
	       (proc2 & PROC2_VIRT_INTR_DELIVERY ? first << 0x0b | first << 0x3f : 0);
}

static inline bool theorem_is_x2apic(unsigned word)
{
	return (word & ~256u) >= 0x800 / 64 && (word & ~256u) < 0x900 / 64;
}

/*
 * Ones in VMCS02's MSR bitmap where L0 or L1 has ones. An x2APIC MSR has a zero exactly where
 * L1 has one and hardware virtualizes the access, whatever L0 lets L1 do.
 */
static inline void theorem_msr_bitmap(const uint64_t *f12)
{
	uint64_t gpa = f12[FID_MSR_BITMAP];
	bool uses = f12[FID_PROC_CONTROLS] & PROC_USE_MSR_BITMAPS;
	bool ram = uses && fake_is_ram(gpa, PAGE_SIZE);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t l1 = ram ? fake_read64(gpa + i * 8) : UINT64_MAX;

		if (theorem_is_x2apic(i))
			assert_true(world.msr_bitmap02[i] ==
				    (l1 | ~theorem_virtual_msrs(world_02(), i)));
		else
			HAS_ALL(world.msr_bitmap02[i], world.msr_bitmap01[i] | l1);
	}
}

/*
 * Hardware serves L2 a field that L1 and the machine have, where L1 does not intercept it.
 */
static inline void theorem_vmcs_bitmap(const uint64_t *bitmap, uint64_t gpa)
{
	bool ram = fake_is_ram(gpa, PAGE_SIZE);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t l1 = ram ? fake_read64(gpa + i * 8) : UINT64_MAX;

		HAS_ALL(bitmap[i], l1);
		for (uint64_t open = ~bitmap[i]; open; open &= open - 1) {
			uint32_t encoding = i * 64 + (uint32_t)__builtin_ctzll(open);
			enum vmcs_fid fid = vmcs_fid_of(encoding);

			assert_true(fid != FID_NONE && field_in_hardware(&world.n, fid));
		}
	}
}

static inline void theorem_check(void)
{
	const uint64_t *f12 = world.n.cur->f, *f02 = world_02();
	const struct nested_l0_controls *l0 = &world.vm.l0;
	uint64_t proc2_12 =
		f12[FID_PROC_CONTROLS] & PROC_SECONDARY ? f12[FID_PROC2_CONTROLS] : 0;
	enum check_id id = world.n.l2_wait_sipi ? CHECK_OK : theorem_hardware_checks();

	if (id != CHECK_OK)
		fail_msg("hardware refuses VMCS02: %s; activity %u event %x blocking %x",
			check_rows[id].name, (unsigned)f02[FID_GUEST_ACTIVITY_STATE],
			(unsigned)f02[FID_ENTRY_INTR_INFO],
			(unsigned)f02[FID_GUEST_INTERRUPTIBILITY]);
	HAS_ALL(f02[FID_PIN_CONTROLS], l0->pin);
	assert_false(f02[FID_PIN_CONTROLS] & PIN_POSTED_INTR);
	if (f02[FID_PROC2_CONTROLS] & PROC2_VIRT_INTR_DELIVERY)
		assert_true(f02[FID_GUEST_INTR_STATUS] == f12[FID_GUEST_INTR_STATUS]);
	HAS_ALL(f02[FID_PROC_CONTROLS], L0_PROC_INTERCEPTS);
	HAS_ALL(f02[FID_PROC_CONTROLS], f12[FID_PROC_CONTROLS] & L1_PROC_INTERCEPTS);
	assert_false(f02[FID_PROC_CONTROLS] & PROC_USE_IO_BITMAPS);
	if (!(f02[FID_PROC_CONTROLS] & PROC_TPR_SHADOW))
		HAS_ALL(f02[FID_PROC_CONTROLS], PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
	HAS_ALL(f02[FID_PROC2_CONTROLS], L0_PROC2_NEEDS);
	HAS_ALL(f02[FID_PROC2_CONTROLS], proc2_12 & L1_PROC2_INTERCEPTS);
	assert_false(f02[FID_PROC2_CONTROLS] & L0_PROC2_NEVER);
	assert_true(((f02[FID_PROC2_CONTROLS] ^ proc2_12) & L1_PROC2_OWN) == 0);
	assert_true(!(f02[FID_PROC2_CONTROLS] & PROC2_ENABLE_VMFUNC) ||
		    f02[FID_VMFUNC_CONTROLS] == 0);
	assert_true(f02[FID_EXIT_CONTROLS] == l0->exit);
	HAS_ALL(f02[FID_ENTRY_CONTROLS], l0->entry);
	HAS_ALL(f02[FID_EXCEPTION_BITMAP], l0->exception_bitmap | f12[FID_EXCEPTION_BITMAP]);
	HAS_ALL(f02[FID_CR0_GUEST_HOST_MASK], CR0_CD | CR0_NW | f12[FID_CR0_GUEST_HOST_MASK]);
	HAS_ALL(f02[FID_CR4_GUEST_HOST_MASK],
		l0->cr4_hidden | CR4_MCE | f12[FID_CR4_GUEST_HOST_MASK]);
	HAS_ALL(f02[FID_GUEST_CR4], CR4_MCE);
	theorem_memory(f02);
	theorem_msr_bitmap(f12);
	if (f02[FID_PROC2_CONTROLS] & PROC2_VMCS_SHADOWING) {
		theorem_vmcs_bitmap(world.vmread_bitmap02, f12[FID_VMREAD_BITMAP]);
		theorem_vmcs_bitmap(world.vmwrite_bitmap02, f12[FID_VMWRITE_BITMAP]);
	}
}

#endif
