/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O instructions of L1: what the exit says of them, and the ports. The string forms are run
 * by emul/.
 */
#include "vm/seam_emul.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#include "cpu/asm.h"
#include "cpu/mux.h"
#include "dev/vuart.h"
#include "vmx/asm.h"

#define PORT_MARK          0xf5
#define PORT_DEBUG_CONSOLE 0xe9 /* dev/vpm.c */

struct io_access {
	uint16_t port;
	unsigned size;
	bool in, string, rep;
};

/* SDM table 27-5 "Exit Qualification for I/O Instructions" */
static struct io_access decode(uint64_t q)
{
	return (struct io_access){
		.port = (uint16_t)IO_PORT(q),
		.size = (unsigned)IO_SIZE(q),
		.in = q & IO_IN,
		.string = q & IO_STRING,
		.rep = q & IO_REP,
	};
}

/* What a device that is not there would have had: a driver that looks for one looks often. */
static bool first_of_block(struct vm *vm, uint16_t port)
{
	unsigned block = port / VM_PORT_BLOCK;
	uint64_t bit = BIT64(block % 64);

	return !(__atomic_fetch_or(&vm->no_device[block / 64], bit, __ATOMIC_RELAXED) & bit);
}

void vcpu_port_io(struct vcpu *vcpu, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	struct vm *vm = vcpu->vm;

	if (port == PORT_MARK && write && size == 1) {
		vm_record(vm, "mark vm=%s value=%u tsc=%lu", vm->config.name, *value & 0xff,
			rdtsc());
		return;
	}
	if (!platform_io(vm->platform, port, write, size, value) && first_of_block(vm, port))
		vm_log(vm, LOG_DEBUG,
			"'%s': %s port 0x%x, which no device has; 0x%x to 0x%x are not told again",
			vm->config.name, write ? "OUT" : "IN", port,
			port / VM_PORT_BLOCK * VM_PORT_BLOCK,
			port / VM_PORT_BLOCK * VM_PORT_BLOCK + VM_PORT_BLOCK - 1);
}

static void simple(struct vcpu *vcpu, const struct io_access *a)
{
	uint64_t *rax = &vcpu->regs.r[REG_RAX];
	uint64_t mask = mask_of(a->size);
	uint32_t value = (uint32_t)(*rax & mask);
	uint64_t hits;

	vcpu_port_io(vcpu, a->port, !a->in, a->size, &value);
	if (a->in)
		*rax = a->size == 4 ? value : (*rax & ~mask) | (value & mask);
	nested_skip();
	hits = vcpu_io_breakpoints(a->port, a->size);
	if (hits != 0)
		vcpu_pend_debug(hits);
}

/* Bytes of an address of the exiting string instruction, SDM table 27-8. */
static uint8_t address_size(void)
{
	switch (INFO_ADDRSIZE(vmread32(VMCS_EXIT_INSTRUCTION_INFO))) {
	case 0:
		return 2;
	case 1:
		return 4;
	default:
		return 8;
	}
}

static void string(struct vcpu *vcpu, const struct io_access *a)
{
	struct emulation e;
	struct emul_cpu cpu;
	enum emul_end end;
	struct emul_string_io io = {
		.port = a->port,
		.size = (uint8_t)a->size,
		.in = a->in,
		.rep = a->rep,
		.address_size = address_size(),
		.segment = (uint8_t)INFO_SEGMENT(vmread32(VMCS_EXIT_INSTRUCTION_INFO)),
		.length = (uint8_t)vmread(VMCS_EXIT_INSTRUCTION_LENGTH),
	};
	uint64_t rcx = vcpu->regs.r[REG_RCX];

	emulation_begin(&e, vcpu);
	emulation_cpu(&e, &cpu);
	end = emul_string_io(&cpu, &io);
	if (!a->rep || vcpu->regs.r[REG_RCX] != rcx)
		e.hits |= vcpu_io_breakpoints(a->port, a->size);
	emulation_end(&e, &cpu, end);
}

/* Its bytes go out as fast as the line takes them: the guest tries again, and others run
 * meanwhile. */
static bool must_wait(const struct vcpu *vcpu, const struct io_access *a)
{
	return !a->in && (a->port == VUART_PORT || a->port == PORT_DEBUG_CONSOLE) &&
	       mux_congested(MUX_VM + vcpu->vm->id);
}

void handle_io(struct vcpu *vcpu)
{
	struct io_access a = decode(vmread(VMCS_EXIT_QUALIFICATION));

	if (must_wait(vcpu, &a)) {
		vcpu_post(vcpu, EVENT_YIELD);
		return;
	}
	if (a.string)
		string(vcpu, &a);
	else
		simple(vcpu, &a);
	vcpu_touched_devices(vcpu);
}
