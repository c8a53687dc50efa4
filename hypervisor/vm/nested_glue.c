/*
 * nested/seam.h on hardware, but for the VMCSs (nested_hw.c): L1's memory, flushes, L1's vCPU; and
 * what the exit and entry paths of vm/ call for nested/.
 */
#include "vm/nested_glue.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "nested/seam.h"
#include "vm/nested_hw.h"
#include "vm/vm_int.h"
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

bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size)
{
	const struct vm *vm = vcpu_of(n)->vm;

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

/* ---- tables that L1 writes: dirty bits of EPT01 ---- */

#define EPT_DIRTY BIT64(9)

/* Tables of EPT01 are never freed while RAM is mapped: the word stays where it is. */
uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a)
{
	struct vm *vm = vcpu_of(n)->vm;
	uint64_t *leaf = NULL;

	if ((vm->ept01.eptp & EPTP_AD) && seam_l1_page(n, a) != NULL)
		leaf = ept_split_to_4k(&vm->ept01, a.v);
	/* What TLBs know of the page before is unsure: the first question answers "written". */
	if (leaf != NULL)
		__atomic_fetch_or(leaf, EPT_DIRTY, __ATOMIC_SEQ_CST);
	return leaf;
}

/* The flushes of all CPUs: this one, and the others when the VM has more vCPUs. */
static void flush_others(struct nested *n, bool wait)
{
	struct vcpu *vcpu = vcpu_of(n);

	if (vcpu->vm->config.cpus > 1)
		vm_flush_others(vcpu->vm, vcpu, wait);
}

void seam_l1_pages_settle(struct nested *n)
{
	ept_flush(&vcpu_of(n)->vm->ept01);
	flush_others(n, true);
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

/* ---- flushes ---- */

void seam_flush_ept(struct nested *n, uint64_t eptp02)
{
	invept(INVEPT_SINGLE, eptp02);
	flush_others(n, true);
}

void seam_flush_ept_lazy(struct nested *n, uint64_t eptp02)
{
	invept(INVEPT_SINGLE, eptp02);
	flush_others(n, false);
}

void seam_flush_vpid(struct nested *n, uint16_t vpid02)
{
	(void)n;
	invvpid(INVVPID_SINGLE, vpid02, 0);
}

void seam_flush_vpid_address(struct nested *n, uint16_t vpid02, uint64_t linear)
{
	(void)n;
	invvpid(INVVPID_ADDRESS, vpid02, linear);
}

/* ---- L1's vCPU ---- */

void seam_skip_insn(struct nested *n)
{
	vcpu_skip(vcpu_of(n));
}

void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code)
{
	vcpu_inject_exception(vcpu_of(n), vector, has_error_code, error_code);
}

void seam_set_cr2(struct nested *n, uint64_t linear)
{
	(void)n;
	write_cr2(linear);
}

bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value)
{
	return vm_rdmsr(vcpu_of(n), msr, value);
}

bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value)
{
	return vm_wrmsr(vcpu_of(n), msr, value);
}

void seam_l1_shutdown(struct nested *n, const char *why)
{
	vm_stop(vcpu_of(n)->vm, VM_END_TRIPLE_FAULT, 0, why);
}

void seam_bug(struct nested *n, const char *what)
{
	log_error("%s: %s (exit qualification 0x%lx)", vcpu_of(n)->vm->config.name, what,
		vmread(VMCS_EXIT_QUALIFICATION));
}

/* ---- for vm/ ---- */

void nested_glue_left(struct vcpu *vcpu, uint32_t proc02)
{
	struct vm *vm = vcpu->vm;

	if (proc02 & PROC_INTR_WINDOW ||
		(vm->apicv.on && platform_apic_changed(vm->platform, vcpu->index)))
		vcpu_add_events(vcpu, EVENT_IRQ);
	if (vcpu->nmi_waits)
		vcpu_add_events(vcpu, EVENT_NMI);
}

bool nested_glue_exit(struct vcpu *vcpu, uint32_t reason, bool injected)
{
	struct nested *n = &vcpu->nested;
	uint32_t proc02 = vcpu->vmcs->proc;

	if (vmx_stale_vectoring && !injected)
		vcpu_repair_vectoring(n->cur->proc2_02);

	switch (nested_l2_exit(n, reason)) {
	case NESTED_L1:
		nested_glue_left(vcpu, proc02);
		return true;
	case NESTED_RESUME:
		vcpu_redeliver(vcpu);
		return true;
	default:
		break;
	}
	if (reason == EXIT_CR_ACCESS && (vmread(VMCS_EXIT_QUALIFICATION) & 15) == 4) {
		vcpu_inject_gp(vcpu); /* a CR4 bit that L1's virtual CPU does not have */
		if (!vcpu->nested.in_l2)
			nested_glue_left(vcpu, proc02);
		return true;
	}
	return false;
}

static int ack_irq(void *vcpu)
{
	struct vcpu *v = vcpu;

	return platform_irq_ack(v->vm->platform, v->index);
}

static void eoi_irq(void *vcpu)
{
	struct vcpu *v = vcpu;

	platform_eoi(v->vm->platform, v->index);
}

/* L1's VM entry and an event queued for L2 come first: L2 shall exit right after them. */
static bool must_enter_first(struct vcpu *vcpu, uint32_t event)
{
	if (!vcpu->nested.run_pending && !vcpu->injecting)
		return false;
	vcpu->deferred |= event;
	return true;
}

void nested_glue_entered(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (vm->apicv.on && vcpu->nested.cur->root == NULL && !vm->apicv.met_l2)
		apicv_l2_without_ept(vcpu);
	if (vcpu->vmcs01.proc & PROC_INTR_WINDOW)
		vcpu_add_events(vcpu, EVENT_IRQ);
	if (vcpu->nmi_waits)
		vcpu_add_events(vcpu, EVENT_NMI);
	if (vcpu->init_latched && !vcpu->nested.l2_wait_sipi) {
		vcpu->init_latched = false;
		vcpu_add_events(vcpu, EVENT_INIT);
	}
	if (vcpu->nested.l2_wait_sipi) {
		vcpu->state = VCPU_WAIT_SIPI;
		vcpu_add_events(vcpu, EVENT_YIELD);
	}
}

bool nested_glue_irq(struct vcpu *vcpu)
{
	static const struct nested_irq irq = {ack_irq, eoi_irq};
	struct nested *n = &vcpu->nested;

	if (!(n->cur->f[FID_PIN_CONTROLS] & PIN_EXT_INTR_EXITING))
		return false;
	if (must_enter_first(vcpu, EVENT_IRQ))
		return true;
	if (!nested_deliver_external_interrupt(n, &irq, vcpu))
		return false;
	/* L1 did not acknowledge it, or it notified of posted interrupts and another one waits. */
	if (platform_irq_pending(vcpu->vm->platform, vcpu->index) >= 0)
		vcpu_post(vcpu, EVENT_IRQ);
	return true;
}

bool nested_glue_nmi(struct vcpu *vcpu)
{
	struct nested *n = &vcpu->nested;

	if (!(n->cur->f[FID_PIN_CONTROLS] & PIN_NMI_EXITING))
		return false;
	return must_enter_first(vcpu, EVENT_NMI) || nested_deliver_nmi(n);
}

bool nested_glue_init(struct vcpu *vcpu)
{
	if (vcpu->nested.l2_wait_sipi)
		return false;
	return must_enter_first(vcpu, EVENT_INIT) || nested_deliver_init(&vcpu->nested);
}

/* ---- creation ---- */

_Static_assert(VEPT_VCPUS >= DEV_MAX_VCPUS, "virtual EPT has a record for each vCPU");

/* Memory of EPT02 tables, a share of what L1 has: enough for its RAM in 4 KiB pages, and some. */
static uint32_t vept_tables(const struct vm *vm)
{
	uint64_t for_ram = vm->config.memory / SIZE_2M;

	return (uint32_t)(for_ram + for_ram / 4 + 64);
}

uint64_t nested_glue_pool_need(const struct vm *vm)
{
	uint64_t tables =
		vept_tables(vm) * (sizeof(struct vept_pages) + sizeof(struct vept_table) +
					  sizeof(struct vept_watch));
	uint64_t vmcs = 2 * NVMCS_SLOTS + 4;
	uint64_t split = 2 * vm->config.memory / SIZE_2M; /* EPT01 tables of watched pages */

	return tables + (vmcs * vm->config.cpus + split) * PAGE_SIZE + SIZE_2M;
}

static unsigned pages_of(uint64_t bytes)
{
	return (unsigned)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* Intercept every field but those the table lets L1 reach (SDM 24.6.15). */
static bool create_shadow_bitmaps(struct vm *vm)
{
	uint8_t *read = pool_get(&vm->pool), *write = pool_get(&vm->pool);

	if (read == NULL || write == NULL)
		return false;
	memset(read, 0xff, PAGE_SIZE);
	memset(write, 0xff, PAGE_SIZE);
	for (unsigned fid = 0; fid < FID_COUNT; fid++) {
		const struct vmcs_field *f = &vmcs_fields[fid];
		uint8_t keep = (uint8_t) ~(1u << (f->encoding & 7));

		if (!caps_field_exists(&vm->nested_vm->caps, (enum vmcs_fid)fid))
			continue;
		if (f->flags & FIELD_SR)
			read[f->encoding / 8] &= keep;
		if (f->flags & FIELD_SW_ONLY)
			write[f->encoding / 8] &= keep;
	}
	vm->vmread_bitmap = hpa_of(read);
	vm->vmwrite_bitmap = hpa_of(write);
	return true;
}

bool nested_glue_create(struct vm *vm)
{
	struct nested_vm *nv = vm->nested_vm;
	struct vept *e = &nv->vept;

	e->count = vept_tables(vm);
	e->pages = pool_get_run(&vm->pool, pages_of(e->count * sizeof(struct vept_pages)));
	e->table = pool_get_run(&vm->pool, pages_of(e->count * sizeof(struct vept_table)));
	e->watch = pool_get_run(&vm->pool, pages_of(e->count * sizeof(struct vept_watch)));
	if (e->pages == NULL || e->table == NULL || e->watch == NULL)
		return false;
	e->void_hpa = vm->void_page.v;
	e->pages_hpa = hpa_of(e->pages).v;
	e->maxphyaddr = nv->caps.maxphyaddr;
	e->execute_only = caps_msr(&nv->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_EXECUTE_ONLY;
	e->advanced_info = caps_msr(&vmx_caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_ADVANCED_INFO;
	nested_vm_init(nv);
	return !nv->shadowing || create_shadow_bitmaps(vm);
}

void nested_glue_controls(struct vm *vm, const struct nested_l0_controls *l0)
{
	vm->nested_vm->l0 = *l0;
	nested_pass_msrs(vm->nested_vm, vm->msr_bitmap);
}

bool nested_glue_vcpu_create(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu->nested_hw = pool_get_run(&vm->pool, pages_of(sizeof(struct nested_hw)));
	if (vcpu->nested_hw == NULL)
		return false;
	for (unsigned i = 0; i < 2 * NVMCS_SLOTS; i++) {
		vcpu->nested_hw->spare[i] = pool_get(&vm->pool);
		if (vcpu->nested_hw->spare[i] == NULL)
			return false;
	}
	vcpu->nested_hw->spares = 2 * NVMCS_SLOTS;
	if (!vm->nested_vm->shadowing)
		return true;
	vmwrite(VMCS_VMREAD_BITMAP, vm->vmread_bitmap.v);
	vmwrite(VMCS_VMWRITE_BITMAP, vm->vmwrite_bitmap.v);
	return true;
}
