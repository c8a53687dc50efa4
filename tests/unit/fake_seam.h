/*
 * The seam of nested/ in memory, for unit tests: L1's RAM is an array, hardware VMCSs are arrays of
 * fields, and every call that has an effect outside is recorded. Include it in exactly one file of
 * a test program; fake_reset() starts each test.
 */
#ifndef NESTOR_TESTS_FAKE_SEAM_H
#define NESTOR_TESTS_FAKE_SEAM_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "nested/nested.h"
#include "nested/seam.h"
#include "spec/vmx.h"

#define FAKE_RAM_SIZE  (32u << 20)
#define FAKE_CALLS_MAX 256
#define FAKE_MSRS_MAX  32
/* Host-physical addresses of L1's RAM in the fake: RAM starts here. */
#define FAKE_HPA_BASE 0x100000000ull

struct fake_call {
	const char *name;
	uint64_t a, b;
};

struct fake_msr {
	uint32_t index;
	uint64_t value;
};

struct fake {
	uint64_t vmcs01[FID_COUNT];
	uint64_t vmcs02[NVMCS_SLOTS][FID_COUNT];
	uint64_t shadow[NVMCS_SLOTS][FID_COUNT];
	uint64_t *current; /* one of the above */
	struct fake_call calls[FAKE_CALLS_MAX];
	unsigned call_count; /* also counts those beyond the array */
	struct fake_msr msrs[FAKE_MSRS_MAX];
	unsigned msr_count;
	/* L1's RAM: reads and writes through the seam; pages handed out as pointers are not seen */
	unsigned reads, writes;
	bool page_written; /* answer to seam_l1_page_written */
	unsigned char ram[FAKE_RAM_SIZE] __attribute__((aligned(4096)));
};

static struct fake fake;

static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.current = fake.vmcs01;
	fake.page_written = true;
}

static inline void fake_record(const char *name, uint64_t a, uint64_t b)
{
	if (fake.call_count < FAKE_CALLS_MAX)
		fake.calls[fake.call_count] = (struct fake_call){name, a, b};
	fake.call_count++;
}

/* How often a function was called since the reset. */
static inline unsigned fake_called(const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake.call_count && i < FAKE_CALLS_MAX; i++)
		count += strcmp(fake.calls[i].name, name) == 0;
	return count;
}

/* Its last call, NULL when there was none. */
static inline const struct fake_call *fake_last(const char *name)
{
	const struct fake_call *last = NULL;

	for (unsigned i = 0; i < fake.call_count && i < FAKE_CALLS_MAX; i++)
		if (strcmp(fake.calls[i].name, name) == 0)
			last = &fake.calls[i];
	return last;
}

static inline bool fake_is_ram(uint64_t gpa, uint64_t len)
{
	return gpa < FAKE_RAM_SIZE && len <= FAKE_RAM_SIZE - gpa;
}

static inline uint64_t fake_read64(uint64_t gpa)
{
	uint64_t value;

	assert_true(fake_is_ram(gpa, sizeof(value)));
	memcpy(&value, fake.ram + gpa, sizeof(value));
	return value;
}

static inline void fake_write64(uint64_t gpa, uint64_t value)
{
	assert_true(fake_is_ram(gpa, sizeof(value)));
	memcpy(fake.ram + gpa, &value, sizeof(value));
}

static inline uint32_t fake_read32(uint64_t gpa)
{
	uint32_t value;

	assert_true(fake_is_ram(gpa, sizeof(value)));
	memcpy(&value, fake.ram + gpa, sizeof(value));
	return value;
}

static inline void fake_write32(uint64_t gpa, uint32_t value)
{
	assert_true(fake_is_ram(gpa, sizeof(value)));
	memcpy(fake.ram + gpa, &value, sizeof(value));
}

/* Gives L1 an MSR; others fault. */
static inline void fake_set_msr(uint32_t index, uint64_t value)
{
	for (unsigned i = 0; i < fake.msr_count; i++) {
		if (fake.msrs[i].index == index) {
			fake.msrs[i].value = value;
			return;
		}
	}
	assert_true(fake.msr_count < FAKE_MSRS_MAX);
	fake.msrs[fake.msr_count++] = (struct fake_msr){index, value};
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
	fake.current = fake.vmcs01;
	fake_record(__func__, 0, 0);
}

void seam_use_vmcs02(struct nested *n, struct nvmcs *v)
{
	(void)n;
	fake.current = fake.vmcs02[v->hw];
	fake_record(__func__, v->gpa, 0);
}

uint64_t seam_vmread(enum vmcs_fid fid)
{
	return fake.current[fid];
}

void seam_vmwrite(enum vmcs_fid fid, uint64_t value)
{
	fake.current[fid] = value & vmcs_value_mask(vmcs_fields[fid].encoding);
}

void seam_read_hot(struct nvmcs *v)
{
	fake_copy_group(v->f, fake.current, GROUP_HOT);
}

void seam_read_rare(struct nvmcs *v)
{
	fake_copy_group(v->f, fake.current, GROUP_RARE);
}

void seam_write_hot(const struct nvmcs *v)
{
	fake_copy_group(fake.current, v->f, GROUP_HOT);
}

void seam_write_rare(const struct nvmcs *v)
{
	fake_copy_group(fake.current, v->f, GROUP_RARE);
}

uint32_t seam_shadow_read(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = 0;

	(void)n;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		if (!(vmcs_fields[i].flags & FIELD_SW_ONLY) || v->f[i] == fake.shadow[v->hw][i])
			continue;
		v->f[i] = fake.shadow[v->hw][i];
		changed |= vmcs_fields[i].flags & (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G);
	}
	return changed;
}

void seam_shadow_write(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	memcpy(fake.shadow[v->hw], v->f, sizeof(fake.shadow[v->hw]));
}

void seam_shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	(void)n;
	fake.shadow[v->hw][fid] = v->f[fid];
}

void seam_shadow_select(struct nested *n, const struct nvmcs *v)
{
	(void)n;
	fake_record(__func__, v ? v->gpa : NVMCS_FREE, 0);
}

void seam_set_proc_controls(struct nested *n, struct nvmcs *v, uint32_t value)
{
	(void)n;
	fake.vmcs02[v->hw][FID_PROC_CONTROLS] = value;
}

void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length)
{
	(void)n;
	fake.current[FID_ENTRY_INTR_INFO] = info;
	fake.current[FID_ENTRY_EXCEPTION_ERROR_CODE] = error_code;
	fake.current[FID_ENTRY_INSTRUCTION_LENGTH] = length;
	fake_record(__func__, info, error_code);
}

void seam_load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2)
{
	(void)n;
	(void)l2;
	fake_copy_group(fake.vmcs01, v->f, GROUP_HOT);
	fake_record(__func__, v->gpa, 0);
}

void seam_nvmcs_reset(struct nested *n, struct nvmcs *v)
{
	(void)n;
	memset(fake.vmcs02[v->hw], 0, sizeof(fake.vmcs02[v->hw]));
	memset(fake.shadow[v->hw], 0, sizeof(fake.shadow[v->hw]));
	fake_record(__func__, v->hw, 0);
}

/* ---- L1's memory ---- */

int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len)
{
	(void)n;
	fake.reads++;
	if (!fake_is_ram(a.v, len))
		return -1;
	memcpy(dst, fake.ram + a.v, len);
	return 0;
}

int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len)
{
	(void)n;
	fake.writes++;
	fake_record(__func__, a.v, len);
	if (!fake_is_ram(a.v, len))
		return -1;
	memcpy(fake.ram + a.v, src, len);
	return 0;
}

void *seam_l1_page(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	return (a.v & PAGE_MASK) == 0 && fake_is_ram(a.v, PAGE_SIZE) ? fake.ram + a.v : NULL;
}

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	(void)n;
	if (!fake_is_ram(a.v, 1))
		return false;
	hpa->v = FAKE_HPA_BASE + a.v;
	*page_size = SIZE_2M;
	return true;
}

void seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	fake_record(__func__, a.v, 0);
}

bool seam_l1_page_written(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	fake_record(__func__, a.v, 0);
	return fake.page_written;
}

void seam_l1_pages_settle(struct nested *n)
{
	(void)n;
	fake_record(__func__, 0, 0);
}

void seam_vept_root_gone(struct nested *n, const struct vept_root *root)
{
	(void)n;
	fake_record(__func__, root->eptp12, 0);
}

/* ---- flushes ---- */

void seam_flush_ept(struct nested *n, uint64_t eptp02)
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
	fake.current[FID_GUEST_RIP] += fake.current[FID_EXIT_INSTRUCTION_LENGTH];
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
	fail_msg("seam_bug: %s", what);
}

#endif
