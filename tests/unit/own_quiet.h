/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For own_world.h: what VMs are made of, too, and is no matter there. No VM has a device of the
 * machine, a display, firmware or VT-x.
 */
#ifndef NESTOR_TESTS_OWN_QUIET_H
#define NESTOR_TESTS_OWN_QUIET_H

#include "own_world.h"

#include "vm/memory_type.h"

struct vmx_caps vmx_caps;

uint64_t vm_ram_ipat(const struct vm *of)
{
	(void)of;
	return EPT_IPAT;
}

uint32_t vmx_allowed1(uint32_t msr)
{
	(void)msr;
	return 0;
}

/* One node. */
const uint8_t *acpi_find(
	const uint8_t *rsdp, size_t size, const char *signature, uint32_t *length)
{
	(void)rsdp;
	(void)size;
	(void)signature;
	(void)length;
	return NULL;
}

bool ecam_map(uint64_t cr3)
{
	(void)cr3;
	return true;
}

bool iommu_map(uint64_t cr3)
{
	(void)cr3;
	return true;
}

bool network_map(uint64_t cr3, const struct vm_config *c)
{
	(void)cr3;
	(void)c;
	return true;
}

bool firmware_create(
	struct vm *vm, const struct vm_images *images, struct platform_config *platform)
{
	(void)vm;
	(void)images;
	(void)platform;
	return false;
}

bool nested_hw_create(struct vm *vm)
{
	(void)vm;
	return false;
}

bool selftest_create(struct vm *vm)
{
	(void)vm;
	return false;
}

bool apicv_create(struct vm *vm)
{
	(void)vm;
	return true;
}

bool screen_create(struct vm *vm)
{
	(void)vm;
	return true;
}

bool devices_create(struct vm *vm, const struct vm_images *images)
{
	(void)vm;
	(void)images;
	return true;
}

bool devices_reset(struct vm *vm, const struct platform_config *c)
{
	(void)vm;
	(void)c;
	return true;
}

bool mitigate_small_code(void)
{
	return false;
}

bool vm_explaining(void)
{
	return false;
}

uint64_t clock_now(uint64_t *ticks)
{
	*ticks = 0;
	return 0;
}

void change_follow_cpus(unsigned id)
{
	(void)id;
}

void passed_begin(struct vm *vm)
{
	(void)vm;
}

void passed_listen(unsigned vm, struct sched_node *node)
{
	(void)vm;
	(void)node;
}

uint32_t passed_take_pending(struct vm *vm)
{
	(void)vm;
	return 0;
}

void passed_do_pending(struct vm *vm, uint32_t pending)
{
	(void)vm;
	(void)pending;
}

bool passed_unmap_direct(struct vm *vm)
{
	(void)vm;
	return false;
}

bool vm_first_time(struct vm *vm, unsigned what)
{
	(void)vm;
	(void)what;
	return false;
}

void vm_log(const struct vm *vm, enum log_level level, const char *format, ...)
{
	(void)vm;
	(void)level;
	(void)format;
}

void vm_record(const struct vm *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
}

#endif
