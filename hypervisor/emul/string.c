/*
 * String instructions between a device and memory: an element at a time, so that a fault in the middle leaves
 * the registers as the elements before it made them, and no more elements than an exit may take.
 */
#include "emul/emul_int.h"

#include "spec/addr.h"
#include "spec/vmx.h"

/* A counter or index register of 2, 4 or 8 bytes. */
static void advance(uint64_t *r, uint64_t by, unsigned size)
{
	uint64_t m = emul_mask(size), v = (*r + by) & m;

	*r = size == 2 ? (*r & ~m) | v : v;
}

static uint64_t step_of(const struct emul_cpu *cpu, unsigned size)
{
	return cpu->rflags & RFLAGS_DF ? -(uint64_t)size : size;
}

/* ---- STOS and MOVS ---- */

static uint64_t linear_of(
	const struct emul_access *a, unsigned segment, unsigned index_register)
{
	const struct emul_cpu *cpu = a->cpu;
	uint64_t linear = cpu->r[index_register] & emul_mask(a->insn->address_size);

	if (!cpu->mode.long64 || segment >= SEG_FS)
		linear += seam_segment_base(cpu->env, (enum sreg)segment);
	return cpu->mode.long64 ? linear : (uint32_t)linear;
}

/*
 * The other operand of MOVS is ordinary memory. A device is not read when the memory cannot take it, for the
 * instruction comes again after the fault.
 */
static bool move_element(struct emul_access *a, bool device_is_destination)
{
	struct emul_env *env = a->cpu->env;
	uint64_t v = 0, to;

	if (device_is_destination) {
		if (!seam_memory_read(
			    env, linear_of(a, a->insn->segment, REG_RSI), &v, a->insn->size))
			return false;
		emul_device_write(a, v);
		return true;
	}
	to = linear_of(a, SEG_ES, REG_RDI);
	if (!seam_memory_can_write(env, to, a->insn->size))
		return false;
	v = emul_device_read(a);
	return seam_memory_write(env, to, &v, a->insn->size);
}

static bool string_element(struct emul_access *a, bool device_is_destination)
{
	if (a->insn->kind == EMUL_MOVS)
		return move_element(a, device_is_destination);
	emul_device_write(a, a->cpu->r[REG_RAX]);
	return true;
}

/* The next page of the device may be something else: a new exit tells. */
enum emul_end emul_string(struct emul_access *a, bool device_is_destination)
{
	uint64_t *r = a->cpu->r, page = a->gpa & ~PAGE_MASK;
	uint64_t step = step_of(a->cpu, a->insn->size);
	unsigned width = a->insn->address_size;

	for (unsigned n = 0; n < EMUL_MAX_MOVES; n++) {
		if (a->insn->rep && (r[REG_RCX] & emul_mask(width)) == 0)
			return EMUL_COMPLETE;
		if ((a->gpa & ~PAGE_MASK) != page)
			return EMUL_AGAIN;
		if (!string_element(a, device_is_destination))
			return EMUL_FAULT;
		a->gpa += step;
		advance(&r[REG_RDI], step, width);
		if (a->insn->kind == EMUL_MOVS)
			advance(&r[REG_RSI], step, width);
		if (!a->insn->rep)
			return EMUL_COMPLETE;
		advance(&r[REG_RCX], UINT64_MAX, width);
	}
	return EMUL_AGAIN;
}

/* ---- INS and OUTS ---- */

/* One element. False: a fault, nothing was done: a port is not read when the memory cannot take it. */
static bool io_element(struct emul_env *env, const struct emul_string_io *io, uint64_t linear)
{
	uint32_t value = 0;

	if (io->in) {
		if (!seam_memory_can_write(env, linear, io->size))
			return false;
		value = seam_port_read(env, io->port, io->size);
		return seam_memory_write(env, linear, &value, io->size);
	}
	if (!seam_memory_read(env, linear, &value, io->size))
		return false;
	seam_port_write(env, io->port, io->size, value);
	return true;
}

enum emul_end emul_string_io(struct emul_cpu *cpu, const struct emul_string_io *io)
{
	uint64_t *index = &cpu->r[io->in ? REG_RDI : REG_RSI], *rcx = &cpu->r[REG_RCX];
	uint64_t mask = emul_mask(io->address_size), step = step_of(cpu, io->size);
	uint64_t count = io->rep ? *rcx & mask : 1, done = 0;
	uint64_t base = io->linear - (*index & mask), linear;
	bool ok = true;

	for (; done < count && done < EMUL_MAX_IO; done++) {
		linear = base + (*index & mask);
		ok = io_element(cpu->env, io, cpu->mode.long64 ? linear : (uint32_t)linear);
		if (!ok)
			break;
		advance(index, step, io->address_size);
	}
	if (io->rep)
		advance(rcx, -done, io->address_size);
	if (!ok)
		return EMUL_FAULT;
	return done == count ? EMUL_COMPLETE : EMUL_AGAIN;
}
