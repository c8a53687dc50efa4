/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID answers on machines of tests.
 */
#ifndef NESTOR_TESTS_CPUID_MACHINE_H
#define NESTOR_TESTS_CPUID_MACHINE_H

#include <stdint.h>
#include <string.h>

#include "policy/cpuid.h"

/* Leaves of a machine, all registers alike, with highest leaves that name all of them. */
static inline struct cpuid_leaves filled_with(uint32_t value)
{
	struct cpuid_leaves m;

	memset(&m, (int)value, sizeof(m));
	m.basic[0] = (struct cpuid_leaf){0x1f, 0x756e6547, 0x6c65746e, 0x49656e69};
	m.ext[0].eax = CPUID_EXT_MAX;
	return m;
}

/* Every feature bit there is, and the XSAVE components and caches of a real machine. */
static inline struct cpuid_leaves rich_machine(void)
{
	static const struct cpuid_leaf xsave[CPUID_LEAFD] = {{0x2ff, 0xa88, 0xa88, 0},
		{0xf, 0, 0x100, 0}, {256, 576, 0, 0}, {64, 960, 0, 0}, {64, 1024, 0, 0},
		{64, 1088, 0, 0}, {512, 1152, 0, 0}, {1024, 1664, 0, 0}, {128, 0, 1, 0},
		{8, 2688, 0, 0}};
	struct cpuid_leaves m = filled_with(UINT32_MAX);

	memcpy(m.leafd, xsave, sizeof(xsave));
	for (unsigned i = 0; i < 3; i++)
		m.leaf4[i] = (struct cpuid_leaf){0xfc004121, 1, 2, 3};
	m.leaf4[3] = (struct cpuid_leaf){0};
	return m;
}

#endif
