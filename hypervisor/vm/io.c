/*
 * I/O instructions of L1, string forms included.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "vmx/asm.h"

#define PORT_MARK    0xf5
#define MAX_PER_EXIT 512u

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

static void port_io(struct vcpu *vcpu, const struct io_access *a, uint32_t *value)
{
	struct vm *vm = vcpu->vm;

	if (a->port == PORT_MARK && !a->in && a->size == 1) {
		mux_record(
			"mark vm=%s value=%u tsc=%lu", vm->config.name, *value & 0xff, rdtsc());
		return;
	}
	if (!platform_io(vm->platform, a->port, !a->in, a->size, value))
		log_debug("'%s': %s port 0x%x, which no device has", vm->config.name,
			a->in ? "IN" : "OUT", a->port);
}

static void simple(struct vcpu *vcpu, const struct io_access *a)
{
	uint64_t *rax = &vcpu->regs.r[REG_RAX];
	uint64_t mask = mask_of(a->size);
	uint32_t value = (uint32_t)(*rax & mask);

	port_io(vcpu, a, &value);
	if (a->in)
		*rax = a->size == 4 ? value : (*rax & ~mask) | (value & mask);
	vcpu_skip(vcpu);
}

/* Address size of the exiting string instruction, SDM table 27-8. */
static uint64_t address_mask(void)
{
	switch (INFO_ADDRSIZE(vmread32(VMCS_EXIT_INSTRUCTION_INFO))) {
	case 0:
		return 0xffff;
	case 1:
		return 0xffffffff;
	default:
		return UINT64_MAX;
	}
}

static uint64_t masked_add(uint64_t v, uint64_t add, uint64_t mask)
{
	return mask == 0xffff ? (v & ~mask) | ((v + add) & mask) : (v + add) & mask;
}

/* One element. False: a fault, nothing was done. */
static bool element(struct vcpu *vcpu, const struct io_access *a, const struct paging_state *s,
	uint64_t linear, struct paging_fault *fault)
{
	uint32_t value = 0;
	bool ok;

	/* A port is not read when the memory cannot take it. */
	if (a->in) {
		ok = paging_can_write(&vcpu->nested, s, linear, a->size, fault);
		if (ok)
			port_io(vcpu, a, &value);
		ok = ok && paging_write(&vcpu->nested, s, linear, &value, a->size, fault);
	} else {
		ok = paging_read(&vcpu->nested, s, linear, &value, a->size, fault);
		if (ok)
			port_io(vcpu, a, &value);
	}
	return ok;
}

/* A repetition longer than MAX_PER_EXIT goes on at the next exit of the same instruction. */
static void string(struct vcpu *vcpu, const struct io_access *a)
{
	struct paging_state s = vcpu_paging_state(vcpu);
	uint64_t mask = address_mask(), linear = vmread(VMCS_GUEST_LINEAR_ADDRESS);
	uint64_t *index = &vcpu->regs.r[a->in ? REG_RDI : REG_RSI];
	uint64_t *rcx = &vcpu->regs.r[REG_RCX];
	uint64_t count = a->rep ? *rcx & mask : 1, done = 0;
	uint64_t step = vmread(VMCS_GUEST_RFLAGS) & RFLAGS_DF ? -(uint64_t)a->size : a->size;
	struct paging_fault fault;
	bool ok = true;

	for (; done < count && done < MAX_PER_EXIT; done++) {
		ok = element(vcpu, a, &s, linear, &fault);
		if (!ok)
			break;
		linear += step;
		*index = masked_add(*index, step, mask);
	}
	if (a->rep)
		*rcx = masked_add(*rcx, -done, mask);
	/* After the registers: L1 may come to run. */
	if (!ok)
		vcpu_inject_paging_fault(vcpu, &fault);
	else if (done == count)
		vcpu_skip(vcpu);
}

void handle_io(struct vcpu *vcpu)
{
	struct io_access a = decode(vmread(VMCS_EXIT_QUALIFICATION));

	if (a.string)
		string(vcpu, &a);
	else
		simple(vcpu, &a);
	vcpu_touched_devices(vcpu);
}
