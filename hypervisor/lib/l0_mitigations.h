/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does against vulnerabilities of speculative execution: the options mitigations=,
 * threads= and code-pages=.
 */
#ifndef NESTOR_LIB_L0_MITIGATIONS_H
#define NESTOR_LIB_L0_MITIGATIONS_H

enum mitigation_mode {
	MITIGATIONS_AUTO, /* what the processor needs */
	MITIGATIONS_OFF,  /* nothing */
	MITIGATIONS_NOSMT /* what it needs, and one thread of each core */
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

#endif
