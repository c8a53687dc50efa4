/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L2 under the EPT12 of vept_world.h, with pages for what L1 can ask for: a log, a #VE area,
 * an EPTP list. Include it in exactly one file of a test program.
 */
#ifndef NESTOR_TESTS_L2_EPT_H
#define NESTOR_TESTS_L2_EPT_H

#include "nested_vcpu.h"

#include "vept_invariants.h"
#include "vept_world.h"

#define LOG     0x120000ull
#define VE_AREA 0x121000ull
#define LIST    0x122000ull
#define LINEAR  0x180ull /* bits 8:7 of a qualification: of a linear address */
#define USER    BIT64(9)

static uint64_t golden[FID_COUNT];

static inline int l2_ept_setup(void **state)
{
	vcpu_setup(state);
	vm.vept.execute_only = true;
	vm.vept.advanced_info = true;
	golden_offered(golden);
	ept12_make(EPT_RWX | EPT_USER_EXEC);
	golden[FID_EPT_POINTER] = EPT12_AD;
	golden[FID_PML_ADDRESS] = LOG;
	golden[FID_VE_INFO_ADDRESS] = VE_AREA;
	golden[FID_EPTP_LIST_ADDRESS] = LIST;
	golden[FID_EPTP_INDEX] = 0x1234;
	golden[FID_PML_INDEX] = 511;
	return 0;
}

static inline void launch(uint64_t proc2)
{
	golden[FID_PROC2_CONTROLS] |= proc2;
	enter_vmx();
	become(golden);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
}

static inline uint64_t *f02(void)
{
	return fake_hw.vmcs02[n.cur->hw];
}

static inline uint64_t f12(enum vmcs_fid fid)
{
	return n.cur->f[fid];
}

/* L2 accesses memory, and hardware finds EPT02 without the right. */
static inline enum nested_verdict violate(uint64_t gpa, uint64_t qualification)
{
	enum nested_verdict v;

	f02()[FID_EXIT_QUALIFICATION] = qualification;
	f02()[FID_GUEST_PHYSICAL_ADDRESS] = gpa;
	f02()[FID_GUEST_LINEAR_ADDRESS] = gpa + 0x7000000;
	v = nested_l2_exit(&n, EXIT_EPT_VIOLATION);
	vept_check(&vm.vept);
	return v;
}

static inline uint64_t leaf(uint64_t gpa)
{
	return ept02_leaf(&vm.vept, n.cur->root, gpa);
}

static inline void expect_l1(enum nested_verdict v, uint32_t reason)
{
	assert_int_equal(v, NESTED_L1);
	assert_int_equal(f12(FID_EXIT_REASON), reason);
	assert_false(n.in_l2);
}

#endif
