/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few VMCSs go from processor to processor at random, by VMCLEAR and VMPTRLD. Invariants:
 * fields, L2's registers and its memory are as the last one left them.
 */
#include "stress.h"

#define VMCSS 5u

struct traveller {
	struct l2 l2;
	volatile uint32_t busy;
	uint64_t steps;  /* that L2 counted in memory */
	uint64_t turns;  /* that processors counted */
	uint64_t secret; /* what fields that L2 does not use hold */
};

static struct traveller travellers[VMCSS];

void step_code(void);
__asm__(".text\nstep_code:\n1:\tadd $7, %rbx\n\tlock incq (%rdi)\n\tvmcall\n\tjmp 1b\n");

static void expect(const char *what, uint64_t found, uint64_t wanted)
{
	if (found != wanted)
		stress_broke(what, found, wanted);
}

static void check_fields(const struct traveller *t)
{
	expect("CR3 target", vmread(VMCS_CR3_TARGET0), t->secret);
	expect("SYSENTER_EIP", vmread(VMCS_GUEST_SYSENTER_EIP), t->secret & 0xffffffff);
	expect("TSC offset", vmread(VMCS_TSC_OFFSET), t->secret);
	expect("CR0 shadow", vmread(VMCS_CR0_READ_SHADOW), t->secret);
	expect("FS base", vmread(VMCS_GUEST_FS_BASE), t->secret & 0xfffff000);
}

static void write_fields(struct traveller *t, uint64_t secret)
{
	t->secret = secret;
	vmwrite(VMCS_CR3_TARGET0, secret);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, secret & 0xffffffff);
	vmwrite(VMCS_TSC_OFFSET, secret);
	vmwrite(VMCS_CR0_READ_SHADOW, secret);
	vmwrite(VMCS_GUEST_FS_BASE, secret & 0xfffff000);
}

static void visit(struct traveller *t, uint64_t *random)
{
	unsigned runs = 1 + (unsigned)(random_next(random) % 3);

	expect("VMPTRLD", vmx_vmptrld(address_of(t->l2.vmcs)), VMX_OK);
	check_fields(t);
	l2_adopt();
	t->l2.launched = 0;
	while (runs--) {
		t->turns++;
		expect("entry", l2_run(&t->l2), VMX_OK);
		expect("exit reason", vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
		expect("steps of L2", t->steps, t->turns);
		expect("RBX of L2", t->l2.rbx, t->turns * 7);
		l2_skip();
	}
	write_fields(t, random_next(random));
	expect("VMCLEAR", vmx_vmclear(address_of(t->l2.vmcs)), VMX_OK);
}

static void travel(void *arg)
{
	uint64_t random = stress_seed(cpu_index());

	if (!vmx_enable())
		stress_broke("VMXON", 1, 0);
	if (cpu_index() == 0)
		for (unsigned i = 0; i < VMCSS; i++) {
			struct traveller *t = &travellers[i];

			l2_setup(&t->l2, step_code);
			t->l2.rdi = address_of(&t->steps);
			write_fields(t, 0);
			vmx_vmclear(address_of(t->l2.vmcs));
		}
	barrier_wait(arg, stress.cpus);
	for (uint64_t i = 0; i < stress.count; i++) {
		struct traveller *t = &travellers[random_next(&random) % VMCSS];

		lock(&t->busy);
		visit(t, &random);
		unlock(&t->busy);
	}
}

int payload_main(void)
{
	static struct barrier start;
	uint64_t steps = 0, turns = 0;

	stress_start(100);
	run_on_all(stress.cpus, travel, &start);
	for (unsigned i = 0; i < VMCSS; i++) {
		steps += travellers[i].steps;
		turns += travellers[i].turns;
	}
	expect("steps of all", steps, turns);
	return stress_ok();
}
