/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of single devices: a platform that only holds their state, with a clock that the
 * test sets. Records interrupt lines, console output and power events. Takes the place of
 * platform.c.
 */
#ifndef NESTOR_TESTS_FAKE_PLATFORM_H
#define NESTOR_TESTS_FAKE_PLATFORM_H

#include "fake_machine.h"

void platform_set_irq(struct platform *p, unsigned irq, bool level)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(irq, 0, FAKE_IRQS - 1);
	fake.edges[irq] += level && !fake.line[irq];
	fake.line[irq] = level;
}

/* No device of these tests reads memory, and there is no remapping unit. */
void *dev_memory(struct platform *p, uint16_t bdf, uint64_t gpa, uint64_t size, bool write)
{
	(void)p, (void)bdf, (void)gpa, (void)size, (void)write;
	fail();
	return NULL;
}

void platform_deadline_changed(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	fake.deadline_changes++;
}

bool platform_irq_visible(const struct platform *p, unsigned irq)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(irq, 0, FAKE_IRQS - 1);
	return fake.visible;
}

/* Of a reset of the processor nobody says that it shall go on. */
bool platform_resumes(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return false;
}

bool vlapic_send(struct platform *p, const struct vlapic_message *m)
{
	assert_ptr_equal(p, &machine);
	fake.message = *m;
	fake.messages++;
	return true;
}

/* Nowhere that a unit of the machine could post. */
int vlapic_route(const struct platform *p, const struct vlapic_message *m)
{
	(void)p;
	(void)m;
	return -1;
}

/* A machine at guest TSC 0 whose devices were not reset yet. */
static inline void fake_start(void)
{
	fake_forget();
	memset(&machine, 0, sizeof(machine));
	machine.lapic = machine_lapics;
	fake.visible = true;
	machine.config.vcpus = 1;
	machine.config.tsc_khz = FAKE_KHZ;
	machine.config.memory = 512ull << 20;
}

#endif
