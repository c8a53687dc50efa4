/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor check --host`: vulnerabilities of speculative execution that a processor has, and
 * what Nestor does about each, by L0's own table (policy/mitigations).
 */
#ifndef NESTOR_HOST_SPECULATION_H
#define NESTOR_HOST_SPECULATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/text.h"
#include "policy/mitigations.h"

struct host_speculation {
	bool known; /* the processor's signature is */
	struct cpuid_leaf vendor, features, extended, more, topology;
	uint64_t arch_caps;
};

/* What this machine's CPUID says: not known yet if the MSR has to be read. */
void host_speculation_read(struct host_speculation *s);
/* Whether it has IA32_ARCH_CAPABILITIES: who has read it sets arch_caps and known. */
bool host_speculation_has_msr(const struct host_speculation *s);
/* A line of a file of another machine: the register of CPUID with this name. False: it is none
 * that counts here. */
bool host_speculation_take(struct host_speculation *s, struct text name, uint32_t value);

/* Nothing where it is not known. */
void host_speculation_show(const struct host_speculation *s);
/* Lines that host_speculation_take() takes. */
void host_speculation_report(FILE *out, const struct host_speculation *s);
json_t *host_speculation_json(const struct host_speculation *s);

#endif
