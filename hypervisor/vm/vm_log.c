/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_log.h"

#include <stdarg.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "lib/budget.h"
#include "vm/vm.h"

struct rate {
	uint32_t burst, period_ms;
};

static const struct rate log_rate = {200, 50}, record_rate = {1000, 1};
/* All VMs together say no more than a serial port of 115200 baud takes: 11 bytes in a
 * millisecond. */
static const struct rate slow_log_rate = {7, 200}, slow_record_rate = {14, 100};

/* In the image: a VM that is started again does not begin anew. */
static struct {
	struct budget log, records;
} budgets[VM_MAX];

static void left_out(const char *name, struct budget *b, const char *what)
{
	uint32_t count = budget_take_refused(b);

	if (count != 0)
		log_warn("'%s': %u %s were left out", name, count, what);
}

static bool may(struct budget *b, const struct rate *fast, const struct rate *slow)
{
	const struct rate *rate = mux_is_slow() ? slow : fast;

	if (!mux_crowded())
		return budget_spend(
			b, rdtsc(), (uint64_t)tsc_khz * rate->period_ms, rate->burst);
	budget_refuse(b);
	return false;
}

static bool may_log(unsigned vm, const char *name)
{
	struct budget *b = &budgets[vm].log;

	if (!may(b, &log_rate, &slow_log_rate))
		return false;
	left_out(name, b, "lines of the log");
	return true;
}

bool vm_may_log(const struct vm *vm)
{
	return may_log(vm->id, vm->config.name);
}

void vm_log_named(unsigned vm, const char *name, enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > l0_config()->log || !may_log(vm, name))
		return;
	va_start(args, format);
	log_line_v(level, format, args);
	va_end(args);
}

void vm_log(const struct vm *vm, enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > l0_config()->log || !vm_may_log(vm))
		return;
	va_start(args, format);
	log_line_v(level, format, args);
	va_end(args);
}

bool vm_may_record(const struct vm *vm)
{
	struct budget *b = &budgets[vm->id].records;

	if (!may(b, &record_rate, &slow_record_rate))
		return false;
	/* The line is one of the log's, which has a budget of its own. */
	if (__atomic_load_n(&b->refused, __ATOMIC_RELAXED) != 0 && vm_may_log(vm))
		left_out(vm->config.name, b, "records");
	return true;
}

void vm_record(const struct vm *vm, const char *format, ...)
{
	va_list args;

	if (!vm_may_record(vm))
		return;
	va_start(args, format);
	mux_record_v(format, args);
	va_end(args);
}

void vm_log_end(const struct vm *vm)
{
	left_out(vm->config.name, &budgets[vm->id].log, "lines of the log");
	left_out(vm->config.name, &budgets[vm->id].records, "records");
}
