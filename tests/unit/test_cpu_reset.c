/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine is reset: each way in its turn, while none has an effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/pci.h"
#include "cpu/reset.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "random.h"

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;

static char did[400];
static jmp_buf ended;
static uint8_t chipset, table[132];

static void note(const char *format, ...)
{
	size_t used = strlen(did);
	va_list args;

	va_start(args, format);
	vsnprintf(did + used, sizeof(did) - used, format, args);
	va_end(args);
}

uint8_t hw_in(uint16_t port)
{
	assert_int_equal(port, 0xcf9);
	return chipset;
}

void hw_out(uint16_t port, uint8_t value)
{
	note("%x=%x ", port, value);
}

void pci_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	note("pci %x.%x/%u=%x ", bdf, offset, size, value);
}

void tsc_delay_us(uint64_t us)
{
	assert_in_range(us, 10000, 1000000);
	note("wait ");
}

void hw_halt(void)
{
	note("triple fault");
	longjmp(ended, 1);
}

static const char *resets(void)
{
	did[0] = '\0';
	if (setjmp(ended) == 0)
		reset_machine();
	return did;
}

/* A table with a register of this space. */
static void fadt(uint8_t space, uint64_t address, uint8_t value)
{
	memset(table, 0, sizeof(table));
	table[113] = 4; /* RESET_REG_SUP */
	table[116] = space;
	table[117] = 8;
	for (unsigned i = 0; i < 8; i++)
		table[120 + i] = (uint8_t)(address >> 8 * i);
	table[128] = value;
}

static bool take(void)
{
	struct fadt_reset r;

	if (!fadt_reset_register(table, sizeof(table), &r))
		return false;
	reset_take_register(&r);
	return true;
}

/* First: a register that was taken stays. */
static void without_firmwares_register_the_chipset_and_a_triple_fault_do_it(void **state)
{
	(void)state;
	chipset = 0x10; /* what is not the reset's stays */
	assert_string_equal(resets(), "cf9=12 cf9=16 wait triple fault");
}

static void firmwares_register_is_the_first(void **state)
{
	static uint8_t in_memory[16];

	(void)state;
	chipset = 0;
	fadt(FADT_PORT, 0xb2, 0x73);
	assert_true(take());
	assert_string_equal(resets(), "b2=73 wait cf9=2 cf9=6 wait triple fault");
	fadt(FADT_PCI, 0x1f00030044, 0x11);
	assert_true(take());
	assert_string_equal(resets(), "pci fb.44/1=11 wait cf9=2 cf9=6 wait triple fault");
	reset_take_register(&(struct fadt_reset){.space = FADT_MEMORY,
		.value = 0x5a,
		.address = (uint64_t)(uintptr_t)&in_memory[3] - DIRECT_BASE});
	assert_string_equal(resets(), "wait cf9=2 cf9=6 wait triple fault");
	assert_int_equal(in_memory[3], 0x5a);
}

static void what_can_be_no_register_is_none(void **state)
{
	struct fadt_reset r;

	(void)state;
	fadt(FADT_PORT, 0xcf9, 6);
	assert_true(fadt_reset_register(table, 129, &r));
	assert_false(fadt_reset_register(table, 128, &r)); /* ACPI 1.0 */
	table[113] = 0;
	assert_false(take());
	fadt(FADT_PORT, 0xcf9, 6);
	table[117] = 32;
	assert_false(take());
	fadt(FADT_PORT, 0x10000, 6);
	assert_false(take());
	fadt(FADT_PORT, 0, 6);
	assert_false(take());
	fadt(FADT_MEMORY, 0, 6);
	assert_false(take());
	fadt(FADT_MEMORY, 1ull << 52, 6);
	assert_false(take());
	fadt(FADT_PCI, 0x2000000044, 6); /* device 32 */
	assert_false(take());
	fadt(FADT_PCI, 0x80044, 6); /* function 8 */
	assert_false(take());
	fadt(FADT_PCI, 0x100, 6);
	assert_false(take());
	fadt(0x7f, 0xcf9, 6);
	assert_false(take());
}

static void rubbish_is_never_read_beyond_its_end(void **state)
{
	uint64_t seed = 5;
	struct fadt_reset r;

	(void)state;
	for (unsigned n = 0; n < 5000; n++) {
		uint32_t length = 36 + random_below(&seed, 110);
		uint8_t *exact = malloc(length);

		for (uint32_t i = 0; i < length; i++)
			exact[i] = (uint8_t)random_next(&seed);
		(void)fadt_reset_register(exact, length, &r);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			without_firmwares_register_the_chipset_and_a_triple_fault_do_it),
		cmocka_unit_test(firmwares_register_is_the_first),
		cmocka_unit_test(what_can_be_no_register_is_none),
		cmocka_unit_test(rubbish_is_never_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
