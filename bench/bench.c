/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VT-x operations cost an L1, and its L2, in ticks: the operations of docs on performance,
 * by the same names as the figures of KVM as L0 in kvm.txt. Each line is `name value`: the
 * least of several tries, without the cost of measuring. This L1 is a minimal VMM: it saves the
 * registers, reads the exit reason, moves RIP on and resumes. With `cpuid=N` on its
 * command line it does no more than CPUID, in L1 and in L2, N times over.
 */
#include "cmdline.h"
#include "conf.h"

#define TRIES          16
#define PAGES          64
#define WINDOW         0x40000000ull
#define IDENTITY       0x4000000ull
#define LEAF           (EPT_RWX | EPT_WB)
#define COMPUTE_ROUNDS 1000000u
#define L1_FRESH       0x4000000ull /* memory that nothing touched before */
#define DONE           0xd0d0u      /* RAX of the VMCALL that ends an L2 function */

static struct l2 guest;
static struct ept ept;
static void *vmcs_other;
static uint64_t overhead, result, operand, sink;
static uint8_t from[4096], to[4096];

static void report(const char *name, uint64_t ticks)
{
	print("%s %lu\n", name, ticks);
}

/* Least ticks of the statements, into `result`. */
#define LEAST(statements)                                   \
	do {                                                \
		result = ~0ull;                             \
		for (int try_ = 0; try_ < TRIES; try_++) {  \
			uint64_t t_ = rdtsc_exact();        \
			statements;                         \
			t_ = rdtsc_exact() - t_ - overhead; \
			if (t_ < result)                    \
				result = t_;                \
		}                                           \
	} while (0)

#define L1_OP(name, statements)       \
	do {                          \
		LEAST(statements);    \
		report(name, result); \
	} while (0)

static inline uint64_t fast_vmread(uint64_t field)
{
	uint64_t v;

	__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc", "memory");
	return v;
}

static inline void fast_vmwrite(uint64_t field, uint64_t v)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(v) : "cc", "memory");
}

static inline void fast_vmptrld(uint64_t pa)
{
	__asm__ volatile("vmptrld %0" : : "m"(pa) : "cc", "memory");
}

static inline void fast_vmclear(uint64_t pa)
{
	__asm__ volatile("vmclear %0" : : "m"(pa) : "cc", "memory");
}

static inline void fast_invept(uint64_t type, const uint64_t *descriptor)
{
	__asm__ volatile("invept (%0), %1" : : "r"(descriptor), "r"(type) : "cc", "memory");
}

static inline void fast_invvpid(uint64_t type, const uint64_t *descriptor)
{
	__asm__ volatile("invvpid (%0), %1" : : "r"(descriptor), "r"(type) : "cc", "memory");
}

static void compute(void)
{
	uint32_t rounds = COMPUTE_ROUNDS;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
}

static void touch(uint64_t address)
{
	__asm__ volatile("movq $1, (%0)" : : "r"(address) : "memory");
}

static inline void copy_quadwords(void)
{
	uint64_t count = 512;
	const void *s = from;
	void *d = to;

	__asm__ volatile("rep movsq" : "+c"(count), "+S"(s), "+D"(d) : : "memory");
}

/* ---- operations of L1 alone ---- */

static uint64_t touch_l1(void)
{
	uint64_t t = rdtsc_exact();

	for (uint64_t i = 0; i < PAGES; i++)
		touch(L1_FRESH + i * 4096);
	return rdtsc_exact() - t;
}

static void l1_cpuid(void)
{
	L1_OP("l1_cpuid", __asm__ volatile("xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\tcpuid"
					   :
					   :
					   : "rax", "rbx", "rcx", "rdx", "memory"));
}

static void l1_plain(void)
{
	uint64_t first, again;

	l1_cpuid();
	first = touch_l1();
	again = touch_l1();
	report("l1_first_touch_per4k", first > again ? (first - again) / PAGES + 1 : 1);
	L1_OP("l1_rdmsr_misc_enable", sink = rdmsr(MSR_MISC_ENABLE));
	L1_OP("l1_wrmsr_tsc_deadline", wrmsr(MSR_TSC_DEADLINE, ~0ull >> 1));
	L1_OP("l1_out80", outb(0x80, 0));
	L1_OP("l1_rep_movsb_4k", memcpy(to, from, 4096));
	L1_OP("l1_rep_movsq_4k", copy_quadwords());
}

/* The operands are in registers before time is taken. */
static void l1_read_field(const char *name, uint64_t field)
{
	uint64_t v;

	LEAST(__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc", "memory"));
	sink = v;
	report(name, result);
}

static void l1_write_field(const char *name, uint64_t field, uint64_t v)
{
	LEAST(__asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(v) : "cc", "memory"));
	report(name, result);
}

static void l1_fields(void)
{
	l1_read_field("l1_vmread_guest_rip", VMCS_GUEST_RIP);
	l1_write_field("l1_vmwrite_guest_rip", VMCS_GUEST_RIP, 0x100000);
	l1_read_field("l1_vmread_exit_reason", VMCS_EXIT_REASON);
	l1_read_field("l1_vmread_host_rsp", VMCS_HOST_RSP);
	l1_write_field("l1_vmwrite_host_rsp", VMCS_HOST_RSP, 0x200000);
	l1_read_field("l1_vmread_tsc_offset", VMCS_TSC_OFFSET);
	l1_write_field("l1_vmwrite_tsc_offset", VMCS_TSC_OFFSET, 0);
	l1_read_field("l1_vmread_guest_cs_base", VMCS_GUEST_CS_BASE);
	l1_read_field("l1_vmread_gpa", VMCS_GUEST_PHYSICAL_ADDRESS);
}

static void l1_pointers(void)
{
	uint64_t a = address_of(guest.vmcs), b = address_of(vmcs_other);
	uint64_t single[2] = {ept.eptp, 0}, vpid[2] = {7, 0}, least = ~0ull;

	L1_OP("l1_vmptrld_same", fast_vmptrld(a));
	LEAST((fast_vmptrld(b), fast_vmptrld(a)));
	report("l1_vmptrld_switch", result / 2);
	L1_OP("l1_vmclear_other", fast_vmclear(b));
	for (int i = 0; i < TRIES; i++) {
		uint64_t t;

		fast_vmptrld(b);
		t = rdtsc_exact();
		fast_vmclear(b);
		t = rdtsc_exact() - t - overhead;
		least = t < least ? t : least;
	}
	report("l1_vmclear_current", least);
	fast_vmptrld(a);
	L1_OP("l1_invept_single", fast_invept(1, single));
	L1_OP("l1_invept_global", fast_invept(2, single));
	L1_OP("l1_invvpid_single", fast_invvpid(1, vpid));
}

/* ---- L2 and its handlers in L1 ---- */

static void skip(void)
{
	fast_vmwrite(VMCS_GUEST_RIP,
		fast_vmread(VMCS_GUEST_RIP) + fast_vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static void handle_skip(uint32_t reason)
{
	(void)reason;
	skip();
}

/* About what KVM reads and writes for each exit. */
static void handle_like_kvm(uint32_t reason)
{
	(void)reason;
	sink = fast_vmread(VMCS_EXIT_INTR_INFO);
	sink = fast_vmread(VMCS_IDT_VECTORING_INFO);
	sink = fast_vmread(VMCS_GUEST_INTERRUPTIBILITY);
	sink = fast_vmread(VMCS_EXIT_QUALIFICATION);
	sink = fast_vmread(VMCS_GUEST_CS_AR);
	fast_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	fast_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	skip();
}

static void handle_inject(uint32_t reason)
{
	(void)reason;
	skip();
	fast_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | 0x50);
}

/* The next page of the window, mapped to a page of its own. */
static void handle_map(uint32_t reason)
{
	uint64_t gpa = fast_vmread(VMCS_GUEST_PHYSICAL_ADDRESS);

	(void)reason;
	*ept_entry(&ept, gpa, 1) = (L1_FRESH + (gpa & 0xfffff000) - WINDOW) | LEAF;
}

static void handle_map_invept(uint32_t reason)
{
	uint64_t single[2] = {ept.eptp, 0};

	handle_map(reason);
	fast_invept(1, single);
}

/* CR4.MCE as hypervisors have it: set in hardware, and theirs. */
static void restart(struct l2 *g, void (*code)(void))
{
	l2_restart(g, code);
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_MCE);
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, CR4_MCE);
}

static void run(void (*code)(void), void (*prepare)(void), void (*handler)(uint32_t))
{
	restart(&guest, code);
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
	vmwrite(VMCS_VPID, 7);
	if (prepare)
		prepare();
	for (;;) {
		uint32_t reason;

		if (l2_enter(&guest) != VMX_OK) {
			print("entry failed: error %lu\n", vmread(VMCS_INSTRUCTION_ERROR));
			payload_exit(3);
		}
		guest.launched = 1;
		reason = (uint32_t)fast_vmread(VMCS_EXIT_REASON);
		if (reason == EXIT_VMCALL && guest.rax == DONE)
			return;
		if (reason & EXIT_REASON_ENTRY_FAILURE) {
			print("entry failure %x\n", reason);
			payload_exit(4);
		}
		handler(reason);
	}
}

static _Noreturn void l2_end(void)
{
	for (;;)
		__asm__ volatile("vmcall" : : "a"(DONE) : "memory");
}

#define L2_CLOBBERS "rax", "rbx", "rcx", "rdx", "memory", "cc"
#define L2_OP(name, text)                                        \
	static void name(void)                                   \
	{                                                        \
		LEAST(__asm__ volatile(text : : : L2_CLOBBERS)); \
		l2_end();                                        \
	}

L2_OP(op_cpuid, "xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\tcpuid")
L2_OP(op_wrmsr, "mov $0x174, %%ecx\n\txor %%eax, %%eax\n\txor %%edx, %%edx\n\twrmsr")
L2_OP(op_hlt, "hlt")
L2_OP(op_io, "xor %%eax, %%eax\n\tout %%al, $0x80")
L2_OP(op_vmcall, "xor %%eax, %%eax\n\tvmcall")
L2_OP(op_cr3, "mov %%cr3, %%rax\n\tmov %%rax, %%cr3")
L2_OP(op_rdtsc, "rdtsc")
L2_OP(op_compute, "mov $1000000, %%eax\n\t1: dec %%eax\n\tjnz 1b")

static void prepare_wrmsr(void)
{
	((uint8_t *)guest.msr_bitmap)[0x800 + 0x174 / 8] = 0xff;
}

static void prepare_io(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING);
}

static void prepare_inject(void)
{
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
}

static void prepare_mce(void)
{
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) & ~(uint64_t)CR4_MCE);
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, 0);
}

static void l2_op(
	const char *name, void (*code)(void), void (*prepare)(void), void (*handler)(uint32_t))
{
	run(code, prepare, handler);
	report(name, result);
}

static bool quick_hook(struct trap_frame *f)
{
	(void)f;
	return true;
}

static void l2_exits(void)
{
	l2_op("l2_cpuid", op_cpuid, NULL, handle_skip);
	l2_op("l2_cpuid_mce_clear", op_cpuid, prepare_mce, handle_skip);
	l2_op("l2_cpuid_kvmlike", op_cpuid, NULL, handle_like_kvm);
	l2_op("l2_msr_write_exit", op_wrmsr, prepare_wrmsr, handle_skip);
	l2_op("l2_hlt", op_hlt, NULL, handle_skip);
	l2_op("l2_io", op_io, prepare_io, handle_skip);
	l2_op("l2_vmcall", op_vmcall, NULL, handle_skip);
	trap_hook = quick_hook;
	l2_op("l2_vmcall_inject", op_vmcall, prepare_inject, handle_inject);
	trap_hook = NULL;
	l2_op("l2_msr_write_noexit", op_wrmsr, NULL, handle_skip);
	l2_op("l2_cr3_switch", op_cr3, NULL, handle_skip);
	l2_op("l2_rdtsc", op_rdtsc, NULL, handle_skip);
}

static void op_forever(void)
{
	for (;;)
		__asm__ volatile("vmcall" : : : "memory");
}

/* Entries measured from L1's side: L2 does nothing but VMCALL. */
static void l2_entries(void)
{
	struct l2 other = {.launched = 0};
	uint64_t a = address_of(guest.vmcs), b = address_of(vmcs_other);

	restart(&guest, op_forever);
	l2_run(&guest);
	L1_OP("l2_exit_resume_only", l2_enter(&guest));
	other = guest;
	other.vmcs = vmcs_other;
	restart(&other, op_forever);
	l2_run(&other);
	LEAST((fast_vmptrld(a), l2_enter(&guest), fast_vmptrld(b), l2_enter(&other)));
	report("l2_vmptrld_resume_exit", result / 2);
	guest.launched = 0;
	L1_OP("l2_vmclear_vmptrld_launch_exit",
		(fast_vmclear(a), fast_vmptrld(a), l2_enter(&guest)));
	fast_vmclear(b);
	fast_vmptrld(a);
}

/* ---- memory ---- */

/* L2 touches PAGES pages of the window; result is the average. */
static void op_touch_pages(void)
{
	uint64_t t = rdtsc_exact();

	for (uint64_t i = 0; i < PAGES; i++)
		touch(WINDOW + i * 4096);
	result = (rdtsc_exact() - t - overhead) / PAGES;
	l2_end();
}

/* The same for a 2 MiB page: the first touch alone in `operand`. */
static void op_touch_large(void)
{
	uint64_t t = rdtsc_exact();

	touch(WINDOW);
	operand = rdtsc_exact() - t - overhead;
	t = rdtsc_exact();
	for (uint64_t i = 1; i < 512; i++)
		touch(WINDOW + i * 4096);
	result = (rdtsc_exact() - t - overhead) / 511;
	l2_end();
}

static void fresh_window(uint64_t target, int pages)
{
	ept_init(&ept);
	ept_identity(&ept, IDENTITY, 2);
	ept_map(&ept, WINDOW + 511 * 4096, L1_FRESH, 1, LEAF);
	for (int i = 0; i < pages; i++)
		ept_map(&ept, WINDOW + (uint64_t)i * 4096, target + (uint64_t)i * 4096, 1,
			LEAF);
}

static void window_op(const char *name)
{
	run(op_touch_pages, NULL, handle_skip);
	report(name, result);
}

static void l2_memory(void)
{
	fresh_window(0, 0);
	run(op_touch_pages, NULL, handle_map_invept);
	report("l2_ept_violation", result);
	fresh_window(0, 0);
	run(op_touch_pages, NULL, handle_map);
	report("l2_ept_violation_noinvept", result);
	fresh_window(L1_FRESH, PAGES);
	window_op("l2_first_touch_4k");
	invept_single(&ept);
	window_op("l2_retouch_4k_after_invept");
	for (uint64_t i = 0; i < PAGES; i++)
		ept_map(&ept, WINDOW + i * 4096, L1_FRESH + (PAGES + i) * 4096, 1, LEAF);
	invept_single(&ept);
	window_op("l2_retouch_4k_after_remap");
	ept_init(&ept);
	ept_identity(&ept, IDENTITY, 2);
	ept_map(&ept, WINDOW, L1_FRESH, 2, LEAF);
	run(op_touch_large, NULL, handle_skip);
	report("l2_first_touch_2m_per4k", result);
	report("l2_first_touch_2m_first_page", operand);
	invept_single(&ept);
	run(op_touch_large, NULL, handle_skip);
	report("l2_retouch_2m_per4k_after_invept", result);
}

static void computation(void)
{
	uint64_t in_l1;

	LEAST(compute());
	in_l1 = result;
	report("l1_compute", in_l1);
	run(op_compute, NULL, handle_skip);
	report("l2_compute", result);
	report("l2_compute_ratio_x1000", result * 1000 / in_l1);
}

/* ---- L1s that read and write much at each exit: what is measured is what is learned ---- */

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define SEGMENT(s) G(s##_SELECTOR), G(s##_BASE), G(s##_LIMIT), G(s##_AR)
#define G(name)    VMCS_GUEST_##name
#define H(name)    VMCS_HOST_##name
#define TABLES     G(GDTR_BASE), G(GDTR_LIMIT), G(IDTR_BASE), G(IDTR_LIMIT)
#define SEGMENTS                                                                      \
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS), \
		SEGMENT(LDTR), SEGMENT(TR)
#define MSRS G(SYSENTER_CS), G(SYSENTER_ESP), G(SYSENTER_EIP), G(PAT), G(EFER), G(DEBUGCTL)
#define HOST_STATE                                                                          \
	H(CR0), H(CR3), H(CR4), H(ES_SELECTOR), H(CS_SELECTOR), H(SS_SELECTOR),             \
		H(DS_SELECTOR), H(FS_SELECTOR), H(GS_SELECTOR), H(TR_SELECTOR), H(FS_BASE), \
		H(GS_BASE), H(TR_BASE), H(GDTR_BASE), H(IDTR_BASE), H(SYSENTER_CS),         \
		H(SYSENTER_ESP), H(SYSENTER_EIP), H(RIP)
#define CONTROLS                                                                         \
	VMCS_PIN_CONTROLS, VMCS_PROC2_CONTROLS, VMCS_EXIT_CONTROLS, VMCS_ENTRY_CONTROLS, \
		VMCS_CR0_GUEST_HOST_MASK, VMCS_CR4_GUEST_HOST_MASK, VMCS_TSC_OFFSET,     \
		VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT,                     \
		VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_PF_ERROR_MASK, VMCS_PF_ERROR_MATCH,      \
		VMCS_CR3_TARGET_COUNT, VMCS_MSR_BITMAP

static const uint16_t vbox_reads[] = {
	SEGMENT(ES), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS), SEGMENT(TR), TABLES, G(DR7)};
static const uint16_t vbox_writes[] = {H(FS_BASE), H(GS_BASE), H(FS_SELECTOR), H(GS_SELECTOR),
	H(TR_BASE), VMCS_TSC_OFFSET, VMCS_EXIT_CONTROLS, VMCS_ENTRY_MSR_LOAD_COUNT,
	VMCS_EXIT_MSR_LOAD_COUNT};
/* What an L1 that nests reads of the VMCS that runs L3, and writes there, and to L2's own. */
static const uint16_t l3_reads[] = {SEGMENTS, TABLES, MSRS, G(DR7), G(PENDING_DBG),
	G(ACTIVITY_STATE), HOST_STATE, CONTROLS};
static const uint16_t l3_writes[] = {SEGMENTS, TABLES, MSRS, G(DR7), G(PENDING_DBG), HOST_STATE,
	VMCS_PIN_CONTROLS, VMCS_EXIT_CONTROLS, VMCS_ENTRY_CONTROLS, VMCS_TSC_OFFSET,
	VMCS_PF_ERROR_MASK, VMCS_PF_ERROR_MATCH};
static const uint16_t l2_writes[] = {SEGMENTS, TABLES};

_Static_assert(COUNT(vbox_reads) == 25 && COUNT(vbox_writes) == 9, "VirtualBox's pattern");
_Static_assert(COUNT(l3_reads) == 78 && COUNT(l3_writes) + COUNT(l2_writes) == 105, "L3's");

static void read_all(const uint16_t *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sink = fast_vmread(fields[i]);
}

static uint64_t kept_values[2][128];

/* The values that they have, which keep_all has looked up. */
static void write_all(const uint16_t *fields, size_t count, const uint64_t *values)
{
	for (size_t i = 0; i < count; i++)
		fast_vmwrite(fields[i], values[i]);
}

static void keep_all(const uint16_t *fields, size_t count, uint64_t *values)
{
	for (size_t i = 0; i < count; i++)
		values[i] = fast_vmread(fields[i]);
}

static void prepare_vbox(void)
{
	keep_all(vbox_writes, COUNT(vbox_writes), kept_values[0]);
}

static void handle_like_vbox(uint32_t reason)
{
	(void)reason;
	read_all(vbox_reads, COUNT(vbox_reads));
	write_all(vbox_writes, COUNT(vbox_writes), kept_values[0]);
	skip();
}

/* An exit of L3 that ends at L2, whose VMCALL stands for its VMRESUME. */
static void l3_exit(struct l2 *two, struct l2 *three)
{
	l2_enter(three);
	read_all(l3_reads, COUNT(l3_reads));
	fast_vmptrld(address_of(two->vmcs));
	write_all(l2_writes, COUNT(l2_writes), kept_values[0]);
	l2_enter(two);
	fast_vmptrld(address_of(three->vmcs));
	write_all(l3_writes, COUNT(l3_writes), kept_values[1]);
}

static void l1_that_nests(void)
{
	struct l2 three = guest;

	restart(&guest, op_forever);
	l2_run(&guest);
	keep_all(l2_writes, COUNT(l2_writes), kept_values[0]);
	three.vmcs = vmcs_other;
	restart(&three, op_forever);
	l2_run(&three);
	keep_all(l3_writes, COUNT(l3_writes), kept_values[1]);
	L1_OP("l3_exit", l3_exit(&guest, &three));
	fast_vmptrld(address_of(guest.vmcs));
}

static void cpuids(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		l1_cpuid();
		l2_op("l2_cpuid", op_cpuid, NULL, handle_skip);
	}
}

int payload_main(void)
{
	if (!vmx_supported() || !vmx_enable()) {
		print("no VT-x\n");
		return 1;
	}
	LEAST((void)0);
	overhead = result;
	ept_init(&ept);
	ept_identity(&ept, IDENTITY, 2);
	l2_setup(&guest, op_forever);
	vmcs_other = vmcs_alloc();
	vmx_vmclear(address_of(vmcs_other));
	if (cmdline_number("cpuid", 0) != 0) {
		cpuids(cmdline_number("cpuid", 0));
		return 0;
	}
	l1_plain();
	l1_fields();
	l1_pointers();
	l2_entries();
	l2_exits();
	l2_memory();
	computation();
	l2_op("l2_cpuid_vboxlike", op_cpuid, prepare_vbox, handle_like_vbox);
	l1_that_nests();
	return 0;
}
