/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of L0 by itself, by the option selftest=.
 */
#ifndef NESTOR_LIB_L0_SELFTEST_H
#define NESTOR_LIB_L0_SELFTEST_H

enum l0_selftest {
	L0_SELFTEST_NONE,
	L0_SELFTEST_FAULT,     /* takes a page fault at the start */
	L0_SELFTEST_STATE,     /* takes each vCPU's state and puts it back, again and again */
	L0_SELFTEST_DEBUGGER,  /* steps through all guests; a watchpoint that nobody meets */
	L0_SELFTEST_PAGES,     /* has them on a debugger's EPTs, with the same */
	L0_SELFTEST_MCE,       /* simulates machine checks: in L0, then in the first guest */
	L0_SELFTEST_MCE_FATAL, /* ... one that ends all */
	L0_SELFTEST_MEMORY,    /* ... of memory that the first VM has, and will use */
	L0_SELFTEST_NMI,       /* NMIs that are no kicks, while the first VM runs */
	L0_SELFTEST_TSC,       /* CPUs whose TSCs are not in step at the start */
	L0_SELFTEST_DRIFT,     /* a CPU's TSC goes wrong while the first VM runs */
	L0_SELFTEST_STALL      /* a CPU stands still in L0 for a while */
};

#endif
