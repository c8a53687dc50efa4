/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device memory of L1, which L1 may pass on to L2: EPT violations outside RAM, and what the CPU
 * leaves of the local APIC's page. emul/ runs the instruction that made the access.
 */
#include "vm/seam_emul.h"
#include "vm/bad_memory.h"
#include "vm/devices.h"
#include "vm/memory_type.h"
#include "vm/ram.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "spec/exceptions.h"
#include "vmx/asm.h"

/*
 * Code bytes at RIP: to the end of the page, and on when the next page is mapped. 0: a fault.
 */
static unsigned fetch(struct emulation *e, uint8_t code[EMUL_MAX_INSN])
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
	s.cr4 &= ~(uint64_t)CR4_PKE; /* keys rule data only */
	s.rflags_ac = true;
	if (!paging_read_code(n, &s, linear, code, first, &e->fault))
		return 0;
	if (first == EMUL_MAX_INSN || !paging_read_code(n, &s, linear + first, code + first,
					      EMUL_MAX_INSN - first, &fault))
		return first;
	return EMUL_MAX_INSN;
}

/*
 * An instruction that is not in emul's table, or was fetched from a device: #UD, as if the
 * processor lacked it. When an event's delivery needs the device, the delivery fails: #GP, with
 * the EXT bit.
 */
static void refuse(struct vcpu *vcpu, const uint8_t *code, uint64_t gpa)
{
	if (vm_first_time(vcpu->vm, WARN_EMULATION))
		log_warn("'%s': access to %lx by %s that is not emulated: %02x %02x %02x %02x "
			 "%02x %02x at rip %lx; the guest gets an exception",
			vcpu->vm->config.name, gpa,
			vcpu->injecting ? "the delivery of an event" : "an instruction",
			code[0], code[1], code[2], code[3], code[4], code[5],
			vmread(VMCS_GUEST_RIP));
	if (vcpu->injecting)
		vcpu_inject_exception(vcpu, VEC_GP, true, ERROR_EXT);
	else
		vcpu_inject_ud(vcpu);
}

/* The EPT12 of an L2 that runs with one, else NULL. */
static struct vept_root *root_of(const struct vcpu *vcpu)
{
	return vcpu->nested.in_l2 ? vcpu->nested.cur->root : NULL;
}

/* EPT01 maps the page of ones at so many addresses at most; another one takes the oldest's
 * place. */
static void note_void(struct vm *vm, uint64_t gpa)
{
	uint64_t *slot = &vm->void_at[vm->void_next++ % VM_VOIDS];

	if (*slot != 0) {
		(void)ept_unmap(&vm->ept01, *slot, PAGE_SIZE);
		ept_flush(&vm->ept01);
	}
	*slot = gpa;
}

static bool map_void_01(struct vcpu *vcpu, uint64_t gpa)
{
	struct vm *vm = vcpu->vm;
	bool mapped;

	vm_lock(vm);
	mapped = ept_map(&vm->ept01, gpa, vm->void_page, PAGE_SIZE, EPT_RWX | vm_ram_ipat(vm),
		MEMTYPE_WB);
	if (mapped) {
		note_void(vm, gpa);
		vm_flush_others(vm, vcpu, false);
	}
	vm_unlock(vm);
	return mapped;
}

/*
 * Page tables, code or an odd instruction where there is no memory: from now on a page of ones
 * is there, which is what absent memory reads as. False: a device is there, or the pool is used
 * up.
 */
static bool map_void(struct vcpu *vcpu, uint64_t gpa, uint64_t q)
{
	struct vept_root *root = root_of(vcpu);
	struct vept_void nothing = {{vmread(VMCS_GUEST_PHYSICAL_ADDRESS)}, {gpa}};

	if (gpa >> 48 != 0 || vm_is_rom(vcpu->vm, gpa) ||
		platform_has_device(vcpu->vm->platform, gpa))
		return false;
	if (root == NULL)
		return map_void_01(vcpu, gpa & ~PAGE_MASK);
	return q & QUAL_WRITE ? vept_map_scratch(&vcpu->nested, root, &nothing)
			      : vept_map_ones(&vcpu->nested, root, &nothing);
}

/* Registers of a device that the VM owns. True: L1, or an L2 without EPT12, can access them. */
static bool map_registers(struct vcpu *vcpu, uint64_t gpa)
{
	bool mapped;

	if (vcpu->vm->devices->passed.count == 0 || root_of(vcpu) != NULL)
		return false;
	vm_lock(vcpu->vm);
	mapped = passed_map_direct(vcpu->vm, gpa);
	vm_unlock(vcpu->vm);
	return mapped;
}

/* RAM is never absent memory: there was no table for its code. True: the VM ends. */
static bool out_of_tables(struct vcpu *vcpu, uint64_t gpa)
{
	uint64_t offset;

	if (!vcpu->vm->ept01.small_code || root_of(vcpu) != NULL ||
		!vm_ram_offset(vcpu->vm, gpa, 1, &offset))
		return false;
	vm_stop(vcpu->vm, VM_END_ERROR, 0, "its pool is too small for tables of EPT01");
	return true;
}

/* Code in a large page of EPT01, whoever executes it. */
static bool open_code(struct vcpu *vcpu, uint64_t gpa)
{
	struct vm *vm = vcpu->vm;
	bool opened;

	if (!vm->ept01.small_code || root_of(vcpu) != NULL)
		return false;
	vm_lock(vm);
	opened = ept_open_code(&vm->ept01, gpa);
	vm_unlock(vm);
	return opened;
}

/*
 * L1 writes a table of its EPT12, which virtual EPT lets it read only. True: the page can be
 * written now, or another vCPU was faster.
 */
static bool open_table(struct vcpu *vcpu, uint64_t gpa)
{
	struct vm *vm = vcpu->vm;
	uint64_t page_size, offset, *leaf;
	bool opened;

	if (!vm->config.vmx || !vept_closes(&vm->nested_vm->vept) || root_of(vcpu) != NULL ||
		!vm_ram_offset(vm, gpa, 1, &offset))
		return false;
	vept_open_table(&vcpu->nested, (struct gpa_l1){gpa});
	vm_lock(vm);
	leaf = ept_leaf(&vm->ept01, gpa, &page_size);
	opened = leaf != NULL && *leaf & EPT_WRITE;
	vm_unlock(vm);
	return opened;
}

/* 28.2.4 "Accessed and Dirty Flags for EPT" */
static bool walks_write(const struct vcpu *vcpu)
{
	const struct vept_root *root = root_of(vcpu);

	return root != NULL && root->eptp12 & EPTP_AD;
}

/*
 * Paging structures in a device's memory read as ones, as absent memory does: the walk ends in
 * a page fault. So for an L2 whose walks count as writes, where a page of ones would have to be
 * writable. The write bit of its error code is a guess, since the exit does not tell the
 * access. False: something else.
 */
static bool table_in_device(struct vcpu *vcpu, uint64_t gpa, uint64_t q)
{
	struct paging_state s;
	struct paging_fault fault;
	struct gpa_l1 at;

	if (q & QUAL_TRANSLATION || !(q & QUAL_LINEAR) ||
		(!walks_write(vcpu) && !platform_has_device(vcpu->vm->platform, gpa)))
		return false;
	s = vcpu_paging_state(vcpu);
	if (paging_walk(&vcpu->nested, &s, vmread(VMCS_GUEST_LINEAR_ADDRESS), PAGING_READ, &at,
		    &fault))
		return false;
	vcpu_inject_paging_fault(vcpu, &fault);
	return true;
}

/* An IPI takes two registers of the local APIC and its end a third: one place for each. */
static struct vcpu_decoded *place(struct vcpu *vcpu, const uint64_t key[2])
{
	uint64_t hash = (key[0] + key[1]) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio */

	return &vcpu->decoded[hash >> (64 - VCPU_DECODED_BITS)];
}

/* emul_decode, or what it said of the same bytes the last time. NULL: it knows none. */
static const struct emul_insn *decode(
	struct emulation *e, const uint8_t code[EMUL_MAX_INSN], unsigned length)
{
	uint64_t key[2] = {0, 0};
	struct vcpu_decoded *last;

	__builtin_memcpy(key, code, EMUL_MAX_INSN);
	key[1] |= (uint64_t)(length << 2 | (unsigned)e->mode.long64 << 1 | e->mode.default32)
		  << 56;
	last = place(e->vcpu, key);
	if (key[0] == last->key[0] && key[1] == last->key[1])
		return &last->insn;
	last->key[1] = 0; /* no length is 0: nothing */
	if (!emul_decode(code, length, e->mode, &last->insn))
		return NULL;
	last->key[0] = key[0];
	last->key[1] = key[1];
	return &last->insn;
}

/*
 * The instruction at RIP accesses this address; linear: of it, or NO_PAGE. False: nothing was
 * done; code is what there is.
 */
static bool emulate_access(
	struct vcpu *vcpu, uint64_t linear, uint64_t gpa, bool write, uint8_t *code)
{
	struct emulation e;
	const struct emul_insn *insn;
	struct emul_cpu cpu;
	unsigned length;

	emulation_begin(&e, vcpu);
	length = fetch(&e, code);
	if (vcpu->injecting)
		return false;
	if (length ==
		0) { /* its page tables are no longer what the CPU saw, or are in a device */
		vcpu_inject_paging_fault(vcpu, &e.fault);
		return true;
	}
	insn = decode(&e, code, length);
	if (insn == NULL)
		return false;
	emulation_cpu(&e, &cpu);
	if (linear != NO_PAGE) /* one that reads, too, looks it up */
		emulation_know(&e, linear, gpa, write);
	emulation_end(&e, &cpu, emul_run(&cpu, insn));
	vcpu_touched_devices(vcpu);
	return true;
}

void handle_ept_violation(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t gpa = root_of(vcpu) != NULL ? vcpu->nested.no_ram.v
					     : vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	bool data = q & QUAL_TRANSLATION && !(q & QUAL_FETCH);
	uint64_t linear = q & QUAL_LINEAR ? vmread(VMCS_GUEST_LINEAR_ADDRESS) : NO_PAGE;
	uint8_t code[EMUL_MAX_INSN] = {0};
	uint64_t offset;

	if (vcpu->nested.in_l2 && nested_apic_access(&vcpu->nested, gpa, q))
		return;
	vcpu_redeliver(vcpu);
	if (bad_memory_used(vcpu->vm, gpa, 1))
		return;
	if ((q & QUAL_FETCH && open_code(vcpu, gpa)) ||
		(q & QUAL_WRITE && open_table(vcpu, gpa)) || map_registers(vcpu, gpa)) {
		nested_block_nmis_again(q);
		return;
	}
	if (vcpu->vm->ram != NULL && vm_ram_offset(vcpu->vm, gpa, 1, &offset)) {
		ram_touch(vcpu, offset);
		nested_block_nmis_again(q);
		return;
	}
	if (q & QUAL_FETCH && out_of_tables(vcpu, gpa))
		return;
	if (table_in_device(vcpu, gpa, q))
		return;
	if (data && emulate_access(vcpu, linear, gpa, q & QUAL_WRITE, code))
		return;
	if (map_void(vcpu, gpa, q))
		nested_block_nmis_again(q);
	else
		refuse(vcpu, code, gpa);
}

/*
 * What the CPU does not virtualize of the local APIC's page; the exit does not tell the linear
 * address. SDM table 27-6 "Exit Qualification for APIC-Access VM Exits from Linear Accesses and
 * Guest-Physical Accesses".
 */
void handle_apic_access(struct vcpu *vcpu)
{
	uint64_t gpa = DEV_LAPIC_BASE + APIC_ACCESS_OFFSET(vmread(VMCS_EXIT_QUALIFICATION));
	uint8_t code[EMUL_MAX_INSN] = {0};

	vcpu_redeliver(vcpu);
	if (!emulate_access(vcpu, NO_PAGE, gpa, false, code))
		refuse(vcpu, code, gpa);
}
