/* SPDX-License-Identifier: Apache-2.0 */
/* L0's address spaces, where memory for their tables runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "spec/regs.h"
#include "spec/vmx.h"

#define PAGES 16u

/* No image is mapped. */
__asm__(".data\n.globl image_start, text_end, rodata_end, image_end\n"
	".balign 4096\nimage_start:\ntext_end:\nrodata_end:\nimage_end:\n.quad 0\n.text");
static uint8_t memory[PAGES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static bool taken[PAGES];
static unsigned left;

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	(void)write;
	(void)value;
	return CR4_LA57;
}

uint64_t hw_rdmsr(uint32_t msr)
{
	(void)msr;
	return EFER_NXE;
}

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)leaf;
	(void)subleaf;
	return (struct cpuid_regs){0};
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	assert_int_equal(size, PAGE_SIZE);
	assert_int_equal(align, PAGE_SIZE);
	(void)limit;
	for (unsigned i = 0; left != 0 && i < PAGES; i++) {
		if (taken[i])
			continue;
		taken[i] = true;
		left--;
		*out = hpa_of(memory[i]);
		return true;
	}
	return false;
}

void page_free(struct hpa start, uint64_t size)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (start.v == hpa_of(memory[i]).v && size == PAGE_SIZE && taken[i]) {
			taken[i] = false;
			return;
		}
	fail_msg("%lx is given back, which nobody took", start.v);
}

static void one_that_is_made_in_part_gives_back_what_it_took(void **state)
{
	bool whole = false;

	(void)state;
	for (unsigned most = 0; most < PAGES; most++) {
		uint64_t cr3 = 0;

		left = most;
		whole = paging_create(&cr3);
		if (cr3 != 0)
			paging_destroy(cr3);
		for (unsigned i = 0; i < PAGES; i++) {
			assert_false(taken[i]);
			for (unsigned k = 0; k < PAGE_SIZE; k++)
				assert_int_equal(memory[i][k], 0);
		}
	}
	assert_true(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_made_in_part_gives_back_what_it_took),
	};

	return cmocka_run_group_tests_name("mm_paging", tests, NULL, NULL);
}
