/* SPDX-License-Identifier: Apache-2.0 */
/* What L0 does when a guest holds up its CPU, or the memory of all: vm/denial.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/log.h"
#include "nested/nested.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

static struct vm vm;
static struct vcpu vcpu;

static struct {
	uint64_t qualification, blocked;
	unsigned ends, redeliveries, looks, logs, windows;
	uint32_t posted;
	bool warned;
} did;

uint64_t hw_vmread(uint64_t encoding)
{
	return encoding == VMCS_EXIT_QUALIFICATION ? did.qualification : 0;
}

void vmcs_write_setup(uint32_t encoding, uint64_t value)
{
	assert_int_equal(encoding, VMCS_NOTIFY_WINDOW);
	assert_in_range(value, 1, UINT32_MAX);
	did.windows++;
}

void vm_stop(struct vm *of, enum vm_end end, uint32_t value, const char *why)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(end, VM_END_ERROR);
	assert_int_equal(value, EXIT_NOTIFY);
	assert_non_null(why);
	did.ends++;
}

bool vm_first_time(struct vm *of, unsigned what)
{
	bool first = !did.warned;

	(void)what;
	assert_ptr_equal(of, &vm);
	did.warned = true;
	return first;
}

void vcpu_redeliver(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	did.redeliveries++;
}

void nested_block_nmis_again(uint64_t qualification)
{
	did.blocked = qualification;
}

void vcpu_look_at_time(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	did.looks++;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
	did.logs++;
}

void vcpu_post(struct vcpu *of, uint32_t events)
{
	assert_ptr_equal(of, &vcpu);
	did.posted |= events;
}

static int setup(void **state)
{
	(void)state;
	memset(&did, 0, sizeof(did));
	vcpu.vm = &vm;
	return 0;
}

static void the_window_is_written_where_the_machine_has_the_control(void **state)
{
	(void)state;
	denial_vmcs_create(PROC2_ENABLE_EPT | PROC2_BUS_LOCK_EXITING);
	assert_int_equal(did.windows, 0);
	denial_vmcs_create(PROC2_NOTIFY_EXITING);
	assert_int_equal(did.windows, 1);
}

static void a_guest_that_takes_no_interrupt_goes_on_and_its_time_is_looked_at(void **state)
{
	(void)state;
	did.qualification = QUAL_NMI_UNBLOCKING;
	for (unsigned i = 0; i < 3; i++)
		handle_notify(&vcpu);
	assert_int_equal(did.ends, 0);
	assert_int_equal(did.redeliveries, 3);
	assert_int_equal(did.looks, 3);
	assert_true(did.blocked == QUAL_NMI_UNBLOCKING);
	assert_int_equal(did.logs, 1);
}

static void a_guest_whose_state_is_lost_is_not_entered_again(void **state)
{
	(void)state;
	did.qualification = QUAL_NOTIFY_INVALID | QUAL_NMI_UNBLOCKING;
	handle_notify(&vcpu);
	assert_int_equal(did.ends, 1);
	assert_int_equal(did.redeliveries + did.looks, 0);
}

static void a_bus_lock_costs_the_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		handle_bus_lock(&vcpu);
	assert_int_equal(did.posted, EVENT_YIELD);
	assert_int_equal(did.redeliveries, 3);
	assert_int_equal(did.logs, 1);
	assert_int_equal(did.ends, 0);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_window_is_written_where_the_machine_has_the_control),
		T(a_guest_that_takes_no_interrupt_goes_on_and_its_time_is_looked_at),
		T(a_guest_whose_state_is_lost_is_not_entered_again),
		T(a_bus_lock_costs_the_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
