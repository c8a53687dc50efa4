/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_vm_translations_view.c: what a debugger's EPTs and the page of the local APIC have
 * to do with, too, and is no matter there.
 */
#ifndef NESTOR_TESTS_VIEW_QUIET_H
#define NESTOR_TESTS_VIEW_QUIET_H

#include <stdlib.h>

#include "cpu/apic.h"
#include "dev/platform.h"
#include "vm/create.h"
#include "vm/debugger_int.h"
#include "vm/mitigate.h"
#include "vm/operate.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/vm_int.h"
#include "vmx/vmx.h"

uint32_t vmx_allowed1(uint32_t msr)
{
	(void)msr;
	return UINT32_MAX;
}

void vmcs_write_setup(uint32_t encoding, uint64_t v)
{
	(void)encoding;
	(void)v;
}

bool apic_is_extended(void)
{
	return false;
}

void msr_allow_x2apic(uint64_t *bitmap)
{
	(void)bitmap;
}

uint64_t *mitigate_msr_bitmap(const struct vcpu *vcpu, bool x2apic)
{
	(void)x2apic;
	return vcpu->vm->msr_bitmap;
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	(void)vcpu;
	(void)events;
}

void ram_flush_window(const struct vm *of)
{
	(void)of;
}

void vept_forget(struct nested *n)
{
	(void)n;
}

/* The VM has no VT-x. */
bool vept_look(struct nested *n, struct gpa_l2 gpa, struct vept_look *look)
{
	(void)n;
	(void)gpa;
	(void)look;
	abort();
}

void vept_view_close(
	struct nested *n, struct vept_root *root, uint32_t generation, struct gpa_l2 gpa)
{
	(void)n;
	(void)root;
	(void)generation;
	(void)gpa;
	abort();
}

void vept_view_empty(struct nested *n, uint16_t view)
{
	(void)n;
	(void)view;
	abort();
}

void nested_set_view(struct nested *n, uint16_t view)
{
	(void)n;
	(void)view;
	abort();
}

uint32_t passed_take_pending(struct vm *of)
{
	(void)of;
	return 0;
}

void passed_do_pending(struct vm *of, uint32_t pending)
{
	(void)of;
	(void)pending;
}

bool passed_unmap_direct(struct vm *of)
{
	(void)of;
	return false;
}

bool vcpu_find(struct vcpu *vcpu, unsigned level, uint64_t linear, struct gpa_l1 *at)
{
	(void)vcpu;
	(void)level;
	at->v = linear;
	return true;
}

unsigned vcpu_level(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 1;
}

void vcpu_redeliver(struct vcpu *vcpu)
{
	(void)vcpu;
}

void nested_block_nmis_again(uint64_t qualification)
{
	(void)qualification;
}

bool vcpu_debug_pending(void)
{
	return false;
}

bool vm_holds(const struct vcpu *vcpu)
{
	(void)vcpu;
	return false;
}

bool platform_apic_posted_requests(const struct platform *p, unsigned vcpu)
{
	(void)p;
	(void)vcpu;
	return false;
}

bool platform_apic_notify(
	struct platform *p, unsigned vcpu, uint8_t vector, uint32_t destination)
{
	(void)p;
	(void)vcpu;
	(void)vector;
	(void)destination;
	return false;
}

void platform_apic_wrote(struct platform *p, unsigned vcpu, uint32_t offset)
{
	(void)p;
	(void)vcpu;
	(void)offset;
}

void platform_apic_ended(struct platform *p, unsigned vcpu, uint8_t vector)
{
	(void)p;
	(void)vcpu;
	(void)vector;
}

void *platform_apic_page(struct platform *p, unsigned vcpu)
{
	(void)p;
	(void)vcpu;
	return NULL;
}

void *platform_apic_posted(struct platform *p, unsigned vcpu)
{
	(void)p;
	(void)vcpu;
	return NULL;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

#endif
