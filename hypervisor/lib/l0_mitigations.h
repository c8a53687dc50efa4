/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does against vulnerabilities of speculative execution: the option mitigations=.
 */
#ifndef NESTOR_LIB_L0_MITIGATIONS_H
#define NESTOR_LIB_L0_MITIGATIONS_H

enum mitigation_mode {
	MITIGATIONS_AUTO, /* what the processor needs */
	MITIGATIONS_OFF,  /* nothing */
	MITIGATIONS_NOSMT /* what it needs, and one thread of each core */
};

#endif
