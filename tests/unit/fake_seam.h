/*
 * The seam of nested/ in memory, for unit tests: on top of fake_memory.h, hardware VMCSs that
 * are arrays of fields. Include it in exactly one file of a test program; fake_seam_reset()
 * starts each test.
 */
#ifndef NESTOR_TESTS_FAKE_SEAM_H
#define NESTOR_TESTS_FAKE_SEAM_H

#include "fake_memory.h"
#include "nested/explain.h"
#include "nested/nested.h"

/* Host-physical addresses of L1's RAM in the fake: RAM starts here. */
#define FAKE_HPA_BASE 0x100000000ull
/* The machine's shadow VMCSs: a page that L1 does not use. */
#define FAKE_SHADOW_HPA (FAKE_HPA_BASE + FAKE_RAM_SIZE - PAGE_SIZE)

struct fake_hw {
	uint64_t vmcs01[FID_COUNT];
	uint64_t vmcs02[NVMCS_SLOTS][FID_COUNT];
	uint64_t shadow[NVMCS_SLOTS][FID_COUNT];
	uint64_t *current;           /* one of the above */
	struct l2_leftover leftover; /* of the last seam_load_l1 */
	bool bug_expected;           /* seam_bug does not fail the test */
	bool no_written;             /* the machine does not tell what L1 wrote */
	bool locked;                 /* seam_vm_lock */
	void (*at_settle)(void);     /* what other CPUs do just before they are flushed */
};

static struct fake_hw fake_hw;

static inline void fake_seam_reset(void)
{
	fake_reset();
	memset(&fake_hw, 0, sizeof(fake_hw));
	fake_hw.current = fake_hw.vmcs01;
}

static inline void fake_copy_group(uint64_t *to, const uint64_t *from, unsigned groups)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (vmcs_fields[i].group & groups)
			to[i] = from[i];
}

/* ---- hardware VMCSs ---- */

void seam_use_vmcs01(struct nested *n)
{
	(void)n;
	fake_hw.current = fake_hw.vmcs01;
	fake_record(__func__, 0, 0);
}

void seam_use_vmcs02(struct nested *n, struct nvmcs *v)
{
	(void)n;
	fake_hw.current = fake_hw.vmcs02[v->hw];
	fake_record(__func__, v->gpa, 0);
}

uint64_t seam_vmread(enum vmcs_fid fid)
{
	return fake_hw.current[fid];
}

void seam_vmwrite(enum vmcs_fid fid, uint64_t value)
{
	fake_hw.current[fid] = value & vmcs_value_mask(vmcs_fields[fid].encoding);
}

void seam_read_hot(struct nested *n, struct nvmcs *v)
{
	(void)n;
	fake_copy_group(v->f, fake_hw.current, GROUP_HOT);
}

void seam_read_rare(struct nested *n, struct nvmcs *v)
{
	(void)n;
	fake_copy_group(v->f, fake_hw.current, GROUP_RARE);
}

void seam_write_hot(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_copy_group(fake_hw.current, v->f, GROUP_HOT);
}

void seam_write_rare(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_copy_group(fake_hw.current, v->f, GROUP_RARE);
}

uint32_t seam_shadow_read(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = 0;

	(void)n;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		if (!(vmcs_fields[i].flags & FIELD_SW_ONLY) ||
			v->f[i] == fake_hw.shadow[v->hw][i])
			continue;
		v->f[i] = fake_hw.shadow[v->hw][i];
		changed |= vmcs_fields[i].flags & (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G);
	}
	return changed;
}

void seam_shadow_write(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	memcpy(fake_hw.shadow[v->hw], v->f, sizeof(fake_hw.shadow[v->hw]));
}

void seam_shadow_write_exit(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_copy_group(fake_hw.shadow[v->hw], v->f, GROUP_INFO | GROUP_HOT);
	fake_hw.shadow[v->hw][FID_ENTRY_INTR_INFO] = v->f[FID_ENTRY_INTR_INFO];
	if (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		fake_hw.shadow[v->hw][FID_GUEST_INTR_STATUS] = v->f[FID_GUEST_INTR_STATUS];
}

void seam_shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	(void)n;
	fake_hw.shadow[v->hw][fid] = v->f[fid];
}

void seam_shadow_load_all(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	memcpy(fake_hw.shadow[v->hw], v->f, sizeof(fake_hw.shadow[v->hw]));
}

void seam_shadow_store_all(struct nested *n, struct nvmcs *v)
{
	(void)n;
	memcpy(v->f, fake_hw.shadow[v->hw], sizeof(v->f));
}

uint64_t seam_shadow_get(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	(void)n;
	return fake_hw.shadow[v->hw][fid];
}

bool seam_shadow_link(struct nested *n, const struct nvmcs *shadow, struct gpa_l1 read_bitmap,
	struct gpa_l1 write_bitmap)
{
	struct hpa read, write;
	uint64_t size = PAGE_SIZE;

	fake_record(__func__, shadow ? shadow->gpa : NVMCS_FREE, 0);
	fake_hw.current[FID_VMCS_LINK_POINTER] = UINT64_MAX;
	if (!shadow)
		return true;
	if (!seam_l1_translate(n, read_bitmap, &read, &size) ||
		!seam_l1_translate(n, write_bitmap, &write, &size))
		return false;
	fake_hw.current[FID_VMCS_LINK_POINTER] = FAKE_SHADOW_HPA;
	fake_hw.current[FID_VMREAD_BITMAP] = read.v;
	fake_hw.current[FID_VMWRITE_BITMAP] = write.v;
	return true;
}

void seam_shadow_enable(struct nested *n, bool on)
{
	(void)n;
	fake_record(__func__, on, 0);
}

void seam_shadow_select(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_record(__func__, v ? v->gpa : NVMCS_FREE, 0);
}

void seam_set_proc_controls(struct nested *n, struct nvmcs *v, uint32_t value)
{
	(void)n;
	fake_hw.vmcs02[v->hw][FID_PROC_CONTROLS] = value;
}

void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length)
{
	(void)n;
	fake_hw.current[FID_ENTRY_INTR_INFO] = info;
	fake_hw.current[FID_ENTRY_EXCEPTION_ERROR_CODE] = error_code;
	fake_hw.current[FID_ENTRY_INSTRUCTION_LENGTH] = length;
	fake_record(__func__, info, error_code);
}

/* SDM 27.5 "Loading Host State", as far as nested/ looks at L1's state afterwards. */
void seam_load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2)
{
	const uint64_t *f = v->f;
	uint64_t *to = fake_hw.vmcs01;
	uint64_t lma = f[FID_EXIT_CONTROLS] & EXIT_HOST_64 ? EFER_LMA | EFER_LME : 0;

	(void)n;
	fake_record(__func__, v->gpa, l2->valid);
	fake_hw.leftover = *l2;
	to[FID_GUEST_CR0] = f[FID_HOST_CR0];
	to[FID_GUEST_CR3] = f[FID_HOST_CR3];
	to[FID_GUEST_CR4] = f[FID_HOST_CR4];
	to[FID_CR0_READ_SHADOW] = f[FID_HOST_CR0];
	to[FID_CR4_READ_SHADOW] = f[FID_HOST_CR4];
	to[FID_GUEST_RSP] = f[FID_HOST_RSP];
	to[FID_GUEST_RIP] = f[FID_HOST_RIP];
	to[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	to[FID_GUEST_DR7] = 0x400;
	to[FID_GUEST_DEBUGCTL] = 0;
	to[FID_GUEST_INTERRUPTIBILITY] = l2->nmi_blocked ? INTERRUPTIBILITY_NMI : 0;
	to[FID_GUEST_CS_AR] = lma ? 0xa09b : 0xc09b;
	to[FID_GUEST_SS_AR] = 0xc093;
	if (f[FID_EXIT_CONTROLS] & EXIT_LOAD_EFER)
		to[FID_GUEST_EFER] = f[FID_HOST_EFER];
	else
		to[FID_GUEST_EFER] =
			((l2->valid ? l2->efer : to[FID_GUEST_EFER]) & ~(EFER_LMA | EFER_LME)) |
			lma;
	if (f[FID_EXIT_CONTROLS] & EXIT_LOAD_PAT)
		to[FID_GUEST_PAT] = f[FID_HOST_PAT];
	else if (l2->valid)
		to[FID_GUEST_PAT] = l2->pat;
}

/* ---- L1's memory, the rest ---- */

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	(void)n;
	if (!fake_is_ram(a.v, 1))
		return false;
	hpa->v = FAKE_HPA_BASE + a.v;
	if (*page_size > SIZE_2M)
		*page_size = SIZE_2M;
	if (!fake_is_ram(a.v & ~(SIZE_2M - 1), SIZE_2M))
		*page_size = PAGE_SIZE;
	return true;
}

uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	fake_record(__func__, a.v, 0);
	if (fake_hw.no_written || !fake_is_ram(a.v, PAGE_SIZE))
		return NULL;
	fake.written[a.v / PAGE_SIZE] |= FAKE_WRITTEN;
	return &fake.written[a.v / PAGE_SIZE];
}

void seam_l1_pages_settle(struct nested *n)
{
	(void)n;
	assert_true(fake_hw.locked);
	if (fake_hw.at_settle)
		fake_hw.at_settle();
	fake_record(__func__, 0, 0);
}

void seam_vm_lock(struct nested *n)
{
	(void)n;
	assert_false(fake_hw.locked);
	fake_hw.locked = true;
}

void seam_vm_unlock(struct nested *n)
{
	(void)n;
	assert_true(fake_hw.locked);
	fake_hw.locked = false;
}

/* ---- flushes ---- */

void seam_flush_ept(struct nested *n, uint64_t eptp02)
{
	(void)n;
	fake_record(__func__, eptp02, 0);
}

void seam_flush_ept_lazy(struct nested *n, uint64_t eptp02)
{
	(void)n;
	fake_record(__func__, eptp02, 0);
}

void seam_flush_vpid(struct nested *n, uint16_t vpid02)
{
	(void)n;
	fake_record(__func__, vpid02, 0);
}

void seam_flush_vpid_address(struct nested *n, uint16_t vpid02, uint64_t linear)
{
	(void)n;
	fake_record(__func__, vpid02, linear);
}

/* ---- L1's vCPU ---- */

void seam_skip_insn(struct nested *n)
{
	(void)n;
	fake_hw.current[FID_GUEST_RIP] += fake_hw.current[FID_EXIT_INSTRUCTION_LENGTH];
	fake_record(__func__, 0, 0);
}

void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	(void)n;
	fake_record(__func__, vector, has_error_code ? error_code : UINT64_MAX);
}

void seam_set_cr2(struct nested *n, uint64_t linear)
{
	(void)n;
	fake_record(__func__, linear, 0);
}

bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value)
{
	(void)n;
	for (unsigned i = 0; i < fake.msr_count; i++) {
		if (fake.msrs[i].index == msr) {
			*value = fake.msrs[i].value;
			return true;
		}
	}
	return false;
}

bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value)
{
	uint64_t old;

	fake_record(__func__, msr, value);
	if (!seam_rdmsr(n, msr, &old))
		return false;
	fake_set_msr(msr, value);
	return true;
}

void seam_l1_shutdown(struct nested *n, const char *why)
{
	(void)n;
	(void)why;
	fake_record(__func__, 0, 0);
}

void seam_report(struct nested *n, const struct nested_report *r)
{
	(void)n;
	fake_record(__func__, r->error, r->check);
}

void seam_bug(struct nested *n, const char *what)
{
	(void)n;
	fake_record(__func__, 0, 0);
	if (!fake_hw.bug_expected)
		fail_msg("seam_bug: %s", what);
}

#endif
