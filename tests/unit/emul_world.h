/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU, memory and a device for the tests of emul/: its instructions run from their bytes on.
 * Include it in one file of a test program, for it has state.
 */
#ifndef NESTOR_TESTS_EMUL_WORLD_H
#define NESTOR_TESTS_EMUL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emul/emul.h"
#include "fake_emul.h"
#include "spec/vmx.h"

#define DEVICE 0xfe000000u
#define MEMORY 0x20000u

#define MODE64 ((struct emul_mode){.long64 = true})
#define MODE32 ((struct emul_mode){.default32 = true})
#define MODE16 ((struct emul_mode){0})

static uint64_t r[REG_COUNT], rip;
static struct emul_cpu cpu;

static inline int setup(void **state)
{
	(void)state;
	fake_emul_reset();
	fake.memory_at = MEMORY;
	fake.device_at = DEVICE;
	for (unsigned i = 0; i < REG_COUNT; i++)
		r[i] = 0xa0a0a0a0a0a0a000 + i;
	r[REG_RDI] = DEVICE;
	rip = 0x1000;
	cpu = (struct emul_cpu){.env = &fake_env, .mode = MODE64, .r = r, .rflags = 2};
	return 0;
}

/* The code at RIP; what it names is where its registers lead. */
static inline enum emul_end run_code(const uint8_t *code, unsigned len)
{
	struct emul_insn insn;
	enum emul_end end;

	assert_true(emul_decode(code, len, cpu.mode, &insn));
	assert_int_equal(insn.length, len);
	cpu.rip = rip;
	end = emul_run(&cpu, &insn);
	rip = cpu.rip;
	return end;
}

#define RUN(...) \
	run_code((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void put_device(unsigned offset, unsigned size, uint64_t v)
{
	memcpy(fake.device + offset, &v, size);
}

static inline uint64_t device(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, fake.device + offset, size);
	return v;
}

#endif
