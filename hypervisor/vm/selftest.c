/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of L0 by itself, on a running VM; the option selftest= asks for them.
 */
#include "vm/create.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "cpu/tsc_step.h"
#include "nested/seam.h"
#include "vm/bad_memory.h"
#include "vm/nested_hw.h"
#include "vm/state.h"
#include "vmx/asm.h"

/* As vcpu_create leaves it, with nothing of what was before in its registers. */
static void forget_vcpu(struct vcpu *vcpu)
{
	vcpu_use_vmcs(vcpu, &vcpu->vmcs01);
	if (vcpu->nested_hw != NULL)
		nested_hw_reset(vcpu);
	vcpu_power_on(vcpu);
	memset(vcpu->xsave, 0, PAGE_SIZE);
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	memset(vcpu->msr, 0, sizeof(vcpu->msr));
	vcpu->cr2 = 0;
	vcpu->injecting = false;
}

/* Alone on its VM it may take the devices along: no other vCPU runs. */
static bool put_back_vm(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct platform_config config = vm->platform->config;

	vm_get_state(vm, vm->saved);
	forget_vcpu(vcpu);
	return devices_reset(vm, &config) && vm_set_state(vm, vm->saved);
}

static bool put_back_vcpu(struct vcpu *vcpu)
{
	struct vcpu_saved *s = &vcpu->vm->saved->vcpu[vcpu->index];

	vcpu_get_state(vcpu, s);
	forget_vcpu(vcpu);
	return vcpu_set_state(vcpu, s);
}

/*
 * The state of the vCPU, or of its VM, is taken, all becomes as after power-on, and the state
 * is put back: whoever runs there must not notice. The vCPU is current, and between two
 * entries.
 */
static void test_state(struct vcpu *vcpu)
{
	if (vcpu->state == VCPU_STOPPED || vcpu->vm->end != VM_RUNS)
		return;
	if (!device_list_is_empty(
		    &vcpu->vm->config.devices)) /* the state of the machine's cannot be taken */
		return;
	/* It takes longer than the period of a fast timer: not each time, or nothing else would
	 * run. */
	if (__atomic_add_fetch(&vcpu->vm->selftests, 1, __ATOMIC_RELAXED) % 4 != 0)
		return;
	vcpu_save_registers(vcpu);
	if (!(vcpu->vm->config.cpus == 1 ? put_back_vm(vcpu) : put_back_vcpu(vcpu))) {
		vm_stop(vcpu->vm, VM_END_ERROR, 0, "selftest: its own state is refused");
		return;
	}
	vcpu_load_registers(vcpu);
}

bool selftest_create(struct vm *vm)
{
	uint64_t size = vm_state_size(vm->config.cpus);
	unsigned pages = (unsigned)((size + PAGE_SIZE - 1) / PAGE_SIZE);

	vm->saved = pool_get_run(&vm->pool, pages);
	return vm->saved != NULL;
}

#define HARMLESS_AT 4u
#define DEADLY_AT   8u
#define UNUSED_AT   1u
#define USED_AT     4u

static bool machine_checks_done; /* those of guests: there is one bank to simulate */
static bool blocking_tested;

/* The first VM meets one that does not matter, and later one that ends it. */
static void test_machine_check(struct vcpu *vcpu)
{
	static const struct mce_bank optional = {.status = MCI_VAL | MCI_UC | MCI_EN | MCI_S |
							   0xc0},
				     required = {.status = MCI_VAL | MCI_UC | MCI_EN | MCI_S |
							   MCI_AR | MCI_ADDRV | 0x134,
					     .address = 0xabcd000};
	unsigned count;

	if (vcpu->vm->id != 0 || vcpu->vm->end != VM_RUNS)
		return;
	count = __atomic_add_fetch(&vcpu->vm->selftests, 1, __ATOMIC_RELAXED);
	if (count != HARMLESS_AT && count != DEADLY_AT)
		return;
	mce_simulate(1, count == DEADLY_AT ? &required : &optional,
		MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV);
	vcpu_machine_check(vcpu);
	if (count == DEADLY_AT)
		__atomic_store_n(&machine_checks_done, true, __ATOMIC_RELEASE);
}

static void tell_of_memory(uint64_t status, uint64_t hpa)
{
	struct mce_bank b = {
		.status = MCI_VAL | MCI_UC | MCI_EN | MCI_ADDRV | MCI_MISCV | 0xc0 | status,
		.address = hpa,
		.misc = MCI_MISC_IS(MCI_MISC_PHYSICAL, 6)};

	mce_simulate(1, &b, MCG_STATUS_MCIP | MCG_STATUS_RIPV);
}

/* Where the code is that the guest executes next, if it is RAM. */
static bool next_code(struct vcpu *vcpu, struct hpa *hpa)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP) + vmread(VMCS_GUEST_CS_BASE), size = PAGE_SIZE;
	struct gpa_l1 at;

	return vcpu_physical_address(vcpu, rip, &at) && /* payloads are mapped one to one */
	       seam_l1_translate(&vcpu->nested, at, hpa, &size);
}

/*
 * The first VM has memory that is wrong, and does not use it: the last page of its RAM, which
 * a look at the banks finds. And later what it uses next: the code of its L2, if it has VT-x,
 * else its own. After that it is left alone.
 */
static void test_memory(struct vcpu *vcpu)
{
	static unsigned step;
	struct gpa_l1 last = {vcpu->vm->slots[0].size - PAGE_SIZE};
	uint64_t size = PAGE_SIZE;
	struct hpa hpa;

	if (vcpu->vm->id != 0 || vcpu->vm->end != VM_RUNS ||
		vcpu->vm->config.vmx != vcpu->nested.in_l2)
		return;
	if (step == UNUSED_AT && seam_l1_translate(&vcpu->nested, last, &hpa, &size)) {
		tell_of_memory(0, hpa.v);
		this_cpu()->mce_poll_at = 0;
		mce_poll();
		bad_memory_work();
	}
	if (step == USED_AT && next_code(vcpu, &hpa)) {
		tell_of_memory(MCI_S, hpa.v);
		vcpu_machine_check(vcpu);
	}
	step++;
}

/*
 * NMIs are blocked: one that waits must not come in a machine check's return, which once meets
 * this CPU.
 */
void selftest_nmis_blocked(void)
{
	static const struct mce_bank corrected = {.status = MCI_VAL | MCI_EN | 0x90};
	struct percpu *c = this_cpu();
	uint8_t before = c->detour;

	if (!__atomic_load_n(&machine_checks_done, __ATOMIC_ACQUIRE) ||
		__atomic_exchange_n(&blocking_tested, true, __ATOMIC_RELAXED))
		return;
	c->detour &= (uint8_t)~DETOUR_KICKED;
	apic_send_nmi(c->apic_id);
	mce_simulate(5, &corrected, MCG_STATUS_MCIP | MCG_STATUS_RIPV);
	take_machine_check();
	if (*(volatile uint8_t *)&c->detour & DETOUR_KICKED)
		log_error("selftest: a machine check ended the blocking of NMIs");
	else
		log_info("selftest: NMIs stay blocked over a machine check");
	c->detour |= before;
}

/* Of the local APIC, and nobody has counted it: as the hardware's. In L0 it is blocked or comes
 * at once; in the guest it is an exit. */
static void test_nmi(const struct vcpu *vcpu)
{
	if (vcpu->vm->id == 0 &&
		__atomic_add_fetch(&vcpu->vm->selftests, 1, __ATOMIC_RELAXED) % 8 == 0)
		apic_send_nmi(this_cpu()->apic_id);
}

/* Once, for some seconds longer than others look on. */
static void test_stall(void)
{
	static bool done;

	if (!__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
		tsc_delay_us((l0_config()->watchdog + 4) * 1000000ull);
}

/* Until one has met a guest: no VM has to make any by itself. */
static void ask_for_nmis(void)
{
	if (!__atomic_load_n(&machine_checks_done, __ATOMIC_ACQUIRE) ||
		__atomic_load_n(&blocking_tested, __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < cpu_slots; i++)
		if (i != this_cpu()->index)
			sched_notify(i);
}

void selftest_vcpu(struct vcpu *vcpu)
{
	switch (l0_config()->selftest) {
	case L0_SELFTEST_STATE:
		test_state(vcpu);
		break;
	case L0_SELFTEST_MCE:
		test_machine_check(vcpu);
		ask_for_nmis();
		break;
	case L0_SELFTEST_MEMORY:
		test_memory(vcpu);
		break;
	case L0_SELFTEST_NMI:
		test_nmi(vcpu);
		break;
	case L0_SELFTEST_DRIFT:
		tsc_step_disturb();
		break;
	case L0_SELFTEST_STALL:
		test_stall();
		break;
	default:
		break;
	}
}
