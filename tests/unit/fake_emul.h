/*
 * The seam of emul/ in memory, for unit tests and fuzzers: a piece of memory, and a device that is one, with a
 * record of what was done to it. Other linear addresses fault; no device is elsewhere. Include it in exactly one
 * file of a program; fake_emul_reset() starts each test.
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
	uint64_t device_at;  /* physical address */
	uint32_t port_value; /* that the next read gives, and one more each time */
	uint64_t base[SEG_NAMED];
	unsigned base_asked[SEG_NAMED];
	unsigned count; /* of accesses, also of those beyond the array */
	struct fake_access accesses[FAKE_ACCESSES_MAX];
};

static struct fake_emul fake;
static struct emul_env fake_env;

static inline void fake_emul_reset(void)
{
	memset(&fake, 0, offsetof(struct fake_emul, accesses));
	fake.mapped = FAKE_MEMORY_SIZE;
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

bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len)
{
	const uint8_t *at = fake_memory(linear, len);

	(void)env;
	if (at != NULL)
		memcpy(dst, at, len);
	return at != NULL;
}

bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len)
{
	uint8_t *at = fake_memory(linear, len);

	(void)env;
	if (at != NULL)
		memcpy(at, src, len);
	return at != NULL;
}

bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len)
{
	(void)env;
	return fake_memory(linear, len) != NULL;
}

uint64_t seam_segment_base(struct emul_env *env, enum sreg segment)
{
	(void)env;
	fake.base_asked[segment]++;
	return fake.base[segment];
}

/* ---- devices ---- */

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

static inline uint8_t *fake_device(uint64_t gpa, unsigned size)
{
	uint64_t offset = gpa - fake.device_at;

	return offset <= FAKE_DEVICE_SIZE - size ? fake.device + offset : NULL;
}

/* Ones above the size: they do not count. */
uint64_t seam_device_read(struct emul_env *env, uint64_t gpa, unsigned size)
{
	const uint8_t *at = fake_device(gpa, size);
	uint64_t value = UINT64_MAX;

	(void)env;
	if (at != NULL)
		memcpy(&value, at, size);
	fake_access(false, false, gpa, size, value);
	return value;
}

void seam_device_write(struct emul_env *env, uint64_t gpa, unsigned size, uint64_t value)
{
	uint8_t *at = fake_device(gpa, size);

	(void)env;
	if (at != NULL)
		memcpy(at, &value, size);
	fake_access(false, true, gpa, size, value);
}

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
