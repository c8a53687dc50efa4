/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VT-x on several processors: VMX operation of each, a VMCS that moves between
 * them (SDM 24.11.1 "Software Use of Virtual-Machine Control Structures"), translations that
 * each must invalidate (28.3.3, 28.3.4), an EPT that their L2s share.
 */
/* cpus: 2 */
#include "conf.h"
#include "smp.h"

#define CPUS   2u
#define GPA    0x80000000ull   /* behind all that the identity of make_ept maps */
#define LINEAR 0x8000000000ull /* where only make_guest_tables maps something */
#define PAGES  32u
#define VPID   5u

static struct l2 g[CPUS], moving;
static struct ept ept;
static uint64_t *page_a, *page_b, *guest_pt, guest_cr3[CPUS];
static uint64_t result[CPUS];
static unsigned exits[CPUS];
static uint64_t saved[FID_COUNT];
static volatile uint32_t ept_lock, in_l2;

L2_CODE(c_cpuids, "mov $50, %ebp\n1:\tcpuid\n\tdec %ebp\n\tjnz 1b\n\tmov $7, %eax");
L2_CODE(c_read, "mov (%rdi), %rax");
L2_CODE(c_write, "mov %rsi, (%rdi)\n\tmov %rsi, %rax");
L2_CODE(c_wait, "movl $1, (%rdx)\n1: pause\n\tcmp %rsi, (%rdi)\n\tjz 1b\n\tmov (%rdi), %rax");
L2_CODE(c_add, "1:\tlock incq (%rdi)\n\tdec %rcx\n\tjnz 1b");
L2_CODE(c_touch, "1:\tlock incq (%rdi)\n\tadd $4096, %rdi\n\tdec %rcx\n\tjnz 1b");
L2_CODE(c_steps, "1:\tadd $3, %rbx\n\tincq (%rdi)\n\tvmcall\n\tjmp 1b");

/* ---- running L2 ---- */

static bool ept_violation(void)
{
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS) & ~0xfffull;

	if (gpa < GPA || gpa >= GPA + PAGES * 4096)
		return false;
	lock(&ept_lock);
	if (!(*ept_entry(&ept, gpa, 1) & EPT_READ))
		ept_map(&ept, gpa, address_of(page_a) + (gpa - GPA), 1, EPT_RWX | EPT_WB);
	unlock(&ept_lock);
	return true;
}

/* Until VMCALL; the exit reason that ended it. */
static uint32_t run(struct l2 *l2)
{
	for (;;) {
		uint32_t reason;

		if (l2_run(l2) != VMX_OK)
			return 0xffff;
		reason = (uint32_t)vmread(VMCS_EXIT_REASON);
		exits[cpu_index()]++;
		if (reason == EXIT_EXTERNAL_INTERRUPT) {
			interrupts_on();
			interrupts_off();
		} else if (reason == EXIT_CPUID) {
			l2_skip();
		} else if (reason != EXIT_EPT_VIOLATION || !ept_violation()) {
			return reason;
		}
	}
}

/* An L2 of this processor on the shared EPT, ready to run fn with RDI and RSI. */
static struct l2 *ready(void (*fn)(void), uint64_t rdi, uint64_t rsi)
{
	struct l2 *mine = &g[cpu_index()];

	l2_restart(mine, fn);
	ept_use(&ept);
	ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF); /* see DEVIATIONS.md */
	mine->rdi = rdi;
	mine->rsi = rsi;
	mine->rdx = address_of((const void *)(uintptr_t)&in_l2);
	mine->rcx = 200;
	return mine;
}

static void vmx_on(void *arg)
{
	uint32_t *failed = arg;

	if (!vmx_enable())
		add(failed, 1);
	l2_setup(&g[cpu_index()], l2_done);
}

static void cpuids(void *arg)
{
	struct l2 *mine = &g[cpu_index()];

	(void)arg;
	l2_restart(mine, c_cpuids);
	exits[cpu_index()] = 0;
	run(mine);
	result[cpu_index()] = mine->rax;
}

static void at_once(void)
{
	run_on_all(CPUS, cpuids, NULL);
	for (unsigned i = 0; i < CPUS; i++)
		print("L2 of %u: %u exits, rax=%lx\n", i, exits[i], result[i]);
}

/* ---- VMX operation of each ---- */

static void off(void *arg)
{
	uint64_t v = 0;

	(void)arg;
	conf_status("vmxoff on 1", vmx_vmxoff());
	conf_status("vmread on 1", vmx_vmread(VMCS_GUEST_RIP, &v));
	conf_status("vmxon on 1", vmx_vmxon(address_of(vmxon_region())));
	conf_status("vmread on 1", vmx_vmread(VMCS_GUEST_RIP, &v));
	v = 1;
	vmx_vmptrst(&v);
	print("vmptrst on 1: %lx\n", v);
}

static void separate(void)
{
	uint64_t v = 0;

	vmx_vmptrld(address_of(g[0].vmcs));
	run_on(1, off, NULL);
	conf_status("vmread on 0", vmx_vmread(VMCS_GUEST_RFLAGS, &v));
	vmx_vmptrst(&v);
	print("vmptrst on 0: %s\n", v == address_of(g[0].vmcs) ? "as loaded" : "other");
}

/* ---- a VMCS that moves ---- */

static void save_fields(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		saved[i] = vmread(vmcs_fields[i].encoding);
}

static void count_fields(const char *name)
{
	unsigned differ = 0;

	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t encoding = vmcs_fields[i].encoding;
		uint64_t v = vmread(encoding);

		if (v == saved[i] || encoding == VMCS_INSTRUCTION_ERROR)
			continue;
		print("%s: field %x was %lx, is %lx\n", name, encoding, saved[i], v);
		differ++;
	}
	print("%s: %u fields differ\n", name, differ);
}

static void arrive(void *arg)
{
	(void)arg;
	conf_status("vmptrld on 1", vmx_vmptrld(address_of(moving.vmcs)));
	count_fields("on 1");
	conf_status("vmresume on 1", vmx_vmresume());
	moving.launched = 0;
	l2_adopt();
	conf_status("vmlaunch on 1", l2_run(&moving));
	print("L2 on 1: exit %lu rbx=%lx\n", vmread(VMCS_EXIT_REASON), moving.rbx);
	l2_skip();
	conf_status("vmresume on 1", l2_run(&moving));
	print("L2 on 1: exit %lu rbx=%lx\n", vmread(VMCS_EXIT_REASON), moving.rbx);
	l2_skip();
	save_fields();
	conf_status("vmclear on 1", vmx_vmclear(address_of(moving.vmcs)));
}

static void step(void *arg)
{
	bool *good = arg;

	moving.launched = 0;
	*good &= vmx_vmptrld(address_of(moving.vmcs)) == VMX_OK;
	l2_adopt();
	*good &= l2_run(&moving) == VMX_OK && vmread(VMCS_EXIT_REASON) == EXIT_VMCALL;
	l2_skip();
	*good &= vmx_vmclear(address_of(moving.vmcs)) == VMX_OK;
}

static void move(void)
{
	static uint64_t steps;
	bool good = true;

	l2_setup(&moving, c_steps);
	moving.rdi = address_of(&steps);
	moving.rbx = 0x10;
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0x123456);
	vmwrite(VMCS_TSC_OFFSET, 0x9876543210);
	vmwrite(VMCS_CR3_TARGET_COUNT, conf_cr3_targets(2) ? 2 : 0);
	vmwrite(VMCS_CR4_READ_SHADOW, 0x40);
	conf_status("vmlaunch on 0", l2_run(&moving));
	print("L2 on 0: exit %lu rbx=%lx\n", vmread(VMCS_EXIT_REASON), moving.rbx);
	l2_skip();
	save_fields();
	conf_status("vmclear on 0", vmx_vmclear(address_of(moving.vmcs)));
	run_on(1, arrive, NULL);
	conf_status("vmptrld on 0", vmx_vmptrld(address_of(moving.vmcs)));
	count_fields("on 0 again");
	vmx_vmclear(address_of(moving.vmcs));
	for (unsigned i = 0; i < 20; i++)
		run_on(i % CPUS, step, &good);
	print("back and forth: %s, %lu steps, rbx=%lx\n", good ? "ok" : "failed", steps,
		moving.rbx);
}

/* ---- translations ---- */

static void make_ept(void)
{
	page_a = page_alloc();
	for (unsigned i = 1; i < PAGES; i++)
		page_alloc();
	page_b = page_alloc();
	*page_a = 0xaaaa;
	*page_b = 0xbbbb;
	ept_init(&ept);
	ept_identity(&ept, 64ull << 20, 2);
	ept_map(&ept, GPA, address_of(page_a), 1, EPT_RWX | EPT_WB);
}

static bool shoot(struct trap_frame *f)
{
	if (f->vector == 0x41)
		invept_single(&ept);
	if (f->vector == 0x42)
		vmx_invvpid(1, (uint64_t[2]){VPID, 0});
	return count_and_eoi(f);
}

static volatile uint32_t stop;

static void serve(void *arg)
{
	(void)arg;
	interrupts_on();
	while (!load(&stop))
		pause();
	interrupts_off();
}

/* INVEPT or INVVPID here, and by an interrupt on processor 1, which runs L1. */
static void shoot_down(uint8_t vector)
{
	stop = 0;
	start_on(1, serve, NULL);
	ipi(1, ICR_ASSERT | vector);
	store(&stop, 1);
	wait_for(1);
	if (vector == 0x41)
		invept_single(&ept);
	else
		vmx_invvpid(1, (uint64_t[2]){VPID, 0});
}

static void read_gpa(void *arg)
{
	struct l2 *mine = ready(c_read, GPA, 0);
	uint32_t reason = run(mine);

	(void)arg;
	result[cpu_index()] = reason == EXIT_VMCALL ? mine->rax : reason;
}

static void write_gpa(void *arg)
{
	struct l2 *mine = ready(c_write, GPA, 0xcccc);
	uint32_t reason = run(mine);

	(void)arg;
	result[cpu_index()] = reason == EXIT_VMCALL ? mine->rax : reason;
}

static void both(const char *name, void (*fn)(void *arg))
{
	run_on(0, fn, NULL);
	run_on(1, fn, NULL);
	print("%s: %lx %lx\n", name, result[0], result[1]);
}

static void wait_gpa(void *arg)
{
	struct l2 *mine = ready(c_wait, GPA, 0xaaaa);

	(void)arg;
	run(mine);
	result[1] = mine->rax;
}

static void map_gpa(const uint64_t *page, uint64_t rights)
{
	*ept_entry(&ept, GPA, 1) = address_of(page) | rights | EPT_WB;
}

static void remaps(void)
{
	both("read", read_gpa);
	map_gpa(page_b, EPT_RWX);
	shoot_down(0x41);
	both("read, other page", read_gpa);
	map_gpa(page_a, EPT_READ);
	shoot_down(0x41);
	both("read, read-only", read_gpa);
	map_gpa(page_a, EPT_RWX);
	both("write, writable again", write_gpa);
	*page_a = 0xaaaa;
	map_gpa(page_b, EPT_READ | EPT_EXEC);
	shoot_down(0x41);
	both("read, other page", read_gpa);
	map_gpa(page_a, EPT_RWX);
	shoot_down(0x41);
	store(&in_l2, 0);
	start_on(1, wait_gpa, NULL);
	wait_until(&in_l2, 1, LONG_TIME);
	map_gpa(page_b, EPT_RWX);
	ipi(1, ICR_ASSERT | 0x41);
	wait_for(1);
	invept_single(&ept);
	print("L2 on 1, interrupted for INVEPT, sees %lx\n", result[1]);
	both("read", read_gpa);
}

/* L2's page tables: as this processor's, and LINEAR by guest_pt. */
static uint64_t make_guest_tables(void)
{
	uint64_t *pml4 = page_alloc(), *pdpt = page_alloc(), *pd = page_alloc();

	memcpy(pml4, (const void *)(uintptr_t)(read_cr3() & ~0xfffull), 4096);
	if (!guest_pt)
		guest_pt = page_alloc();
	pml4[LINEAR >> 39 & 511] = address_of(pdpt) | 7;
	pdpt[0] = address_of(pd) | 7;
	pd[0] = address_of(guest_pt) | 7;
	return address_of(pml4);
}

static void read_linear(void *arg)
{
	struct l2 *mine = ready(c_read, LINEAR, 0);

	if (!guest_cr3[cpu_index()])
		guest_cr3[cpu_index()] = make_guest_tables();
	if (arg)
		guest_pt[0] = address_of(arg) | 7;
	vmwrite(VMCS_GUEST_CR3, guest_cr3[cpu_index()]);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
	vmwrite(VMCS_VPID, VPID);
	run(mine);
	result[cpu_index()] = mine->rax;
}

static void vpids(void)
{
	run_on(0, read_linear, page_a);
	both("VPID, read", read_linear);
	guest_pt[0] = address_of(page_b) | 7;
	shoot_down(0x42);
	both("VPID, read, other page", read_linear);
	guest_pt[0] = address_of(page_a) | 7;
	shoot_down(0x42);
	both("VPID, read, first page", read_linear);
}

/* ---- accessed and dirty flags ---- */

static void show_flags(const char *name)
{
	uint64_t e = *ept_entry(&ept, GPA, 1);

	print("%s: A=%d D=%d\n", name, (e & EPT_ACCESSED) != 0, (e & EPT_DIRTY) != 0);
}

static void clear_flags(void)
{
	*ept_entry(&ept, GPA, 1) &= ~(EPT_ACCESSED | EPT_DIRTY);
	shoot_down(0x41);
}

static void flags(void)
{
	if (!(rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_AD))
		return;
	ept.eptp |= EPTP_AD;
	map_gpa(page_a, EPT_RWX);
	shoot_down(0x41);
	show_flags("no access");
	run_on(1, read_gpa, NULL);
	show_flags("read on 1");
	run_on(0, write_gpa, NULL);
	show_flags("written on 0");
	clear_flags();
	run_on(0, read_gpa, NULL);
	show_flags("read on 0");
	run_on(1, write_gpa, NULL);
	show_flags("written on 1");
	clear_flags();
	run_on_all(CPUS, write_gpa, NULL);
	show_flags("written on both");
	clear_flags();
	run_on_all(CPUS, read_gpa, NULL);
	show_flags("read on both");
	ept.eptp &= ~(uint64_t)EPTP_AD;
}

/* ---- at the same time on one EPT ---- */

static void adds(void *arg)
{
	struct l2 *mine = ready(c_add, GPA, 0);

	mine->rcx = *(uint64_t *)arg;
	run(mine);
}

static void touches(void *arg)
{
	struct l2 *mine = ready(c_touch, GPA, 0);

	mine->rcx = PAGES;
	result[cpu_index()] = run(mine);
	(void)arg;
}

static void shared_ept(void)
{
	uint64_t n = 1000, sum = 0;

	map_gpa(page_a, EPT_RWX);
	shoot_down(0x41);
	*page_a = 0;
	run_on_all(CPUS, adds, &n);
	print("added at once: %lu\n", *page_a);
	memset(page_a, 0, PAGES * 4096);
	for (unsigned i = 0; i < PAGES; i++)
		ept_map(&ept, GPA + i * 4096ull, 0, 1, 0);
	shoot_down(0x41);
	run_on_all(CPUS, touches, NULL);
	for (unsigned i = 0; i < PAGES; i++)
		sum += page_a[i * 512];
	print("pages mapped on demand at once: ended by %lu %lu, sum %lu\n", result[0],
		result[1], sum);
	for (unsigned i = 0; i < PAGES; i++)
		*ept_entry(&ept, GPA + i * 4096ull, 1) = 0;
	shoot_down(0x41);
	run_on(1, touches, NULL);
	run_on(0, touches, NULL);
	print("once more: sum %lu\n", page_a[0] + page_a[31 * 512]);
}

int payload_main(void)
{
	uint32_t failed = 0;

	if (!vmx_supported()) {
		print("no VT-x\n");
		return 1;
	}
	smp_start(CPUS);
	trap_hook = shoot;
	run_on_all(CPUS, vmx_on, &failed);
	print("VMXON on %u: %u failed\n", CPUS, failed);
	at_once();
	separate();
	move();
	make_ept();
	remaps();
	vpids();
	flags();
	shared_ept();
	return 0;
}
