/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What emul/ needs: the guest of the current VMCS and its devices.
 */
#include "vm/seam_emul.h"

#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/vector.h"
#include "emul/breakpoint.h"
#include "nested/seam.h"
#include "nested/vept.h"
#include "vm/cet.h"
#include "vm/debugger.h"
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
	e->keep = false;
	e->dr7 = 0;
}

/* Does somebody want to see every iteration of a repetition? */
static bool watched(const struct emulation *e)
{
	const struct nested *n = &e->vcpu->nested;

	return e->rflags & RFLAGS_TF || emul_breakpoints_on(e->dr7) || e->vcpu->debug.on ||
	       (n->in_l2 && nested_who_takes(n, &(struct nested_event){.kind = NESTED_MTF}) ==
				    TAKER_L1);
}

void emulation_cpu(struct emulation *e, struct emul_cpu *cpu)
{
	e->keep = true;
	e->known[0].linear = e->known[1].linear = NO_PAGE;
	e->rip = vmread(VMCS_GUEST_RIP);
	e->dr7 = vmread(VMCS_GUEST_DR7);
	e->hits = 0;
	cpu->env = &e->env;
	cpu->mode = e->mode;
	cpu->r = e->vcpu->regs.r;
	cpu->r[REG_RSP] = e->rsp = vmread(VMCS_GUEST_RSP);
	cpu->rflags = e->rflags = vmread(VMCS_GUEST_RFLAGS);
	cpu->rip = e->rip;
	cpu->la57 = e->paging.cr4 & CR4_LA57;
	cpu->types = e->paging.cr0 & CR0_PE && !(e->rflags & RFLAGS_VM);
	cpu->aligned = e->paging.cr0 & CR0_AM && e->env.ac && e->env.cpl == 3;
	cpu->no_tzcnt = this_cpu()->no_tzcnt;
	cpu->no_lzcnt = this_cpu()->no_lzcnt;
	cpu->one = watched(e);
}

/*
 * An iteration of a repetition that is not the last is complete: SDM 17.3.1.4 "Single-Step
 * Exception Condition", and RF in the frame of its trap (17.3.1.1).
 */
static void end_iteration(const struct emulation *e)
{
	uint64_t pending = e->hits;
	uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	if (e->rflags & RFLAGS_TF && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		pending |= PENDING_DBG_BS;
	if (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			blocking & ~(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	if (pending == 0)
		return;
	vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
	vcpu_pend_debug(pending);
}

void emulation_end(struct emulation *e, const struct emul_cpu *cpu, enum emul_end end)
{
	if (cpu->r[REG_RSP] != e->rsp)
		vmwrite(VMCS_GUEST_RSP, cpu->r[REG_RSP]);
	if (cpu->rflags != e->rflags)
		vmwrite(VMCS_GUEST_RFLAGS, cpu->rflags);
	switch (end) {
	case EMUL_COMPLETE:
		nested_step_over(cpu->rip - e->rip);
		if (e->hits != 0)
			vcpu_pend_debug(e->hits);
		break;
	case EMUL_AGAIN:
		end_iteration(e);
		break;
	case EMUL_FAULT:
		vcpu_inject_paging_fault(e->vcpu, &e->fault);
		break;
	case EMUL_EXCEPTION:
		vcpu_inject_exception(e->vcpu, cpu->vector,
			cpu->vector >= VEC_DF && cpu->vector != VEC_MF, 0);
		break;
	}
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

/*
 * A page of L1's memory, for reading or for writing; without one a device may be there. Nobody
 * writes a page that was asked for to be read.
 */
static struct known_page page_at(
	struct emulation *e, uint64_t linear, struct gpa_l1 at, bool write)
{
	const struct vm *vm = e->vcpu->vm;

	at.v &= ~PAGE_MASK;
	return (struct known_page){linear & ~PAGE_MASK, at,
		write ? vm_gpa_to_va(vm, at.v, PAGE_SIZE)
		      : (void *)(uintptr_t)vm_readable_va(vm, at.v, PAGE_SIZE)};
}

void emulation_know(struct emulation *e, uint64_t linear, uint64_t gpa, bool write)
{
	e->known[write] = page_at(e, linear, (struct gpa_l1){gpa}, write);
}

static __attribute__((noinline)) bool look_up(struct emulation *e, uint64_t linear, bool write)
{
	struct gpa_l1 at;

	if (!paging_translate(&e->vcpu->nested, paging_of(e), linear,
		    write ? PAGING_WRITE : PAGING_READ, &at, &e->fault))
		return false;
	e->known[write] = page_at(e, linear, at, write);
	return true;
}

/* An access of at most a page, in the one or two pages it touches. */
struct piece {
	struct gpa_l1 at;
	uint8_t *host; /* NULL: not in RAM */
	uint32_t len;
};

/*
 * Where sub-pages have rights of their own the page that one write has found is not enough; and
 * all are asked before a flag is set.
 */
static __attribute__((noinline)) bool sub_pages_allow(
	struct emulation *e, uint64_t linear, uint32_t len)
{
	struct nested *n = &e->vcpu->nested;

	return !vept_has_sub_pages(n) ||
	       paging_can_write(n, paging_of(e), linear, len, &e->fault);
}

static inline bool find_piece(
	struct emulation *e, uint64_t linear, uint32_t len, bool write, struct piece *p)
{
	const struct known_page *known = &e->known[write];
	uint64_t offset = linear & PAGE_MASK;

	if ((!e->keep || known->linear != linear - offset) && !look_up(e, linear, write))
		return false;
	p->at.v = known->at.v | offset;
	p->host = known->host == NULL ? NULL : known->host + offset;
	p->len = len;
	return true;
}

static inline bool find(
	struct emulation *e, uint64_t linear, uint32_t len, bool write, struct piece p[2])
{
	uint32_t room = (uint32_t)(PAGE_SIZE - (linear & PAGE_MASK));
	uint64_t next = linear + room;

	p[1].len = 0;
	if (write && e->paging.eptp12 != 0 && !sub_pages_allow(e, linear, len))
		return false;
	if (len <= room)
		return find_piece(e, linear, len, write, &p[0]);
	return find_piece(e, linear, room, write, &p[0]) &&
	       find_piece(e, e->mode.long64 ? next : (uint32_t)next, len - room, write, &p[1]);
}

static void access_device(
	struct vcpu *vcpu, uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	struct vm *vm = vcpu->vm;

	if (vm_is_rom(vm, gpa)) /* only writes come here */
		return;
	if (platform_mmio(vm->platform, vcpu->index, gpa, write, size, value))
		return;
	if (vm_first_time(vm, WARN_MMIO))
		log_warn("'%s' %s %lx, where no device is", vm->config.name,
			write ? "writes" : "reads", gpa);
}

/* Operands of devices are powers of 2; a usual access is one. */
static uint32_t operand(uint32_t len)
{
	return len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1;
}

static void read_device(struct vcpu *vcpu, uint64_t gpa, uint8_t *to, uint32_t len)
{
	for (uint32_t size; len > 0; gpa += size, to += size, len -= size) {
		uint64_t value = UINT64_MAX;

		size = operand(len);
		access_device(vcpu, gpa, false, size, &value);
		__builtin_memcpy(to, &value, size);
	}
}

static void write_device(struct vcpu *vcpu, uint64_t gpa, const uint8_t *from, uint32_t len)
{
	for (uint32_t size; len > 0; gpa += size, from += size, len -= size) {
		uint64_t value = 0;

		size = operand(len);
		__builtin_memcpy(&value, from, size);
		access_device(vcpu, gpa, true, size, &value);
	}
}

static void watch(struct emulation *e, uint64_t linear, uint32_t len, enum emul_watch how)
{
	if (emul_breakpoints_on(e->dr7))
		e->hits |= vcpu_breakpoints(e->dr7, linear, len, how);
	if (e->vcpu->debug.on)
		debugger_access(e->vcpu, linear, len, how);
}

bool seam_memory_read(struct emul_env *env, uint64_t linear, void *dst, uint32_t len)
{
	struct emulation *e = emulation_of(env);
	uint8_t *to = dst;
	struct piece p[2];

	if (!find(e, linear, len, false, p))
		return false;
	for (unsigned i = 0; i < 2 && p[i].len != 0; to += p[i].len, i++) {
		if (p[i].host != NULL)
			__builtin_memcpy(to, p[i].host, p[i].len);
		else
			read_device(e->vcpu, p[i].at.v, to, p[i].len);
	}
	watch(e, linear, len, WATCH_READ);
	return true;
}

bool seam_memory_write(struct emul_env *env, uint64_t linear, const void *src, uint32_t len)
{
	struct emulation *e = emulation_of(env);
	struct nested *n = &e->vcpu->nested;
	const uint8_t *from = src;
	struct piece p[2];
	enum vept_write begun;

	if (!find(e, linear, len, true, p))
		return false;
	for (unsigned i = 0; i < 2 && p[i].len != 0; from += p[i].len, i++) {
		if (p[i].host == NULL) {
			write_device(e->vcpu, p[i].at.v, from, p[i].len);
			continue;
		}
		begun = nested_write_begins(n, p[i].at, p[i].len);
		__builtin_memcpy(p[i].host, from, p[i].len);
		nested_write_ends(n, p[i].at, p[i].len, begun);
	}
	watch(e, linear, len, WATCH_WRITE);
	return true;
}

bool seam_memory_can_read(struct emul_env *env, uint64_t linear, uint32_t len)
{
	struct piece p[2];

	return find(emulation_of(env), linear, len, false, p);
}

bool seam_memory_can_write(struct emul_env *env, uint64_t linear, uint32_t len)
{
	struct piece p[2];

	return find(emulation_of(env), linear, len, true, p);
}

struct emul_segment seam_segment(struct emul_env *env, enum sreg segment)
{
	bool long64 = emulation_of(env)->mode.long64; /* which has bases only */

	return (struct emul_segment){
		.base = vmread(VMCS_GUEST_ES_BASE + 2u * segment),
		.limit = long64 ? 0 : vmread32(VMCS_GUEST_ES_LIMIT + 2u * segment),
		.ar = long64 ? 0 : vmread32(VMCS_GUEST_ES_AR + 2u * segment),
	};
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

uint64_t seam_control_flow(struct emul_env *env)
{
	return cet_in_use(emulation_of(env)->vcpu, env->cpl);
}

/* ---- ports ---- */

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

/* ---- vector registers: the guest's are in the CPU ---- */

bool seam_vectors(struct emul_env *env, bool wide)
{
	(void)env;
	return !wide || vector_wide();
}

void seam_vector_get(struct emul_env *env, unsigned reg, uint64_t v[4], bool wide)
{
	(void)env;
	vector_get(reg, v, wide);
}

void seam_vector_set(struct emul_env *env, unsigned reg, const uint64_t v[4], bool wide)
{
	(void)env;
	vector_set(reg, v, wide);
}
