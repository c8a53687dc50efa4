/*
 * Device memory of L1: EPT violations outside RAM, emulated one instruction at a time.
 */
#include "vm/mmio_decode.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "vmx/asm.h"

#define MAX_PER_EXIT 256u

struct access {
	struct vcpu *vcpu;
	struct mmio_insn insn;
	uint64_t gpa;
	bool faulted; /* an exception was queued */
};

/* ---- registers ---- */

static uint64_t get_reg(struct vcpu *vcpu, unsigned reg, bool high)
{
	uint64_t v = reg == REG_RSP ? vmread(VMCS_GUEST_RSP) : vcpu->regs.r[reg];

	return high ? v >> 8 & 0xff : v;
}

/* Writes of 4 bytes clear the upper half; smaller ones keep the rest. */
static void set_reg(struct vcpu *vcpu, const struct mmio_insn *i, unsigned size, uint64_t v)
{
	uint64_t old = get_reg(vcpu, i->reg, false), m = mask_of(size);

	if (i->reg_high)
		v = (old & ~0xff00ull) | (v & 0xff) << 8;
	else if (size < 4)
		v = (old & ~m) | (v & m);
	else
		v &= m;
	if (i->reg == REG_RSP)
		vmwrite(VMCS_GUEST_RSP, v);
	else
		vcpu->regs.r[i->reg] = v;
}

/* ---- the device's side ---- */

static uint64_t mmio_read(struct access *a)
{
	struct vm *vm = a->vcpu->vm;
	uint64_t v = UINT64_MAX;

	if (!platform_mmio(vm->platform, a->vcpu->index, a->gpa, false, a->insn.size, &v)) {
		if (vm_first_time(vm, WARN_MMIO))
			log_warn("'%s' reads %lx, where no device is", vm->config.name, a->gpa);
	}
	return v & mask_of(a->insn.size);
}

static void mmio_write(struct access *a, uint64_t v)
{
	struct vm *vm = a->vcpu->vm;

	v &= mask_of(a->insn.size);
	if (!platform_mmio(vm->platform, a->vcpu->index, a->gpa, true, a->insn.size, &v)) {
		if (vm_first_time(vm, WARN_MMIO))
			log_warn(
				"'%s' writes %lx, where no device is", vm->config.name, a->gpa);
	}
}

/* ---- instructions ---- */

static uint64_t source(struct access *a)
{
	if (a->insn.has_imm)
		return a->insn.imm;
	return get_reg(a->vcpu, a->insn.reg, a->insn.reg_high);
}

static uint64_t sign_extend(uint64_t v, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static void emulate_read(struct access *a)
{
	uint64_t v = mmio_read(a);

	if (a->insn.swap)
		v = mmio_swap(v, a->insn.size);
	if (a->insn.sign)
		v = sign_extend(v, a->insn.size);
	set_reg(a->vcpu, &a->insn, a->insn.reg_size, v);
}

static void emulate_alu(struct access *a)
{
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS), memory = mmio_read(a), r;

	if (a->insn.kind == MMIO_ALU) {
		r = mmio_alu(a->insn.alu, memory, source(a), a->insn.size, &flags);
		if (a->insn.alu != ALU_CMP && a->insn.alu != ALU_TEST)
			mmio_write(a, r);
	} else {
		r = mmio_alu(a->insn.alu, source(a), memory, a->insn.size, &flags);
		if (a->insn.alu != ALU_CMP)
			set_reg(a->vcpu, &a->insn, a->insn.size, r);
	}
	vmwrite(VMCS_GUEST_RFLAGS, flags);
}

static void emulate_xchg(struct access *a)
{
	uint64_t old = mmio_read(a);

	mmio_write(a, source(a));
	set_reg(a->vcpu, &a->insn, a->insn.size, old);
}

static void emulate_write(struct access *a)
{
	uint64_t v = source(a);

	mmio_write(a, a->insn.swap ? mmio_swap(v, a->insn.size) : v);
}

static void emulate_unary(struct access *a)
{
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS);

	mmio_write(a, mmio_alu(a->insn.alu, mmio_read(a), 1, a->insn.size, &flags));
	vmwrite(VMCS_GUEST_RFLAGS, flags);
}

static void emulate_xadd(struct access *a)
{
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS), old = mmio_read(a);

	mmio_write(a, mmio_alu(ALU_ADD, old, source(a), a->insn.size, &flags));
	set_reg(a->vcpu, &a->insn, a->insn.size, old);
	vmwrite(VMCS_GUEST_RFLAGS, flags);
}

/* The memory is written in any case, as the processor does. */
static void emulate_cmpxchg(struct access *a)
{
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS), old = mmio_read(a);
	struct mmio_insn rax = {.reg = REG_RAX};

	mmio_alu(ALU_CMP, a->vcpu->regs.r[REG_RAX], old, a->insn.size, &flags);
	mmio_write(a, flags & FLAG_ZF ? source(a) : old);
	if (!(flags & FLAG_ZF))
		set_reg(a->vcpu, &rax, a->insn.size, old);
	vmwrite(VMCS_GUEST_RFLAGS, flags);
}

static void emulate_bit(struct access *a)
{
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS), v;

	v = mmio_bit(a->insn.bit, mmio_read(a), source(a), a->insn.size, &flags);
	if (a->insn.bit != BIT_TEST)
		mmio_write(a, v);
	vmwrite(VMCS_GUEST_RFLAGS, flags);
}

/* CMOVcc reads the memory in any case, and clears the upper half of a 32-bit register. */
static void emulate_conditional(struct access *a)
{
	bool holds = mmio_condition(a->insn.condition, vmread(VMCS_GUEST_RFLAGS));
	uint64_t v;

	if (a->insn.kind == MMIO_SETCC) {
		mmio_write(a, holds);
		return;
	}
	v = mmio_read(a);
	set_reg(a->vcpu, &a->insn, a->insn.size,
		holds ? v : get_reg(a->vcpu, a->insn.reg, false));
}

static void advance(struct access *a, unsigned reg, uint64_t by)
{
	uint64_t m = mask_of(a->insn.address_size), *r = &a->vcpu->regs.r[reg];
	uint64_t v = (*r + by) & m;

	*r = a->insn.address_size == 2 ? (*r & ~m) | v : v;
}

/* The other operand of MOVS is ordinary memory, at the linear address of this register. */
static bool movs_ram(struct access *a, bool write, uint64_t *v)
{
	struct paging_state s = vcpu_paging_state(a->vcpu);
	unsigned reg = write ? REG_RDI : REG_RSI, segment = write ? 0 : a->insn.segment;
	uint64_t linear = a->vcpu->regs.r[reg] & mask_of(a->insn.address_size);
	struct paging_fault fault;
	bool ok;

	if (!vcpu_in_long64() || segment >= 4)
		linear += vmread(VMCS_GUEST_ES_BASE + 2u * segment);
	if (!vcpu_in_long64())
		linear = (uint32_t)linear;
	ok = write ? paging_write(&a->vcpu->nested, &s, linear, v, a->insn.size, &fault)
		   : paging_read(&a->vcpu->nested, &s, linear, v, a->insn.size, &fault);
	if (!ok) {
		vcpu_inject_paging_fault(a->vcpu, &fault);
		a->faulted = true;
	}
	return ok;
}

static bool string_element(struct access *a, bool device_is_destination)
{
	uint64_t v = 0;

	if (a->insn.kind == MMIO_STOS) {
		mmio_write(a, a->vcpu->regs.r[REG_RAX]);
		return true;
	}
	if (device_is_destination) {
		if (!movs_ram(a, false, &v))
			return false;
		mmio_write(a, v);
		return true;
	}
	v = mmio_read(a);
	return movs_ram(a, true, &v);
}

/*
 * One element of STOS or MOVS, or as many as lie in this page; true when the instruction is
 * complete.
 */
static bool emulate_string(struct access *a, bool device_is_destination)
{
	uint64_t m = mask_of(a->insn.address_size), step = a->insn.size;
	uint64_t page = a->gpa & ~PAGE_MASK;

	if (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_DF)
		step = -step;
	for (unsigned n = 0; n < MAX_PER_EXIT; n++) {
		if (a->insn.rep && (a->vcpu->regs.r[REG_RCX] & m) == 0)
			return true;
		if ((a->gpa & ~PAGE_MASK) != page)
			return false;
		if (!string_element(a, device_is_destination))
			return false;
		a->gpa += step;
		advance(a, REG_RDI, step);
		if (a->insn.kind == MMIO_MOVS)
			advance(a, REG_RSI, step);
		if (!a->insn.rep)
			return true;
		advance(a, REG_RCX, UINT64_MAX);
	}
	return false;
}

static bool emulate(struct access *a, bool is_write)
{
	switch (a->insn.kind) {
	case MMIO_READ:
		emulate_read(a);
		return true;
	case MMIO_WRITE:
		emulate_write(a);
		return true;
	case MMIO_UNARY:
		emulate_unary(a);
		return true;
	case MMIO_XADD:
		emulate_xadd(a);
		return true;
	case MMIO_CMPXCHG:
		emulate_cmpxchg(a);
		return true;
	case MMIO_BIT:
		emulate_bit(a);
		return true;
	case MMIO_SETCC:
	case MMIO_CMOV:
		emulate_conditional(a);
		return true;
	case MMIO_ALU:
	case MMIO_ALU_REG:
		emulate_alu(a);
		return true;
	case MMIO_XCHG:
		emulate_xchg(a);
		return true;
	default:
		return emulate_string(a, is_write);
	}
}

/* ---- the exit ---- */

/* Code bytes at RIP: to the end of the page, and on when the next page is mapped. */
static unsigned fetch(struct vcpu *vcpu, uint8_t code[MMIO_MAX_INSN])
{
	struct paging_state s = vcpu_paging_state(vcpu);
	uint64_t linear = vmread(VMCS_GUEST_RIP);
	struct paging_fault fault;
	uint32_t first;

	if (!vcpu_in_long64())
		linear = (uint32_t)(linear + vmread(VMCS_GUEST_CS_BASE));
	first = PAGE_SIZE - (uint32_t)(linear & PAGE_MASK);
	if (first > MMIO_MAX_INSN)
		first = MMIO_MAX_INSN;
	/* the CPU has fetched it: supervisor rights do for reading it again */
	s.cpl = 0;
	s.rflags_ac = true;
	if (!paging_read(&vcpu->nested, &s, linear, code, first, &fault))
		return 0;
	if (first == MMIO_MAX_INSN || !paging_read(&vcpu->nested, &s, linear + first,
					      code + first, MMIO_MAX_INSN - first, &fault))
		return first;
	return MMIO_MAX_INSN;
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
	struct paging_state s = vcpu_paging_state(vcpu);
	struct paging_fault fault;
	struct gpa_l1 at;

	if (q & QUAL_TRANSLATION || !(q & QUAL_LINEAR) || !in_device(gpa) ||
		paging_walk(&vcpu->nested, &s, vmread(VMCS_GUEST_LINEAR_ADDRESS), PAGING_READ,
			&at, &fault))
		return false;
	vcpu_inject_paging_fault(vcpu, &fault);
	return true;
}

/* The instruction at RIP accesses this address. False: it cannot be emulated. */
static bool emulate_access(struct vcpu *vcpu, uint64_t gpa, bool is_write, uint8_t *code)
{
	struct access a = {.vcpu = vcpu, .gpa = gpa};
	struct mmio_mode mode = {
		.long64 = vcpu_in_long64(),
		.default32 = vmread32(VMCS_GUEST_CS_AR) & SEG_AR_DB,
	};
	unsigned length = fetch(vcpu, code);

	if (vcpu->injecting || !mmio_decode(code, length, mode, &a.insn))
		return false;
	if (emulate(&a, is_write) && !a.faulted)
		vcpu_step_over(vcpu, a.insn.length);
	vcpu_touched_devices(vcpu);
	return true;
}

void handle_ept_violation(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	bool data = q & QUAL_TRANSLATION && !(q & QUAL_FETCH);
	uint8_t code[MMIO_MAX_INSN] = {0};

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
	uint8_t code[MMIO_MAX_INSN] = {0};

	vcpu_redeliver(vcpu);
	if (type > APIC_ACCESS_WRITE ||
		!emulate_access(vcpu, gpa, type == APIC_ACCESS_WRITE, code))
		give_up(vcpu, code, gpa, q);
}
