/*
 * What emul/ needs: the guest of the current VMCS and its devices.
 */
#include "vm/seam_emul.h"

#include "cpu/log.h"
#include "nested/seam.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

void emulation_begin(struct emulation *e, struct vcpu *vcpu)
{
	e->vcpu = vcpu;
	e->mode.long64 = vcpu_in_long64();
	e->mode.default32 = vmread32(VMCS_GUEST_CS_AR) & SEG_AR_DB;
	e->paging = vcpu_paging_state(vcpu);
	e->env.cr3 = e->paging.cr3;
	e->env.cpl = e->paging.cpl;
	e->env.ac = e->paging.rflags_ac;
}

void emulation_cpu(struct emulation *e, struct emul_cpu *cpu)
{
	cpu->env = &e->env;
	cpu->mode = e->mode;
	cpu->r = e->vcpu->regs.r;
	cpu->r[REG_RSP] = e->rsp = vmread(VMCS_GUEST_RSP);
	cpu->rflags = e->rflags = vmread(VMCS_GUEST_RFLAGS);
}

void emulation_end(
	struct emulation *e, const struct emul_cpu *cpu, enum emul_end end, uint64_t length)
{
	if (cpu->r[REG_RSP] != e->rsp)
		vmwrite(VMCS_GUEST_RSP, cpu->r[REG_RSP]);
	if (cpu->rflags != e->rflags)
		vmwrite(VMCS_GUEST_RFLAGS, cpu->rflags);
	if (end == EMUL_COMPLETE)
		vcpu_step_over(e->vcpu, length);
	else if (end == EMUL_FAULT)
		vcpu_inject_paging_fault(e->vcpu, &e->fault);
}

static struct emulation *emulation_of(struct emul_env *env)
{
	return (struct emulation *)(void *)env;
}

/* ---- memory ---- */

static const struct paging_state *paging_of(struct emulation *e)
{
	e->paging.cr3 = e->env.cr3;
	e->paging.cpl = e->env.cpl;
	e->paging.rflags_ac = e->env.ac;
	return &e->paging;
}

bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len)
{
	struct emulation *e = emulation_of(env);

	return paging_read(&e->vcpu->nested, paging_of(e), linear, dst, len, &e->fault);
}

bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len)
{
	struct emulation *e = emulation_of(env);

	return paging_write(&e->vcpu->nested, paging_of(e), linear, src, len, &e->fault);
}

bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len)
{
	struct emulation *e = emulation_of(env);

	return paging_can_write(&e->vcpu->nested, paging_of(e), linear, len, &e->fault);
}

uint64_t seam_segment_base(struct emul_env *env, enum sreg segment)
{
	(void)env;
	return vmread(VMCS_GUEST_ES_BASE + 2u * segment);
}

bool seam_read_pdptes(struct emul_env *env, uint32_t cr3, uint64_t pdpte[4])
{
	struct emulation *e = emulation_of(env);

	return seam_l1_read(&e->vcpu->nested, (struct gpa_l1){cr3 & 0xffffffe0u}, pdpte,
		       4 * sizeof(*pdpte)) == 0 &&
	       paging_pdptes_ok(pdpte, e->paging.maxphyaddr);
}

void seam_set_pdptes(struct emul_env *env, const uint64_t pdpte[4])
{
	(void)env;
	for (uint32_t i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
}

/* ---- devices ---- */

static void access_device(
	struct emul_env *env, uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	struct vcpu *vcpu = emulation_of(env)->vcpu;
	struct vm *vm = vcpu->vm;

	if (platform_mmio(vm->platform, vcpu->index, gpa, write, size, value))
		return;
	if (vm_first_time(vm, WARN_MMIO))
		log_warn("'%s' %s %lx, where no device is", vm->config.name,
			write ? "writes" : "reads", gpa);
}

uint64_t seam_device_read(struct emul_env *env, uint64_t gpa, unsigned size)
{
	uint64_t value = UINT64_MAX;

	access_device(env, gpa, false, size, &value);
	return value;
}

void seam_device_write(struct emul_env *env, uint64_t gpa, unsigned size, uint64_t value)
{
	access_device(env, gpa, true, size, &value);
}

uint32_t seam_port_read(struct emul_env *env, uint16_t port, unsigned size)
{
	uint32_t value = 0;

	vcpu_port_io(emulation_of(env)->vcpu, port, false, size, &value);
	return value;
}

void seam_port_write(struct emul_env *env, uint16_t port, unsigned size, uint32_t value)
{
	vcpu_port_io(emulation_of(env)->vcpu, port, true, size, &value);
}
