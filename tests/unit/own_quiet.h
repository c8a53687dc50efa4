/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For own_world.h: what VMs are made of, too, and is no matter there. No VM has a device of the
 * machine, a display, firmware or VT-x.
 */
#ifndef NESTOR_TESTS_OWN_QUIET_H
#define NESTOR_TESTS_OWN_QUIET_H

#include "own_world.h"

#include "vm/denial.h"
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

/* ---- of the seam of nested/ what virtual EPT does not ask for ---- */

bool passed_translate(struct vm *vm, uint64_t gpa, struct hpa *hpa, uint64_t *size)
{
	(void)vm;
	(void)gpa;
	(void)hpa;
	(void)size;
	return false;
}

uint64_t hw_vmread(uint64_t encoding)
{
	(void)encoding;
	abort();
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	(void)vcpu;
	(void)vector;
	(void)has_error;
	(void)error;
	abort();
}

void vcpu_inject_page_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
	(void)vcpu;
	(void)linear;
	(void)error;
	abort();
}

uint64_t vcpu_breakpoints(uint64_t dr7, uint64_t at, unsigned size, unsigned how)
{
	(void)dr7;
	(void)at;
	(void)size;
	(void)how;
	abort();
}

void vcpu_pend_debug(uint64_t pending)
{
	(void)pending;
	abort();
}

bool vm_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	(void)value;
	abort();
}

bool vm_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu;
	(void)msr;
	(void)value;
	abort();
}

void cpuid_update(struct vcpu *vcpu)
{
	(void)vcpu;
	abort();
}

uint32_t vcpu_pkru(struct vcpu *vcpu)
{
	(void)vcpu;
	abort();
}

int platform_irq_take(struct platform *p, unsigned vcpu, int notification, bool *more)
{
	(void)p;
	(void)vcpu;
	(void)notification;
	(void)more;
	abort();
}

void platform_send_notification(
	struct platform *p, unsigned vcpu, uint32_t ndst, uint8_t vector)
{
	(void)p;
	(void)vcpu;
	(void)ndst;
	(void)vector;
	abort();
}

void denial_exited(struct vcpu *vcpu)
{
	(void)vcpu;
	abort();
}

void nested_memory_lost(struct nested *n)
{
	(void)n;
}

void dev_lock(struct platform *p)
{
	(void)p;
}

void dev_unlock(struct platform *p)
{
	(void)p;
}

void platform_ram_moves(struct platform *p)
{
	(void)p;
	abort();
}

void images_tell_wrong(const struct vm *vm)
{
	(void)vm;
}

const char *iommu_leave_bad(struct vm *vm)
{
	(void)vm;
	abort();
}

int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size)
{
	(void)vm;
	(void)gpa;
	(void)dst;
	(void)size;
	abort();
}

int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size)
{
	(void)vm;
	(void)gpa;
	(void)src;
	(void)size;
	abort();
}

#endif
