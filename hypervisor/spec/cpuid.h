/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID: the names of its flags and fields, and where each is (cpuid.def).
 */
#ifndef NESTOR_SPEC_CPUID_H
#define NESTOR_SPEC_CPUID_H

#include <stdbool.h>
#include <stdint.h>

/* Leaves whose answer is not made of named flags and fields alone. */
#define CPUID_LEAF_VENDOR      0x0u
#define CPUID_LEAF_DESCRIPTORS 0x2u
#define CPUID_LEAF_CACHES      0x4u /* a subleaf a cache */
#define CPUID_LEAF_MONITOR     0x5u
#define CPUID_LEAF_POWER       0x6u
#define CPUID_LEAF_FEATURES    0x7u
#define CPUID_LEAF_PERF        0xau
#define CPUID_LEAF_TOPOLOGY    0xbu /* a subleaf a level */
#define CPUID_LEAF_XSAVE       0xdu /* a subleaf a state component, from 2 */
#define CPUID_LEAF_TSC         0x15u
#define CPUID_LEAF_FREQUENCIES 0x16u
#define CPUID_LIMIT_MOST       0x3u /* the highest, where IA32_MISC_ENABLE limits it */
#define CPUID_EXT_BASE         0x80000000u
#define CPUID_HV_BASE          0x40000000u /* reserved for software: hypervisors */
#define CPUID_HV_TIMING        0x40000010u

/* Leaf 0: "GenuineIntel" */
#define CPUID_INTEL_EBX 0x756e6547u
#define CPUID_INTEL_ECX 0x6c65746eu
#define CPUID_INTEL_EDX 0x49656e69u

static inline bool cpuid_is_intel(uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	return ebx == CPUID_INTEL_EBX && ecx == CPUID_INTEL_ECX && edx == CPUID_INTEL_EDX;
}

/* Leaf 4, EAX. */
#define CPUID_CACHE_TYPE(eax)   ((eax)&0x1fu) /* 0: no more caches */
#define CPUID_CACHE_OWN         0x3ffu        /* type, level, self-initializing, associative */
#define CPUID_CACHE_CORES_SHIFT 26            /* cores of the package, minus 1 */

/* Leaf 4, EBX: ways, partitions and line size, each minus 1. */
#define CPUID_CACHE_LEVEL(eax)      (((eax) >> 5) & 7u)
#define CPUID_CACHE_LINE(ebx)       (((ebx)&0xfffu) + 1)
#define CPUID_CACHE_PARTITIONS(ebx) ((((ebx) >> 12) & 0x3ffu) + 1)
#define CPUID_CACHE_WAYS(ebx)       (((ebx) >> 22) + 1)

/* Leaf 2: descriptors, one a byte. */
#define CPUID_DESCRIPTORS_ONCE    0x01u /* the lowest byte: the leaf is to be read once */
#define CPUID_DESCRIPTORS_NO_TLBS 0xfeu
#define CPUID_DESCRIPTORS_LEAF4   0xffu /* caches are in leaf 4 */

/* Leaf 0xb, ECX: the level's type. */
#define CPUID_LEVEL_SMT  (1u << 8)
#define CPUID_LEVEL_CORE (2u << 8)

/* Leaf 0xd, ECX of a component: it is aligned to 64 bytes in the compacted format. */
#define CPUID_XSAVE_ALIGNED 2u

struct cpuid_leaf {
	uint32_t eax, ebx, ecx, edx;
};

/* In the order of struct cpuid_leaf. */
enum cpuid_register {
	CPUID_REG_EAX,
	CPUID_REG_EBX,
	CPUID_REG_ECX,
	CPUID_REG_EDX
};

/* A flag or field: CPUID_SSE3 and so on. */
enum cpuid_field {
#define FLAG(leaf, subleaf, reg, bit, name)        CPUID_##name,
#define FIELD(leaf, subleaf, reg, low, wide, name) CPUID_##name,
#include "spec/cpuid.def"
	CPUID_FIELD_COUNT
};

struct cpuid_place {
	uint32_t leaf;
	uint8_t subleaf;
	uint8_t reg; /* enum cpuid_register */
	uint8_t low, width;
};

extern const struct cpuid_place cpuid_places[CPUID_FIELD_COUNT];

/* The bits of the register that the field covers; never 0. */
static inline uint32_t cpuid_mask(enum cpuid_field field)
{
	const struct cpuid_place *p = &cpuid_places[field];

	return UINT32_MAX >> (32 - p->width) << p->low;
}

#endif
