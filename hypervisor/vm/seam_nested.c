/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nested/seam.h on hardware, but for the VMCSs (seam_vmcs.c): L1's memory, L1's vCPU; flushes
 * are in translations.c.
 */
#include "vm/nested_hw.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "emul/breakpoint.h"
#include "mm/layout.h"
#include "nested/seam.h"
#include "vm/bad_memory.h"
#include "vm/denial.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"
#include "vmx/asm.h"

/* ---- L1's memory ---- */

int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len)
{
	return vm_read_gpa(vcpu_of(n)->vm, a.v, dst, len);
}

int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len)
{
	return vm_write_gpa(vcpu_of(n)->vm, a.v, src, len);
}

void *seam_l1_page(struct nested *n, struct gpa_l1 a)
{
	return vm_gpa_to_va(vcpu_of(n)->vm, a.v & ~PAGE_MASK, PAGE_SIZE);
}

/* RAM of slots that L0 looks at first lies where it did when the VM began. */
bool seam_l1_stays(struct nested *n)
{
	return __atomic_load_n(&vcpu_of(n)->vm->fixed_count, __ATOMIC_RELAXED) != 0;
}

/* The largest page that lies in the slot like its host memory; at most `want`. */
static uint64_t page_size_at(const struct mem_slot *s, uint64_t gpa, uint64_t want)
{
	bool has_1g = caps_msr(&vmx_caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_1G;

	for (uint64_t size = has_1g ? SIZE_1G : SIZE_2M; size > PAGE_SIZE; size >>= 9) {
		uint64_t start = gpa & ~(size - 1);

		if (size <= want && start >= s->gpa && start + size <= s->gpa + s->size &&
			((s->hpa.v ^ s->gpa) & (size - 1)) == 0)
			return size;
	}
	return PAGE_SIZE;
}

static bool translate_moving(
	const struct vm *vm, uint64_t gpa, struct hpa *hpa, uint64_t *page_size)
{
	uint64_t offset;

	if (!vm_ram_offset(vm, gpa, 1, &offset) || !ram_translate(vm, offset, hpa))
		return false;
	if (*page_size > SIZE_2M)
		*page_size = SIZE_2M;
	return true;
}

void seam_l1_pin(struct nested *n, struct gpa_l1 a)
{
	const struct vm *vm = vcpu_of(n)->vm;
	uint64_t offset;

	if (vm->ram != NULL && vm_ram_offset(vm, a.v, 1, &offset))
		ram_pin(vm, offset);
}

/* Translations for the large page that was there go at the entry, on each CPU. */
void seam_l1_single_page(struct nested *n, struct gpa_l1 a)
{
	struct vm *vm = vcpu_of(n)->vm;
	uint64_t offset;

	vm_lock(vm);
	if (vm->ram != NULL && vm_ram_offset(vm, a.v, PAGE_SIZE, &offset))
		ram_map(vm, offset); /* or its first access would map a large page */
	(void)ept_split_to_4k(&vm->ept01, a.v);
	ept_changed(&vm->ept01);
	vm_unlock(vm);
}

static bool translate(
	const struct vm *vm, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	if (vm->ram != NULL)
		return translate_moving(vm, a.v, hpa, page_size);
	for (unsigned i = 0; i < vm->slot_count; i++) {
		const struct mem_slot *s = &vm->slots[i];
		uint64_t offset = a.v - s->gpa; /* huge when below the slot */

		if (offset >= s->size)
			continue;
		*hpa = (struct hpa){s->hpa.v + offset};
		if (*page_size > PAGE_SIZE)
			*page_size = page_size_at(s, a.v, *page_size);
		return true;
	}
	return false;
}

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	const struct vm *vm = vcpu_of(n)->vm;

	if (!translate(vm, a, hpa, page_size))
		return false;
	return !vm_has_bad_memory(vm) || bad_memory_fit(vm, *hpa, page_size);
}

bool seam_l1_device(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	return passed_translate(vcpu_of(n)->vm, a.v, hpa, page_size);
}

/* ---- tables that L1 writes: dirty bits of EPT01 ---- */

/* Tables of EPT01 are never freed while RAM is mapped: the word stays where it is. */
uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	struct vm *vm = vcpu_of(n)->vm;
	uint64_t *leaf, offset;

	if (vm->ram != NULL && vm_ram_offset(vm, a.v, PAGE_SIZE, &offset))
		ram_holds_table(vm, offset);
	if (!(vm->ept01.eptp & EPTP_AD) || seam_l1_page(n, a) == NULL)
		return NULL;
	if (vm_watches(vm, a.v)) { /* what devices write unseen is there before the flag */
		dev_lock(vm->platform);
		dev_unlock(vm->platform);
	}
	leaf = ept_split_to_4k(&vm->ept01, a.v);
	/* What TLBs know of the page before is unsure: the first question answers "written". */
	if (leaf != NULL)
		__atomic_fetch_or(leaf, EPT_DIRTY, __ATOMIC_SEQ_CST);
	return leaf;
}

/* ---- what vCPUs share ---- */

void seam_vm_lock(struct nested *n)
{
	vm_lock(vcpu_of(n)->vm);
}

void seam_vm_unlock(struct nested *n)
{
	vm_unlock(vcpu_of(n)->vm);
}

/* ---- L1's vCPU ---- */

void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	vcpu_inject_exception(vcpu_of(n), vector, has_error_code, error_code);
}

void seam_inject_page_fault(struct nested *n, uint64_t linear, uint32_t error_code)
{
	vcpu_inject_page_fault(vcpu_of(n), linear, error_code);
}

void seam_operand(struct nested *n, uint64_t linear, uint32_t len, bool write)
{
	uint64_t hits = vcpu_breakpoints(
		vmread(VMCS_GUEST_DR7), linear, len, write ? WATCH_WRITE : WATCH_READ);

	(void)n;
	if (hits != 0)
		vcpu_pend_debug(hits);
}

bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value)
{
	return vm_rdmsr(vcpu_of(n), msr, value);
}

bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value)
{
	return vm_wrmsr(vcpu_of(n), msr, value);
}

void seam_cpuid_changed(struct nested *n)
{
	cpuid_update(vcpu_of(n));
}

uint32_t seam_pkru(struct nested *n)
{
	return vcpu_pkru(vcpu_of(n));
}

int seam_irq_ack(struct nested *n, int notification)
{
	struct vcpu *vcpu = vcpu_of(n);

	vcpu->irq_known = true;
	return platform_irq_take(
		vcpu->vm->platform, vcpu->index, notification, &vcpu->irq_more);
}

void seam_notify(struct nested *n, uint32_t ndst, uint8_t vector)
{
	struct vcpu *vcpu = vcpu_of(n);

	platform_send_notification(vcpu->vm->platform, vcpu->index, ndst, vector);
}

void seam_bus_locked(struct nested *n)
{
	denial_exited(vcpu_of(n));
}

void seam_l1_shutdown(struct nested *n, const char *why)
{
	vm_stop(vcpu_of(n)->vm, VM_END_TRIPLE_FAULT, 0, why);
}

void seam_bug(struct nested *n, const char *what)
{
	const struct vm *vm = vcpu_of(n)->vm;

	vm_log(vm, LOG_ERROR, "%s: %s (exit qualification 0x%lx)", vm->config.name, what,
		vmread(VMCS_EXIT_QUALIFICATION));
}
