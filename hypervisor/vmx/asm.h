/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of VT-x. Unchecked forms are for fields that setup has shown to exist.
 */
#ifndef NESTOR_VMX_ASM_H
#define NESTOR_VMX_ASM_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/vmx.h"

static inline uint64_t vmread(uint64_t encoding)
{
	uint64_t v;

	__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(encoding) : "cc");
	return v;
}

/* Straight into memory: one instruction less for lists of fields. */
static inline void vmread_to(uint64_t encoding, uint64_t *to)
{
	__asm__ volatile("vmread %1, %0" : "=m"(*to) : "r"(encoding) : "cc");
}

static inline uint32_t vmread32(uint64_t encoding)
{
	return (uint32_t)vmread(encoding);
}

static inline void vmwrite(uint64_t encoding, uint64_t v)
{
	__asm__ volatile("vmwrite %0, %1" : : "rm"(v), "r"(encoding) : "cc");
}

/* False when the machine has no such field. */
static inline bool vmread_checked(uint64_t encoding)
{
	uint64_t value;
	bool failed;

	__asm__ volatile("vmread %2, %0" : "=r"(value), "=@ccbe"(failed) : "r"(encoding));
	return !failed;
}

/* False when the instruction failed: no such field, or a read-only one. */
static inline bool vmwrite_checked(uint64_t encoding, uint64_t v)
{
	bool failed;

	__asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(v), "r"(encoding));
	return !failed;
}

static inline bool vmxon(struct hpa region)
{
	bool failed;

	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
	return !failed;
}

static inline bool vmclear(struct hpa region)
{
	bool failed;

	__asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
	return !failed;
}

static inline bool vmptrld(struct hpa region)
{
	bool failed;

	__asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
	return !failed;
}

static inline void invept(uint64_t type, uint64_t eptp)
{
	struct {
		uint64_t eptp, reserved;
	} d = {eptp, 0};

	__asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

static inline void invvpid(uint64_t type, uint16_t vpid, uint64_t linear)
{
	struct {
		uint64_t vpid, linear;
	} d = {vpid, linear};

	__asm__ volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

#endif
