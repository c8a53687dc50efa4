/* SPDX-License-Identifier: Apache-2.0 */
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
#include "spec/ept.h"

/* Host-physical addresses of L1's RAM in the fake: RAM starts here. */
#define FAKE_HPA_BASE 0x100000000ull
/* The machine's shadow VMCSs, one after the other, in pages that L1 does not use. */
#define FAKE_SHADOW_HPA (FAKE_HPA_BASE + FAKE_RAM_SIZE - NVMCS_SLOTS * PAGE_SIZE)

struct fake_hw {
	uint64_t vmcs01[FID_COUNT];
	uint64_t vmcs02[NVMCS_SLOTS][FID_COUNT];
	uint64_t shadow[NVMCS_SLOTS][FID_COUNT];
	uint64_t *current;                    /* one of the above */
	const struct nested_bitmaps *bitmaps; /* of VMCS01 */
	bool bug_expected;                    /* seam_bug does not fail the test */
	bool no_written;                      /* the machine does not tell what L1 wrote */
	bool no_device;                       /* L1 has none of the machine's */
	bool locked;                          /* seam_vm_lock */
	int irq;           /* the interrupt that L1's local APIC signals; negative: none */
	unsigned accesses; /* VMREADs and VMWRITEs of L0 */
	unsigned asked;    /* how often where RAM of L1's is: if it is wrong L1 ends */
	unsigned cpuid_changes;
	uint32_t pkru;
	struct nested_report report; /* the last one */
	void (*at_settle)(void);     /* what other CPUs do just before they are flushed */
};

static struct fake_hw fake_hw;

static inline void fake_seam_reset(void)
{
	fake_reset();
	memset(&fake_hw, 0, sizeof(fake_hw));
	fake_hw.current = fake_hw.vmcs01;
}

/* ---- hardware VMCSs ---- */

/* Pages for the VMREAD and VMWRITE bitmaps, before nested_vm_init. */
static inline void fake_bitmaps(struct nested *n, struct nested_vm *vm)
{
	static uint64_t pages[4 + 2 * NVMCS_SLOTS][PAGE_SIZE / sizeof(uint64_t)];

	vm->usual = (struct nested_bitmaps){pages[0], pages[1]};
	vm->all = (struct nested_bitmaps){pages[2], pages[3]};
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		n->own[i] = (struct nested_bitmaps){pages[4 + 2 * i], pages[5 + 2 * i]};
}

void seam_use_vmcs01(struct nested *n)
{
	(void)n;
	fake_hw.current = fake_hw.vmcs01;
	fake_record(__func__, 0, 0);
}

void seam_use_vmcs02(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_hw.current = fake_hw.vmcs02[v->hw];
	fake_record(__func__, v->gpa, 0);
}

void seam_use_shadow(struct nested *n, const struct nvmcs *v)
{
	assert_true(n->vm->shadowing);
	fake_hw.current = fake_hw.shadow[v->hw];
}

struct hpa seam_shadow_hpa(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	return (struct hpa){FAKE_SHADOW_HPA + v->hw * PAGE_SIZE};
}

uint64_t seam_vmread(enum vmcs_fid fid)
{
	fake_hw.accesses++;
	return fake_hw.current[fid];
}

void seam_vmread_to(enum vmcs_fid fid, uint64_t *to)
{
	fake_hw.accesses++;
	*to = fake_hw.current[fid];
}

void seam_vmwrite(enum vmcs_fid fid, uint64_t value)
{
	fake_hw.accesses++;
	fake_hw.current[fid] = value & vmcs_value_mask(vmcs_fields[fid].encoding);
}

void seam_use_bitmaps(struct nested *n, const struct nested_bitmaps *b)
{
	assert_true(n->vm->shadowing);
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	fake_hw.bitmaps = b;
}

void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length)
{
	(void)n;
	fake_hw.current[FID_ENTRY_INTR_INFO] = info;
	fake_hw.current[FID_ENTRY_EXCEPTION_ERROR_CODE] = error_code;
	fake_hw.current[FID_ENTRY_INSTRUCTION_LENGTH] = length;
	fake_record(__func__, info, error_code);
}

/* ---- L1's memory, the rest ---- */

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	(void)n;
	fake_hw.asked++;
	if (!fake_is_ram(a.v, 1) || (fake.gone && (a.v & ~PAGE_MASK) == fake.gone))
		return false;
	hpa->v = FAKE_HPA_BASE + a.v;
	if (*page_size > SIZE_2M)
		*page_size = SIZE_2M;
	if (!fake_is_ram(a.v & ~(SIZE_2M - 1), SIZE_2M))
		*page_size = PAGE_SIZE;
	return true;
}

/* Registers of a device: 4 MiB, at another place in the machine. */
#define FAKE_DEVICE      0xd0000000ull
#define FAKE_DEVICE_SIZE (4ull << 20)
#define FAKE_DEVICE_HPA  0x7f0000000ull

bool seam_l1_device(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	(void)n;
	assert_true(fake_hw.locked);
	if (fake_hw.no_device || a.v - FAKE_DEVICE >= FAKE_DEVICE_SIZE)
		return false;
	hpa->v = FAKE_DEVICE_HPA + a.v - FAKE_DEVICE;
	*page_size = SIZE_2M;
	return true;
}

void seam_l1_pin(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	assert_true(fake_is_ram(a.v, 1));
}

void seam_l1_single_page(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	assert_true(fake_is_ram(a.v, 1));
	fake_record(__func__, a.v, 0);
}

uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	fake_record(__func__, a.v, 0);
	if (fake_hw.no_written || !fake_is_ram(a.v, PAGE_SIZE))
		return NULL;
	fake.written[a.v / PAGE_SIZE] |= FAKE_WRITTEN | EPT_READ | EPT_WRITE;
	return &fake.written[a.v / PAGE_SIZE];
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

#ifndef FAKE_SEAM_WITHOUT_FLUSHES /* else the test has vm/translations.c */

/* Flushes of EPT02 by name, as waiting or not; those of EPT01 as what they are for. */
void seam_flush_ept(struct nested *n, uint64_t eptp, bool wait)
{
	if (eptp != n->vm->l0.eptp01) {
		fake_record(wait ? "flush and wait" : "flush", eptp, 0);
		return;
	}
	assert_true(fake_hw.locked && wait);
	if (fake_hw.at_settle)
		fake_hw.at_settle();
	fake_record("settle", eptp, 0);
}

void seam_flush_ept_here(struct nested *n, uint64_t eptp)
{
	(void)n;
	fake_record("flush here", eptp, 0);
}

void seam_flush_vpid(struct nested *n, uint16_t vpid02)
{
	(void)n;
	fake_record(__func__, vpid02, 0);
}

#endif

/* ---- L1's vCPU ---- */

void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	(void)n;
	fake_record(__func__, vector, has_error_code ? error_code : UINT64_MAX);
}

/* Recorded as the exception that it is, too. */
void seam_inject_page_fault(struct nested *n, uint64_t linear, uint32_t error_code)
{
	fake_record(__func__, linear, error_code);
	seam_inject(n, VEC_PF, true, error_code);
}

void seam_operand(struct nested *n, uint64_t linear, uint32_t len, bool write)
{
	(void)n;
	fake_record(__func__, linear, (uint64_t)len << 1 | write);
}

void seam_cpuid_changed(struct nested *n)
{
	(void)n;
	fake_hw.cpuid_changes++;
}

uint32_t seam_pkru(struct nested *n)
{
	(void)n;
	return fake_hw.pkru;
}

int seam_irq_ack(struct nested *n, int notification)
{
	(void)n;
	fake_record(__func__, 0, 0);
	if (fake_hw.irq >= 0 && fake_hw.irq == notification)
		fake_record("ended", 0, 0);
	return fake_hw.irq;
}

void seam_notify(struct nested *n, uint32_t ndst, uint8_t vector)
{
	(void)n;
	fake_record(__func__, ndst, vector);
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

static const uint8_t fake_sysenter[] = {
	FID_GUEST_SYSENTER_CS, FID_GUEST_SYSENTER_ESP, FID_GUEST_SYSENTER_EIP};

bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value)
{
	uint64_t old;

	fake_record(__func__, msr, value);
	if (!seam_rdmsr(n, msr, &old))
		return false;
	fake_set_msr(msr, value);
	if (msr >= MSR_SYSENTER_CS && msr <= MSR_SYSENTER_EIP) /* these the VMCS has */
		seam_vmwrite((enum vmcs_fid)fake_sysenter[msr - MSR_SYSENTER_CS], value);
	return true;
}

void seam_l1_shutdown(struct nested *n, const char *why)
{
	(void)n;
	(void)why;
	fake_record(__func__, 0, 0);
}

void seam_bus_locked(struct nested *n)
{
	assert_true(n->in_l2);
	fake_record(__func__, 0, 0);
}

/* Whatever is reported has a rule and words that fit. */
void seam_report(struct nested *n, const struct nested_report *r)
{
	char text[EXPLAIN_TEXT];

	assert_true(explain_rule(r) < EXPLAIN_RULES);
	assert_in_range(
		explain_text(text, sizeof(text), r, &n->vm->caps, true), 40, sizeof(text) - 2);
	fake_hw.report = *r;
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
