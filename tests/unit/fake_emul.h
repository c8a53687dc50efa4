/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam of emul/ in memory, for unit tests and fuzzers: a piece of memory, and a device that
 * is one, at linear addresses of their own, with a record of what was done to the device. Other
 * linear addresses fault. Include it in exactly one file of a program; fake_emul_reset() starts
 * each test.
 */
#ifndef NESTOR_TESTS_FAKE_EMUL_H
#define NESTOR_TESTS_FAKE_EMUL_H

#include <stddef.h>
#include <string.h>

#include "emul/seam.h"

#define FAKE_MEMORY_SIZE  8192u
#define FAKE_DEVICE_SIZE  8192u
#define FAKE_ACCESSES_MAX 2048u

/* One of the device, or of a port. */
struct fake_access {
	uint64_t at;
	unsigned size;
	bool port, write;
	uint64_t value; /* as it was given or taken, whole */
};

struct fake_emul {
	uint8_t memory[FAKE_MEMORY_SIZE];
	uint64_t memory_at; /* linear address */
	uint32_t mapped;    /* bytes of it that do not fault */
	uint64_t fault_at;  /* where the last access began that faulted */
	uint64_t highest;   /* linear address asked for */
	uint8_t device[FAKE_DEVICE_SIZE] __attribute__((aligned(4096)));
	uint64_t device_at;     /* linear address */
	uint32_t device_mapped; /* bytes of it that do not fault */
	bool device_read_only;
	uint32_t port_value; /* that the next read gives, and one more each time */
	struct emul_segment segment[SEG_NAMED];
	unsigned segment_asked[SEG_NAMED];
	uint64_t vector[16][4];
	bool no_vectors;
	uint64_t control_flow[2]; /* of supervisors, of users */
	unsigned count;           /* of accesses, also of those beyond the array */
	struct fake_access accesses[FAKE_ACCESSES_MAX];
};

static struct fake_emul fake;
static struct emul_env fake_env;

static inline void fake_emul_reset(void)
{
	memset(&fake, 0, offsetof(struct fake_emul, accesses));
	fake.mapped = FAKE_MEMORY_SIZE;
	fake.device_mapped = FAKE_DEVICE_SIZE;
	for (unsigned i = 0; i < SEG_NAMED; i++)
		fake.segment[i] = (struct emul_segment){
			0, UINT32_MAX, i == SEG_CS ? SEG_AR_CODE32 : SEG_AR_DATA32};
}

/* ---- memory ---- */

static inline uint8_t *fake_memory(uint64_t linear, uint32_t len)
{
	uint64_t offset = linear - fake.memory_at;

	if (linear > fake.highest)
		fake.highest = linear;
	if (offset < fake.mapped && len <= fake.mapped - offset)
		return fake.memory + offset;
	fake.fault_at = linear;
	return NULL;
}

static inline void fake_access(
	bool port, bool write, uint64_t at, unsigned size, uint64_t value)
{
	if (fake.count < FAKE_ACCESSES_MAX)
		fake.accesses[fake.count] = (struct fake_access){at, size, port, write, value};
	fake.count++;
}

static inline unsigned fake_count(bool port, bool write)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake.count && i < FAKE_ACCESSES_MAX; i++)
		n += fake.accesses[i].port == port && fake.accesses[i].write == write;
	return n;
}

static inline uint8_t *fake_device(uint64_t linear, uint32_t len)
{
	uint64_t offset = linear - fake.device_at;

	return offset < fake.device_mapped && len <= fake.device_mapped - offset
		       ? fake.device + offset
		       : NULL;
}

bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len)
{
	const uint8_t *device = fake_device(linear, len), *at = device;
	uint64_t value = 0;

	(void)env;
	if (at == NULL)
		at = fake_memory(linear, len);
	if (at == NULL)
		return false;
	memcpy(dst, at, len);
	memcpy(&value, at, len < 8 ? len : 8);
	if (device != NULL)
		fake_access(false, false, linear, len, value);
	return true;
}

bool seam_memory_can_read(struct emul_env *env, uint64_t linear, uint32_t len)
{
	(void)env;
	return fake_device(linear, len) != NULL || fake_memory(linear, len) != NULL;
}

bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len)
{
	(void)env;
	if (fake_device(linear, len) != NULL && fake.device_read_only) {
		fake.fault_at = linear;
		return false;
	}
	return fake_device(linear, len) != NULL || fake_memory(linear, len) != NULL;
}

bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len)
{
	uint8_t *at = fake_device(linear, len);
	uint64_t value = 0;

	if (!seam_memory_can_write(env, linear, len))
		return false;
	memcpy(&value, src, len < 8 ? len : 8);
	if (at != NULL)
		fake_access(false, true, linear, len, value);
	memcpy(at != NULL ? at : fake_memory(linear, len), src, len);
	return true;
}

struct emul_segment seam_segment(struct emul_env *env, enum sreg segment)
{
	(void)env;
	fake.segment_asked[segment]++;
	return fake.segment[segment];
}

uint64_t seam_control_flow(struct emul_env *env)
{
	return fake.control_flow[env->cpl == 3];
}

/* ---- vector registers ---- */

bool seam_vectors(struct emul_env *env, bool wide)
{
	(void)env;
	(void)wide;
	return !fake.no_vectors;
}

void seam_vector_get(struct emul_env *env, unsigned reg, uint64_t v[4], bool wide)
{
	(void)env;
	memcpy(v, fake.vector[reg], wide ? 32 : 16);
}

void seam_vector_set(struct emul_env *env, unsigned reg, const uint64_t v[4], bool wide)
{
	(void)env;
	memcpy(fake.vector[reg], v, wide ? 32 : 16);
}

/* ---- ports ---- */

uint32_t seam_port_read(struct emul_env *env, uint16_t port, unsigned size)
{
	(void)env;
	fake_access(true, false, port, size, fake.port_value);
	return fake.port_value++;
}

void seam_port_write(struct emul_env *env, uint16_t port, unsigned size, uint32_t value)
{
	(void)env;
	fake_access(true, true, port, size, value);
}

#endif
