/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does against vulnerabilities of speculative execution: the options mitigations=,
 * threads=, code-pages= and branches=.
 */
#ifndef NESTOR_LIB_L0_MITIGATIONS_H
#define NESTOR_LIB_L0_MITIGATIONS_H

enum mitigation_mode {
	MITIGATIONS_AUTO,  /* what the processor needs */
	MITIGATIONS_OFF,   /* nothing */
	MITIGATIONS_NOSMT, /* what it needs, and one thread of each core */
	MITIGATIONS_STRICT /* what it needs; several VMs only where nothing stays open */
};

/* Which VMs the threads of a core may run at a time: the option threads=. */
enum l0_threads {
	L0_THREADS_ONE_VM,
	L0_THREADS_ANY
};

/* Whether guests execute large pages as such: the option code-pages=. */
enum l0_code_pages {
	L0_CODE_PAGES_AUTO, /* but where the processor could err (iTLB multihit) */
	L0_CODE_PAGES_SMALL,
	L0_CODE_PAGES_LARGE
};

/* Whether L0's indirect branches and returns are in thunks: the option branches=. */
enum l0_branches {
	L0_BRANCHES_AUTO, /* where the processor needs it (Indirect Target Selection) */
	L0_BRANCHES_THUNKS
};

#endif
