/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random VMCSs on all processors at once: guest state and events with flipped bits. L2 can
 * write nothing but its exit reason: its EPT has no write access. Invariants: every entry ends
 * by VMfail, a failed entry or an exit; a sane L2 runs in between as ever.
 */
#include "stress.h"

static struct l2 g[CPUS_MAX], sane[CPUS_MAX];
static struct ept ept;
static volatile uint32_t fails, failed_entries, exits;

void work_code(void);
__asm__(".text\nwork_code:\n\tmov $100, %ecx\n1:\tadd $3, %rax\n\tloop 1b\n\tret\n");

static const uint32_t targets[] = {VMCS_GUEST_CR0, VMCS_GUEST_CR3, VMCS_GUEST_CR4,
	VMCS_GUEST_RFLAGS, VMCS_GUEST_RIP, VMCS_GUEST_RSP, VMCS_GUEST_CS_AR, VMCS_GUEST_SS_AR,
	VMCS_GUEST_DS_AR, VMCS_GUEST_ES_AR, VMCS_GUEST_FS_AR, VMCS_GUEST_GS_AR,
	VMCS_GUEST_LDTR_AR, VMCS_GUEST_TR_AR, VMCS_GUEST_CS_SELECTOR, VMCS_GUEST_SS_SELECTOR,
	VMCS_GUEST_TR_SELECTOR, VMCS_GUEST_CS_BASE, VMCS_GUEST_SS_BASE, VMCS_GUEST_CS_LIMIT,
	VMCS_GUEST_TR_LIMIT, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY_STATE,
	VMCS_GUEST_PENDING_DBG, VMCS_ENTRY_INTR_INFO, VMCS_ENTRY_EXCEPTION_ERROR_CODE,
	VMCS_ENTRY_CONTROLS, VMCS_EXCEPTION_BITMAP, VMCS_GUEST_DR7, VMCS_GUEST_GDTR_LIMIT,
	VMCS_GUEST_IDTR_LIMIT, VMCS_GUEST_SYSENTER_EIP, VMCS_CR0_GUEST_HOST_MASK,
	VMCS_CR4_GUEST_HOST_MASK, VMCS_TSC_OFFSET};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static void mutate(uint64_t *random)
{
	unsigned n = 1 + (unsigned)(random_next(random) % 3);

	while (n--) {
		uint64_t r = random_next(random);
		uint32_t field = targets[r % TARGETS];

		vmwrite(field, vmread(field) ^ 1ull << (r >> 32 & 31));
	}
	if ((random_next(random) & 7) == 0)
		vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | (random_next(random) & 0xfff));
	if (vmread(VMCS_GUEST_ACTIVITY_STATE) == ACTIVITY_WAIT_FOR_SIPI)
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
}

static void run_random(struct l2 *mine, uint64_t *random)
{
	uint32_t reason;

	l2_restart(mine, work_code);
	ept_use(&ept);
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER | PIN_EXT_INTR_EXITING);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 2000);
	mutate(random);
	if (l2_run(mine) != VMX_OK) {
		add(&fails, 1);
		return;
	}
	reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	add(reason & EXIT_REASON_ENTRY_FAILURE ? &failed_entries : &exits, 1);
}

static void run_sane(struct l2 *mine)
{
	l2_restart(mine, work_code);
	if (l2_run(mine) != VMX_OK || vmread(VMCS_EXIT_REASON) != EXIT_VMCALL)
		stress_broke("sane L2: exit reason", vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
	if (mine->rax != 300)
		stress_broke("sane L2: RAX", mine->rax, 300);
}

static void run(void *arg)
{
	unsigned me = cpu_index();
	uint64_t random = stress_seed(me);

	if (!vmx_enable())
		stress_broke("VMXON", 1, 0);
	l2_setup(&g[me], work_code);
	l2_setup(&sane[me], work_code);
	barrier_wait(arg, stress.cpus);
	for (uint64_t i = 0; i < stress.count; i++) {
		run_random(&g[me], &random);
		if (random_next(&random) % 4 == 0)
			run_sane(&sane[me]);
	}
}

int payload_main(void)
{
	static struct barrier start;

	stress_start(150);
	ept_init(&ept);
	for (uint64_t a = 0; a < 64ull << 20; a += 2ull << 20)
		ept_map(&ept, a, a, 2, EPT_READ | EPT_EXEC | EPT_WB);
	run_on_all(stress.cpus, run, &start);
	if (fails + failed_entries + exits != stress.count * stress.cpus)
		stress_broke(
			"outcomes", fails + failed_entries + exits, stress.count * stress.cpus);
	print("VMfail %u, failed entries %u, exits %u\n", fails, failed_entries, exits);
	return stress_ok();
}
