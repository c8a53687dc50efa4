/*
 * Device memory of L1: EPT violations outside RAM, and what the CPU leaves of the local APIC's page. emul/ runs
 * the instruction that made the access.
 */
#include "vm/seam_emul.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "vmx/asm.h"

/* Code bytes at RIP: to the end of the page, and on when the next page is mapped. */
static unsigned fetch(const struct emulation *e, uint8_t code[EMUL_MAX_INSN])
{
	struct nested *n = &e->vcpu->nested;
	struct paging_state s = e->paging;
	uint64_t linear = vmread(VMCS_GUEST_RIP);
	struct paging_fault fault;
	uint32_t first;

	if (!e->mode.long64)
		linear = (uint32_t)(linear + vmread(VMCS_GUEST_CS_BASE));
	first = PAGE_SIZE - (uint32_t)(linear & PAGE_MASK);
	if (first > EMUL_MAX_INSN)
		first = EMUL_MAX_INSN;
	/* the CPU has fetched it: supervisor rights do for reading it again */
	s.cpl = 0;
	s.rflags_ac = true;
	if (!paging_read(n, &s, linear, code, first, &fault))
		return 0;
	if (first == EMUL_MAX_INSN || !paging_read(n, &s, linear + first, code + first,
					      EMUL_MAX_INSN - first, &fault))
		return first;
	return EMUL_MAX_INSN;
}

static void give_up(struct vcpu *vcpu, const uint8_t *code, uint64_t gpa, uint64_t q)
{
	log_error("'%s': access to %lx (qualification %lx) by an instruction that is not "
		  "emulated: %02x %02x %02x %02x %02x %02x at rip %lx",
		vcpu->vm->config.name, gpa, q, code[0], code[1], code[2], code[3], code[4],
		code[5], vmread(VMCS_GUEST_RIP));
	vm_stop(vcpu->vm, VM_END_ERROR, EXIT_EPT_VIOLATION, "device access not emulated");
}

static bool in_device(uint64_t gpa)
{
	return gpa - DEV_ECAM_BASE < BIT64(28) || gpa - DEV_IOAPIC_BASE < PAGE_SIZE ||
	       gpa - DEV_LAPIC_BASE < PAGE_SIZE;
}

/*
 * Page tables or code where there is no memory: from now on a page of ones is there, which is what
 * absent memory reads as. False: a device is there, or the pool is used up.
 */
static bool map_void(struct vcpu *vcpu, uint64_t gpa)
{
	struct vm *vm = vcpu->vm;
	bool mapped;

	if (gpa >> 48 != 0 || in_device(gpa))
		return false;
	vm_lock(vm);
	mapped = ept_map(
		&vm->ept01, gpa & ~PAGE_MASK, vm->void_page, PAGE_SIZE, EPT_RWX, MEMTYPE_WB);
	vm_unlock(vm);
	return mapped;
}

/*
 * Paging structures in a device's memory read as ones, as absent memory does: the walk ends in a page
 * fault. The write bit of its error code is a guess, since the exit does not tell the access. False: something else.
 */
static bool table_in_device(struct vcpu *vcpu, uint64_t gpa, uint64_t q)
{
	struct paging_state s;
	struct paging_fault fault;
	struct gpa_l1 at;

	if (q & QUAL_TRANSLATION || !(q & QUAL_LINEAR) || !in_device(gpa))
		return false;
	s = vcpu_paging_state(vcpu);
	if (paging_walk(&vcpu->nested, &s, vmread(VMCS_GUEST_LINEAR_ADDRESS), PAGING_READ, &at,
		    &fault))
		return false;
	vcpu_inject_paging_fault(vcpu, &fault);
	return true;
}

/* The instruction at RIP accesses this address. False: it cannot be emulated. */
static bool emulate_access(struct vcpu *vcpu, uint64_t gpa, bool is_write, uint8_t *code)
{
	struct emulation e;
	struct emul_insn insn;
	struct emul_cpu cpu;
	enum emul_end end;
	unsigned length;

	emulation_begin(&e, vcpu);
	length = fetch(&e, code);
	if (vcpu->injecting || !emul_decode(code, length, e.mode, &insn))
		return false;
	emulation_cpu(&e, &cpu);
	end = emul_run(&cpu, &insn, gpa, is_write);
	emulation_end(&e, &cpu, end, insn.length);
	vcpu_touched_devices(vcpu);
	return true;
}

void handle_ept_violation(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	bool data = q & QUAL_TRANSLATION && !(q & QUAL_FETCH);
	uint8_t code[EMUL_MAX_INSN] = {0};

	vcpu_redeliver(vcpu);
	if (table_in_device(vcpu, gpa, q))
		return;
	if (data && emulate_access(vcpu, gpa, q & QUAL_WRITE, code))
		return;
	if (!map_void(vcpu, gpa))
		give_up(vcpu, code, gpa, q);
}

/* What the CPU does not virtualize of the local APIC's page. SDM table 27-6 "Exit Qualification for
 * APIC-Access VM Exits from Linear Accesses and Guest-Physical Accesses". */
void handle_apic_access(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t gpa = DEV_LAPIC_BASE + APIC_ACCESS_OFFSET(q);
	unsigned type = APIC_ACCESS_TYPE(q);
	uint8_t code[EMUL_MAX_INSN] = {0};

	vcpu_redeliver(vcpu);
	if (type > APIC_ACCESS_WRITE ||
		!emulate_access(vcpu, gpa, type == APIC_ACCESS_WRITE, code))
		give_up(vcpu, code, gpa, q);
}
