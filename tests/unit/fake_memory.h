/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of nested/'s seam that is L1's memory and MSRs, for unit tests: RAM is an array, and
 * calls that have an effect outside are recorded. Include it in exactly one file of a test
 * program; fake_reset() starts each test. fake_seam.h has the rest of the seam.
 */
#ifndef NESTOR_TESTS_FAKE_MEMORY_H
#define NESTOR_TESTS_FAKE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "nested/seam.h"
#include "spec/vmx.h"

#ifndef FAKE_RAM_SIZE
#define FAKE_RAM_SIZE (32u << 20)
#endif
#define FAKE_CALLS_MAX 2048
#define FAKE_MSRS_MAX  32

struct fake_call {
	const char *name;
	uint64_t a, b;
};

struct fake_msr {
	uint32_t index;
	uint64_t value;
};

struct fake {
	struct fake_call calls[FAKE_CALLS_MAX];
	unsigned call_count; /* also counts those beyond the array */
	struct fake_msr msrs[FAKE_MSRS_MAX];
	unsigned msr_count;
	/* Accesses to L1's RAM by copy; pages handed out as pointers are not counted. */
	unsigned reads, writes;
	void (*before_write)(void); /* what another vCPU does before L0 writes */
	void (*at_write)(void);     /* ... and when it sees what L0 wrote */
	/*
	 * By page, what EPT01 has of those that are watched: bit 9 is set when L1 writes it,
	 * bit 1 lets it. Where that is clear, bit 0 set, L1 is refused the write.
	 */
	uint64_t written[FAKE_RAM_SIZE / 4096];
	void (*refused)(uint64_t gpa); /* lets L1 try again */
	uint64_t gone; /* a page of RAM that is wrong, not 0: nobody gets it any more */
	uint64_t base; /* where RAM starts: not 0 while a test looks as the machine does */
	unsigned char ram[FAKE_RAM_SIZE] __attribute__((aligned(4096)));
};

static struct fake fake;

static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
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

#define FAKE_WRITTEN BIT64(9)

/* What EPT01 says of a page that L1 is going to write. */
static inline void fake_writes(uint64_t gpa)
{
	uint64_t *word = &fake.written[gpa / 4096];

	if ((*word & 3) == 1) {
		assert_non_null(fake.refused);
		fake.refused(gpa);
		assert_true(*word & 2);
	}
	*word |= FAKE_WRITTEN;
}

/* L1 writes its memory. */
static inline void fake_write64(uint64_t gpa, uint64_t value)
{
	assert_true(fake_is_ram(gpa, sizeof(value)));
	fake_writes(gpa);
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
	fake_writes(gpa);
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

/* ---- L1's memory ---- */

int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len)
{
	(void)n;
	fake.reads++;
	a.v -= fake.base;
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
	if (fake.before_write)
		fake.before_write();
	memcpy(fake.ram + a.v, src, len);
	if (fake.at_write)
		fake.at_write();
	return 0;
}

void *seam_l1_page(struct nested *n, struct gpa_l1 a)
{
	(void)n;
	a.v &= ~PAGE_MASK; /* as in L0 */
	if (fake.gone && a.v == fake.gone)
		return NULL;
	return fake_is_ram(a.v, PAGE_SIZE) ? fake.ram + a.v : NULL;
}

bool seam_l1_stays(struct nested *n)
{
	(void)n;
	return !fake.gone;
}

#endif
