/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is wiped, and written back where devices may pass by caches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/wipe.h"

#define LINES 1000u /* no multiple of what is wiped at once */

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static uint8_t memory[(LINES + 2) * CACHE_LINE] __attribute__((aligned(CACHE_LINE)));
static unsigned flushed[LINES + 2], by_opt;

/* What is written back must be zero by then: later stores would stay in the cache. */
void hw_flush(const void *at, bool opt)
{
	size_t i = (size_t)((const uint8_t *)at - memory) / CACHE_LINE;

	assert_true(i < LINES + 2);
	for (unsigned k = 0; k < CACHE_LINE; k++)
		assert_int_equal(memory[i * CACHE_LINE + k], 0);
	flushed[i]++;
	by_opt += opt;
}

static void wipe(void)
{
	memset(memory, 0xa5, sizeof(memory));
	memset(flushed, 0, sizeof(flushed));
	by_opt = 0;
	mem_wipe(memory + CACHE_LINE, (size_t)LINES * CACHE_LINE);
	for (size_t i = 0; i < sizeof(memory); i++)
		assert_int_equal(memory[i],
			i / CACHE_LINE == 0 || i / CACHE_LINE == LINES + 1 ? 0xa5 : 0);
}

static void expect_flushed(unsigned times)
{
	for (unsigned i = 0; i < LINES + 2; i++)
		assert_int_equal(flushed[i], i == 0 || i == LINES + 1 ? 0 : times);
}

/* In this order: it is asked for once, while L0 starts. */
static void each_line_is_written_back_where_that_is_asked_for(void **state)
{
	(void)state;
	wipe();
	expect_flushed(0);
	mem_wipe_through(false);
	wipe();
	expect_flushed(1);
	assert_int_equal(by_opt, 0);
	mem_wipe_through(true);
	wipe();
	expect_flushed(1);
	assert_int_equal(by_opt, LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_written_back_where_that_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
