/* SPDX-License-Identifier: Apache-2.0 */
#include "host_speculation.h"

#include <cpuid.h>
#include <stddef.h>
#include <stdio.h>

#include "spec/msr.h"

#define INTEL_EBX 0x756e6547u /* "Genu" */

static void read_leaf(uint32_t leaf, uint32_t subleaf, struct cpuid_leaf *l)
{
	__get_cpuid_count(leaf, subleaf, &l->eax, &l->ebx, &l->ecx, &l->edx);
}

void host_speculation_read(struct host_speculation *s)
{
	*s = (struct host_speculation){0};
	read_leaf(0, 0, &s->vendor);
	read_leaf(1, 0, &s->features);
	read_leaf(CPUID_LEAF_FEATURES, 0, &s->extended);
	if (s->extended.eax >= 2)
		read_leaf(CPUID_LEAF_FEATURES, 2, &s->more);
	read_leaf(CPUID_LEAF_TOPOLOGY, 0, &s->topology);
	s->known = s->vendor.ebx == INTEL_EBX && !host_speculation_has_msr(s);
}

bool host_speculation_has_msr(const struct host_speculation *s)
{
	return s->extended.edx & cpuid_mask(CPUID_ARCH_CAPABILITIES);
}

#define AT(leaf, reg) offsetof(struct host_speculation, leaf.reg)

static const struct {
	const char *name;
	size_t at;
} registers[] = {
	{"cpuid.1.eax", AT(features, eax)},
	{"cpuid.1.ecx", AT(features, ecx)},
	{"cpuid.7.ebx", AT(extended, ebx)},
	{"cpuid.7.edx", AT(extended, edx)},
	{"cpuid.7.2.edx", AT(more, edx)},
	{"cpuid.11.ebx", AT(topology, ebx)},
	{"cpuid.11.ecx", AT(topology, ecx)},
};

bool host_speculation_take(struct host_speculation *s, struct text name, uint32_t value)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		if (!text_is(name, registers[i].name))
			continue;
		*(uint32_t *)(void *)((char *)s + registers[i].at) = value;
		/* Nestor runs on Intel's only. */
		s->vendor = (struct cpuid_leaf){0, INTEL_EBX, 0x6c65746e, 0x49656e69};
		s->known = s->known || i == 0;
		return true;
	}
	return false;
}

void host_speculation_report(FILE *out, const struct host_speculation *s)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		fprintf(out, "%s 0x%x\n", registers[i].name,
			*(const uint32_t *)(const void *)((const char *)s + registers[i].at));
	if (host_speculation_has_msr(s) && s->known)
		fprintf(out, "0x%x 0x%llx\n", MSR_ARCH_CAPABILITIES,
			(unsigned long long)s->arch_caps);
}

static struct mitigations judge(const struct host_speculation *s)
{
	struct speculation_facts f = speculation_facts_of(
		&s->vendor, &s->features, &s->extended, &s->more, &s->topology, s->arch_caps);
	struct mitigations m;

	mitigations_judge(&f, MITIGATIONS_AUTO, &m);
	return m;
}

static const char *state_of(const struct mitigations *m, unsigned i)
{
	return mitigation_state_text((enum mitigation_state)m->issue[i].state);
}

void host_speculation_show(const struct host_speculation *s)
{
	struct mitigations m;

	if (!s->known)
		return;
	m = judge(s);
	printf("\n%-26s %s\n", "vulnerability", "with Nestor");
	for (unsigned i = 0; i < SPECULATION_COUNT; i++)
		printf("%-26s %s%s\n", speculation_name((enum speculation_issue)i),
			state_of(&m, i), m.issue[i].what);
}

json_t *host_speculation_json(const struct host_speculation *s)
{
	struct mitigations m = judge(s);
	json_t *all = json_object();

	for (unsigned i = 0; i < SPECULATION_COUNT; i++)
		json_object_set_new(all, speculation_name((enum speculation_issue)i),
			json_sprintf("%s%s", state_of(&m, i), m.issue[i].what));
	return all;
}
