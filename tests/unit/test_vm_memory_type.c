/* SPDX-License-Identifier: Apache-2.0 */
/* Which memory has one type whatever guests say, and when what is wiped is written back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/wipe.h"
#include "policy/scenario.h"
#include "spec/ept.h"
#include "vm/iommu.h"
#include "vm/iommu_int.h"
#include "vm/memory_type.h"
#include "vm/vm.h"

#define SS           (1u << 27)
#define CLFLUSHOPT   (1u << 23)
#define SKYLAKE      0x000506e3u
#define SANDY_BRIDGE 0x000206a7u

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
struct vtd_unit iommu_units[DMAR_UNITS];
static struct cpuid_regs one, seven;
static bool is_on;
static unsigned asked, by_opt;
static struct scenario scenario;
static struct vm vm;

enum kind {
	PLAIN,      /* no devices of the machine */
	BEHIND,     /* ... behind units */
	ONE_TO_ONE, /* iommu: none */
};

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return leaf == 0 ? (struct cpuid_regs){.eax = 0x1f} : leaf == 1 ? one : seven;
}

bool iommu_is_on(void)
{
	return is_on;
}

void mem_wipe_through(bool by_clflushopt)
{
	asked++;
	by_opt += by_clflushopt;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static int setup(void **state)
{
	(void)state;
	memset(iommu_units, 0, sizeof(iommu_units));
	memset(&scenario, 0, sizeof(scenario));
	one = (struct cpuid_regs){.eax = SKYLAKE, .edx = SS};
	seven = (struct cpuid_regs){.ebx = CLFLUSHOPT};
	asked = by_opt = 0;
	is_on = true;
	iommu_units[0].on = iommu_units[2].on = true;
	iommu_units[0].caps.snoop = iommu_units[2].caps.snoop = 1;
	return 0;
}

static struct vm_config config_of(enum kind kind)
{
	struct vm_config c;

	memset(&c, 0, sizeof(c));
	if (kind != PLAIN)
		c.devices.all = true;
	if (kind == ONE_TO_ONE)
		c.iommu = IOMMU_NONE;
	return c;
}

/* With a plain VM, and this one. */
static void find(enum kind kind)
{
	scenario.vm_count = 2;
	scenario.vms[0].config = config_of(PLAIN);
	scenario.vms[1].config = config_of(kind);
	memory_types_find(&scenario);
}

static bool forced(enum kind kind)
{
	uint64_t bit;

	vm.config = config_of(kind);
	bit = vm_ram_ipat(&vm);
	assert_true(bit == 0 || bit == EPT_IPAT);
	return bit != 0;
}

static void without_devices_of_the_machine_memory_is_write_back(void **state)
{
	(void)state;
	find(PLAIN);
	assert_true(forced(PLAIN));
	one.edx = 0;
	is_on = false;
	find(PLAIN);
	assert_true(forced(PLAIN));
	assert_int_equal(asked, 0);
}

/* All snoop: then a guest's type is let through where it does no harm. */
static void behind_units_that_snoop_self_snooping_decides(void **state)
{
	(void)state;
	find(BEHIND);
	assert_false(forced(BEHIND));
	assert_true(forced(PLAIN));
	one.edx = 0;
	find(BEHIND);
	assert_true(forced(BEHIND));
	one = (struct cpuid_regs){.eax = SANDY_BRIDGE, .edx = SS};
	find(BEHIND);
	assert_true(forced(BEHIND));
	assert_int_equal(asked, 0);
}

/* Its driver has to have another type, whatever the processor is. */
static void a_device_that_may_pass_by_caches_needs_the_guests_type(void **state)
{
	(void)state;
	one.edx = 0;
	find(ONE_TO_ONE);
	assert_false(forced(ONE_TO_ONE));
	assert_int_equal(asked, 1);
	iommu_units[2].caps.snoop = 0;
	find(BEHIND);
	assert_false(forced(BEHIND));
	assert_int_equal(asked, 2);
	iommu_units[2].on = false; /* nothing is behind it */
	find(BEHIND);
	assert_int_equal(asked, 2);
	is_on = iommu_units[0].on = false;
	find(ONE_TO_ONE);
	assert_false(forced(ONE_TO_ONE));
	assert_true(forced(PLAIN));
	assert_int_equal(asked, 3);
	assert_int_equal(by_opt, 3);
	seven.ebx = 0;
	find(ONE_TO_ONE);
	assert_int_equal(by_opt, 3);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_devices_of_the_machine_memory_is_write_back),
		T(behind_units_that_snoop_self_snooping_decides),
		T(a_device_that_may_pass_by_caches_needs_the_guests_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
