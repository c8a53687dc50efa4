/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of virtual EPT alone: an L1 with the EPT12 of vept_world.h, tables for its EPT02s,
 * and what the processor finds in those.
 */
#ifndef NESTOR_TESTS_VEPT_ALONE_H
#define NESTOR_TESTS_VEPT_ALONE_H

#include "fake_seam.h"

#include "fake_caps.h"
#include "fake_vept.h"
#include "nested/vept.h"
#include "vept_invariants.h"
#include "vept_model.h"
#include "vept_world.h"

#define TABLES 64u

static struct nested n;
static struct nested_vm vm;

static int setup(void **state)
{
	(void)state;
	fake_seam_reset();
	memset(&n, 0, sizeof(n));
	memset(&vm, 0, sizeof(vm));
	n.vm = &vm;
	fake_vept_alloc(&vm.vept, TABLES);
	vm.vept.execute_only = true;
	vept_init(&vm.vept);
	fake_scratch(&n.scratch);
	ept12_make(EPT_RWX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vept_check(&vm.vept);
	model_invept_all(&n);
	fake_vept_free(&vm.vept);
	return 0;
}

static enum vept_result touch(struct vept_root *root, uint64_t gpa, uint64_t access)
{
	uint64_t qualification;

	return vept_handle(&n, root, (struct gpa_l2){gpa}, access, &qualification);
}

/* Walks EPT02 as hardware would: the leaf entry, or 0; *level is its level. */
static uint64_t walk02(const struct vept_root *root, uint64_t gpa, unsigned *level)
{
	uint64_t hpa = root->eptp02 & ~0xfffull;

	for (*level = 4;; --*level) {
		uint64_t t = (hpa - vm.vept.pages_hpa) / sizeof(struct vept_pages);
		uint64_t e;

		assert_in_range(t, 0, TABLES - 1);
		assert_true(vm.vept.table[t].in_use);
		assert_int_equal(vm.vept.table[t].level, *level);
		e = vm.vept.pages[t].entry[gpa >> (12 + 9 * (*level - 1)) & 511];
		if (!(e & EPT_RWX))
			return 0;
		if (*level == 1 || (e & EPT_LARGE))
			return e;
		hpa = e & 0xffffffffff000ull;
	}
}

static inline void expect_mapped(const struct vept_root *root, uint64_t gpa, uint64_t l1,
	uint64_t perms, unsigned want_level)
{
	unsigned level;
	uint64_t e = walk02(root, gpa, &level);
	uint64_t offset = (1ull << (12 + 9 * (level - 1))) - 1;

	assert_int_equal(level, want_level);
	assert_int_equal(
		(e & 0xffffffffff000ull & ~offset) + (gpa & offset), FAKE_HPA_BASE + l1);
	assert_int_equal(e & EPT_RWX, perms);
}

static inline void expect_unmapped(const struct vept_root *root, uint64_t gpa)
{
	unsigned level;

	assert_int_equal(walk02(root, gpa, &level), 0);
}

#endif
