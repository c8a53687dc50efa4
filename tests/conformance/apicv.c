/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of APIC-register virtualization and of the virtualized x2APIC mode (SDM 29.3 to
 * 29.5): which accesses of L2 are virtualized under which controls, and the exits of the
 * others.
 */
#include "apic.h"
#include "vapic.h"

enum outcome_kind {
	VIRTUAL, /* no exit; reads gave the pattern, writes reached the page */
	OTHER,   /* no exit, and another value */
	EXIT,
	FAULT
};

struct outcome {
	enum outcome_kind kind;
	uint32_t reason; /* or vector */
	uint32_t type;   /* of the qualification; or error code */
	uint32_t rip;
	bool offset_ok;
};

struct set {
	const char *name;
	uint32_t proc2;
	bool shadow;
};

L2_CODE(c_read1, "movb (%rsi), %al");
L2_CODE(c_read2, "movw (%rsi), %ax");
L2_CODE(c_read4, "movl (%rsi), %eax");
L2_CODE(c_read8, "movq (%rsi), %rax");
L2_CODE(c_write1, "movb %al, (%rsi)");
L2_CODE(c_write4, "movl %eax, (%rsi)");
L2_CODE(c_write8, "movq %rax, (%rsi)");
L2_CODE(c_or, "lock orl %eax, (%rsi)");
L2_CODE(c_rdmsr, "rdmsr");
L2_CODE(c_wrmsr, "wrmsr");

static void start(const struct set *s)
{
	l2_restart(&conf_l2, c_read4);
	vapic_controls(s->proc2, s->shadow);
}

static struct trap_frame fault; /* of L2; vector 0: none */

static bool record_fault(struct trap_frame *f)
{
	if (f->vector >= 32)
		return false;
	fault = *f;
	f->rip = address_of((void *)(uintptr_t)l2_done);
	return true;
}

static bool lacks(const struct set *s)
{
	return conf_lacks(s->name, vmx_features_of(VMCS_PROC2_CONTROLS, s->proc2) |
					   (s->shadow ? NEEDS(TPR_SHADOW) : 0));
}

/* L2 again at a short piece of code. */
static void enter(void (*code)(void))
{
	uint64_t *stack = (uint64_t *)(void *)(conf_l2.stack + 4096);

	conf_base = address_of((void *)(uintptr_t)code);
	stack[-1] = address_of((void *)(uintptr_t)l2_done);
	vmwrite(VMCS_GUEST_RIP, conf_base);
	vmwrite(VMCS_GUEST_RSP, address_of(stack - 1));
	fault.vector = 0;
	trap_hook = record_fault;
	if (l2_run(&conf_l2) != VMX_OK)
		print("entry failed: error %lu\n", vmread(VMCS_INSTRUCTION_ERROR));
	trap_hook = NULL;
}

static struct outcome outcome(uint32_t offset, bool as_expected)
{
	struct outcome o = {.kind = as_expected ? VIRTUAL : OTHER};
	uint32_t q = (uint32_t)vmread(VMCS_EXIT_QUALIFICATION);

	o.reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	if (o.reason == EXIT_VMCALL && fault.vector)
		return (struct outcome){.kind = FAULT,
			.reason = (uint32_t)fault.vector,
			.type = (uint32_t)fault.error};
	if (o.reason == EXIT_VMCALL) {
		o.reason = 0;
		return o;
	}
	o.kind = EXIT;
	o.rip = (uint32_t)(vmread(VMCS_GUEST_RIP) - conf_base);
	o.type = q >> 12;
	o.offset_ok = (q & 0xfff) == offset;
	return o;
}

static void print_outcome(uint32_t first, uint32_t last, const struct outcome *o)
{
	static const char *const names[] = {"virtual", "other", "exit", "fault"};

	print(first == last ? " %x" : " %x-%x", first, last);
	print(":%s", names[o->kind]);
	if (o->kind == EXIT)
		print(" %u/%x+%u%s", o->reason, o->type, o->rip, o->offset_ok ? "" : "!");
	if (o->kind == FAULT)
		print(" %u(%x)", o->reason, o->type);
}

/* Equal outcomes in a row are printed once. */
static struct {
	uint32_t first, last;
	struct outcome o;
	bool any;
} run;

static void flush(void)
{
	if (run.any)
		print_outcome(run.first, run.last, &run.o);
	run.any = false;
}

static void add(uint32_t at, const struct outcome *o)
{
	if (run.any && memcmp(&run.o, o, sizeof(*o)) == 0) {
		run.last = at;
		return;
	}
	flush();
	run.first = run.last = at;
	run.o = *o;
	run.any = true;
}

/* ---- the APIC-access page ---- */

static void fill(void)
{
	for (unsigned i = 0; i < 4096; i++)
		vapic[i] = (uint8_t)(i >> 4 ^ i ^ 0x5a);
	/* EOI and self-IPI shall have no effect beyond the registers. */
	for (unsigned i = APIC_ISR; i < APIC_IRR + 0x80; i++)
		vapic[i] = 0;
}

static const struct access {
	const char *name;
	void (*code)(void);
	unsigned size;
	bool write;
	unsigned shift;
} accesses[] = {
	{"read 1", c_read1, 1, false, 0},
	{"read 2", c_read2, 2, false, 0},
	{"read 4", c_read4, 4, false, 0},
	{"read 8", c_read8, 8, false, 0},
	{"read 1 at +3", c_read1, 1, false, 3},
	{"read 4 at +2", c_read4, 4, false, 2},
	{"read 4 at +4", c_read4, 4, false, 4},
	{"write 1", c_write1, 1, true, 0},
	{"write 1 at +3", c_write1, 1, true, 3},
	{"write 4", c_write4, 4, true, 0},
	{"write 4 at +4", c_write4, 4, true, 4},
	{"write 8", c_write8, 8, true, 0},
	{"or 4", c_or, 4, true, 0},
};

static struct outcome access_one(const struct access *a, uint32_t offset)
{
	uint64_t mask = a->size == 8 ? ~0ull : (1ull << a->size * 8) - 1;
	uint64_t before = 0, after = 0;
	struct outcome o;

	fill();
	memcpy(&before, vapic + offset, a->size);
	memset(&conf_l2, 0, offsetof(struct l2, launched));
	conf_l2.rsi = ACCESS_PAGE + offset;
	conf_l2.rax = a->write ? 0xffffffffffff0037ull : 0;
	enter(a->code);
	memcpy(&after, vapic + offset, a->size);
	o = outcome(offset, a->write ? after != before : (conf_l2.rax & mask) == before);
	if (o.reason == EXIT_APIC_WRITE)
		o.type |= after != before ? 0x10 : 0; /* the write was done */
	return o;
}

static void accesses_of(const struct set *s)
{
	if (lacks(s))
		return;
	for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		start(s);
		print("%s, %s:", s->name, accesses[i].name);
		for (uint32_t at = accesses[i].shift; at < 4096; at += 16) {
			struct outcome o = access_one(&accesses[i], at);

			add(at, &o);
			if (at == 0x400 + accesses[i].shift)
				at = 0xfd0 + accesses[i].shift; /* all alike */
		}
		flush();
		print("\n");
	}
}

/* ---- x2APIC MSRs; L1's own APIC is in xAPIC mode: it raises #GP ---- */

static struct outcome rdmsr_one(uint32_t msr)
{
	uint64_t before;
	unsigned offset = (msr & 0xff) << 4;

	fill();
	memcpy(&before, vapic + offset, 8);
	memset(&conf_l2, 0, offsetof(struct l2, launched));
	conf_l2.rcx = msr;
	enter(c_rdmsr);
	return outcome(0, conf_l2.rax == (uint32_t)before && conf_l2.rdx == before >> 32);
}

static struct outcome wrmsr_one(uint32_t msr, uint64_t value)
{
	unsigned offset = (msr & 0xff) << 4;
	uint32_t before;

	fill();
	before = *vreg(offset);
	memset(&conf_l2, 0, offsetof(struct l2, launched));
	conf_l2.rcx = msr;
	conf_l2.rax = (uint32_t)value;
	conf_l2.rdx = value >> 32;
	enter(c_wrmsr);
	return outcome(0, *vreg(offset) != before);
}

static bool has_x2apic(void)
{
	return cpuid(1, 0).ecx & BIT(21);
}

static void msrs_of(const struct set *s, bool intercept)
{
	static const uint64_t values[] = {0, 0x57, 0x157, 1ull << 32};
	uint8_t *bitmap;

	if (lacks(s))
		return;
	/* DEVIATIONS.md: the emulator ignores MSRs that are not there. */
	if (!has_x2apic() && !(s->proc2 & X2APIC)) {
		conf_skipped(s->name, "x2APIC mode");
		return;
	}
	start(s);
	bitmap = conf_l2.msr_bitmap;
	memset(bitmap + 0x800 / 8, intercept ? 0xff : 0, 32);
	memset(bitmap + 2048 + 0x800 / 8, intercept ? 0xff : 0, 32);
	print("%s, rdmsr%s:", s->name, intercept ? " intercepted" : "");
	for (uint32_t msr = MSR_X2APIC_FIRST; msr < MSR_X2APIC_FIRST + 0x100; msr++) {
		struct outcome o = rdmsr_one(msr);

		add(msr, &o);
	}
	flush();
	print("\n");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		print("%s, wrmsr %lx%s:", s->name, values[i], intercept ? " intercepted" : "");
		for (uint32_t msr = MSR_X2APIC_FIRST; msr < MSR_X2APIC_FIRST + 0x100; msr++) {
			struct outcome o = wrmsr_one(msr, values[i]);

			add(msr, &o);
		}
		flush();
		print("\n");
	}
}

/* ---- x2APIC MSRs that L1's own APIC in x2APIC mode serves ---- */

static void own_apic(const struct set *s)
{
	static const uint32_t reads[] = {0x802, 0x808, 0x80a, 0x80f, 0x815, 0x82a};

	if (lacks(s))
		return;
	start(s);
	wrmsr(0x808, 0x20);
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		struct outcome o = rdmsr_one(reads[i]);

		print("%s, own APIC: read %x:", s->name, reads[i]);
		print_outcome(reads[i], reads[i], &o);
		print(o.kind == OTHER ? " %lx\n" : "\n", conf_l2.rdx << 32 | conf_l2.rax);
	}
	(void)wrmsr_one(MSR_X2APIC_TPR, 0x30);
	print("%s, own APIC: TPR of L1 %lx, of L2 %x\n", s->name, rdmsr(MSR_X2APIC_TPR),
		*vreg(APIC_TPR));
	(void)wrmsr_one(MSR_X2APIC_SELF_IPI, 0xa5);
	print("%s, own APIC: self-IPI in L1's IRR %lx\n", s->name,
		rdmsr(apic_msr(APIC_IRR) + 5));
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
	print("%s, own APIC: L1 got %u, in service %lx\n", s->name, interrupt_count[0xa5],
		rdmsr(apic_msr(APIC_ISR) + 5));
	(void)wrmsr_one(MSR_X2APIC_EOI, 0);
	print("%s, own APIC: after EOI in service %lx\n", s->name,
		rdmsr(apic_msr(APIC_ISR) + 5));
	apic_eoi();
	apic_write(APIC_TPR, 0);
}

static const struct set access_sets[] = {
	{"accesses", ACCESSES, false},
	{"accesses, shadow", ACCESSES, true},
	{"accesses, registers", ACCESSES | REGISTERS, true},
	{"accesses, delivery", ACCESSES | DELIVERY, true},
	{"accesses, registers, delivery", ACCESSES | REGISTERS | DELIVERY, true},
};

static const struct set msr_sets[] = {
	{"none", 0, false},
	{"shadow", 0, true},
	{"registers", REGISTERS, true},
	{"delivery", DELIVERY, true},
	{"x2APIC", X2APIC, true},
	{"x2APIC, registers", X2APIC | REGISTERS, true},
	{"x2APIC, delivery", X2APIC | DELIVERY, true},
	{"x2APIC, registers, delivery", X2APIC | REGISTERS | DELIVERY, true},
};

#define SETS(a) (sizeof(a) / sizeof((a)[0]))

int payload_main(void)
{
	conf_start();
	for (size_t i = 0; i < SETS(access_sets); i++)
		accesses_of(&access_sets[i]);
	for (size_t i = 0; i < SETS(msr_sets); i++) {
		msrs_of(&msr_sets[i], false);
		msrs_of(&msr_sets[i], true);
	}
	/* An L2 without x2APIC mode after one with it: the bitmap is closed again. */
	msrs_of(&msr_sets[0], false);
	if (!has_x2apic()) {
		for (size_t i = 0; i < SETS(msr_sets); i++)
			conf_skipped(msr_sets[i].name, "x2APIC mode");
		return 0;
	}
	apic_write(APIC_SVR, SVR_ON);
	x2apic_on();
	for (size_t i = 0; i < SETS(msr_sets); i++)
		own_apic(&msr_sets[i]);
	return 0;
}
