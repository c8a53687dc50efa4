/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor of nestorspec: CPUID and MSRs that tell of vulnerabilities of speculative
 * execution, and those that work against them, as NESTOR_SPECULATION says (Intel, "CPUID
 * Enumeration and Architectural MSRs"; SDM vol. 4, table 2-2). Nothing is faster, slower or
 * less safe by it: Bochs does not speculate. RDMSR and WRMSR, behind exits by MSR bitmaps, and
 * the MSR lists of a VMCS all come to the same two functions. L0 is judged by what is here, so
 * that it shares no numbers with it.
 *
 * Offsets and instructions are those of one build: tools/machine/fetch-bochs.sh makes this for
 * that build only.
 */
#define _GNU_SOURCE
#include "bochs_speculation.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "bochs_hooks.h"
#include "bochs_patch.h"

#define MSR_SPEC_CTRL         0x48u
#define MSR_PRED_CMD          0x49u
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_FLUSH_CMD         0x10bu
#define MSR_TSX_CTRL          0x122u
#define MSR_MCU_OPT_CTRL      0x123u

/* CPUID.(7,0).EDX: SRBDS_CTRL and MD_CLEAR, IBRS_IBPB to ARCH_CAPABILITIES, and SSBD. */
#define EDX_OURS 0xbc000600u

#define EDX2_OURS 0x000000bfu /* PSFD to MCDT_NO, MONITOR_MITG_NO */
#define MCU_OURS  0x00000039u

#define MCU_GDS_MITG_DIS  (1ull << 4)
#define MCU_GDS_MITG_LOCK (1ull << 5)

/* What the run says, in hexadecimal. Without `edx` the model stays what it is. */
static struct {
	bool given;
	uint64_t signature; /* CPUID.1.EAX; 0: the model's */
	uint64_t edx, edx2; /* of CPUID.(7,0), bits of EDX_OURS, and of (7,2) */
	uint64_t caps;      /* IA32_ARCH_CAPABILITIES */
	uint64_t mcu;       /* IA32_MCU_OPT_CTRL as firmware leaves it */
} processor;

/* ---- MSRs ---- */

enum {
	SPEC_CTRL,
	PRED_CMD,
	FLUSH_CMD,
	ARCH_CAPABILITIES,
	TSX_CTRL,
	MCU_OPT_CTRL,
	MSRS
};

static const struct {
	uint32_t index;
	bool readable, writable, kept;
} msrs[MSRS] = {
	[SPEC_CTRL] = {MSR_SPEC_CTRL, true, true, true},
	[PRED_CMD] = {MSR_PRED_CMD, false, true, false},
	[FLUSH_CMD] = {MSR_FLUSH_CMD, false, true, false},
	[ARCH_CAPABILITIES] = {MSR_ARCH_CAPABILITIES, true, false, false},
	[TSX_CTRL] = {MSR_TSX_CTRL, true, true, true},
	[MCU_OPT_CTRL] = {MSR_MCU_OPT_CTRL, true, true, true},
};

/* Bits that exist in each, by what enumerates them; an MSR without any does not exist. */
static const struct {
	uint8_t msr;
	uint64_t edx, edx2, caps; /* one of these, in one of the three */
	uint64_t bits;
} exist[] = {
	{SPEC_CTRL, 1u << 26, 0, 0, 1 << 0}, /* IBRS */
	{SPEC_CTRL, 1u << 27, 0, 0, 1 << 1}, /* STIBP */
	{SPEC_CTRL, 1u << 31, 0, 0, 1 << 2}, /* SSBD */
	{SPEC_CTRL, 0, 1 << 1, 0, 3 << 3},   /* IPRED_DIS_U, _S */
	{SPEC_CTRL, 0, 1 << 2, 0, 3 << 5},   /* RRSBA_DIS_U, _S */
	{SPEC_CTRL, 0, 1 << 0, 0, 1 << 7},   /* PSFD */
	{SPEC_CTRL, 0, 1 << 3, 0, 1 << 8},   /* DDPD_U */
	{SPEC_CTRL, 0, 1 << 4, 0, 1 << 10},  /* BHI_DIS_S */
	{PRED_CMD, 1u << 26, 0, 0, 1 << 0},  /* IBPB */
	{FLUSH_CMD, 1u << 28, 0, 0, 1 << 0}, /* L1D_FLUSH */
	{ARCH_CAPABILITIES, 1u << 29, 0, 0, ~0ull},
	{TSX_CTRL, 0, 0, 1 << 7, 3 << 0},      /* RTM_DISABLE, TSX_CPUID_CLEAR */
	{MCU_OPT_CTRL, 1u << 9, 0, 0, 1},      /* RNGDS_MITG_DIS */
	{MCU_OPT_CTRL, 0, 0, 1 << 18, 1 << 3}, /* FB_CLEAR_DIS */
	{MCU_OPT_CTRL, 0, 0, 1 << 25, MCU_GDS_MITG_DIS | MCU_GDS_MITG_LOCK},
};

static uint64_t bits[MSRS];
static uint64_t values[SPECULATION_CPUS][MSRS];

static uint64_t *value_of(const unsigned char *cpu, unsigned msr)
{
	return &values[(uint32_t)place(cpu, CPU_INDEX) % SPECULATION_CPUS][msr];
}

static unsigned msr_of(uint32_t index)
{
	unsigned m = 0;

	while (m < MSRS && msrs[m].index != index)
		m++;
	return m;
}

static bool reads(const unsigned char *cpu, unsigned msr, uint64_t *value)
{
	if (bits[msr] == 0 || !msrs[msr].readable)
		return false;
	*value = msr == ARCH_CAPABILITIES ? processor.caps : *value_of(cpu, msr);
	return true;
}

static bool writes(const unsigned char *cpu, unsigned msr, uint64_t value)
{
	uint64_t *kept = value_of(cpu, msr);

	if (bits[msr] == 0 || !msrs[msr].writable || value & ~bits[msr])
		return false;
	/* What is locked stays as it is. */
	if (msr == MCU_OPT_CTRL && *kept & MCU_GDS_MITG_LOCK)
		value = (value & ~MCU_GDS_MITG_DIS) | MCU_GDS_MITG_LOCK |
			(*kept & MCU_GDS_MITG_DIS);
	if (msrs[msr].kept)
		*kept = value;
	return true;
}

/* ---- Bochs' functions for them: false is #GP ---- */

extern unsigned char rdmsr[] __asm__("_ZN8BX_CPU_C5rdmsrEjPm");
extern unsigned char wrmsr[] __asm__("_ZN8BX_CPU_C5wrmsrEjm");
extern unsigned char load_msrs[] __asm__("_ZN8BX_CPU_C8LoadMSRsEjm");

/* Where LoadMSRs, for an entry or an exit, goes on behind its call. */
#define BEHIND_LOAD 0x5f

/* endbr64; push %r13; mov %esi,%r8d; push %r12; push %rbp; mov %rdx,%rbp */
static const unsigned char rdmsr_begin[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x55, 0x41, 0x89,
	0xf0, 0x41, 0x54, 0x55, 0x48, 0x89, 0xd5};
/* endbr64; push %r15; mov %rdi,%r15; push %r14; mov %rdx,%r14 */
static const unsigned char wrmsr_begin[] = {
	0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57, 0x49, 0x89, 0xff, 0x41, 0x56, 0x49, 0x89, 0xd6};

void *rdmsr_rest, *wrmsr_rest;
bool rdmsr_all(unsigned char *cpu, uint32_t index, uint64_t *value);
bool wrmsr_all(unsigned char *cpu, uint32_t index, uint64_t value);
__asm__(".text\n"
	"rdmsr_all:\n\t"
	"push %r13\n\t"
	"mov %esi,%r8d\n\t"
	"push %r12\n\t"
	"push %rbp\n\t"
	"mov %rdx,%rbp\n\t"
	"mov rdmsr_rest@GOTPCREL(%rip),%r11\n\t"
	"jmp *(%r11)\n"
	"wrmsr_all:\n\t"
	"push %r15\n\t"
	"mov %rdi,%r15\n\t"
	"push %r14\n\t"
	"mov %rdx,%r14\n\t"
	"mov wrmsr_rest@GOTPCREL(%rip),%r11\n\t"
	"jmp *(%r11)\n");

static bool read_msr(unsigned char *cpu, uint32_t index, uint64_t *value)
{
	unsigned msr = msr_of(index);

	return msr < MSRS && processor.given ? reads(cpu, msr, value)
					     : rdmsr_all(cpu, index, value);
}

static bool write_msr(unsigned char *cpu, uint32_t index, uint64_t value)
{
	bool by_list = (unsigned char *)__builtin_return_address(0) == load_msrs + BEHIND_LOAD;
	unsigned msr = msr_of(index);
	bool done = msr < MSRS && processor.given ? writes(cpu, msr, value)
						  : wrmsr_all(cpu, index, value);

	if (done && msr < MSRS)
		trace_wrmsr((uint32_t)place(cpu, CPU_INDEX), index, value, by_list);
	return done;
}

/* Resets of the machine; at an INIT MSRs stay (SDM, table 9-1). */
static void reset(void *self, unsigned type)
{
	(void)self;
	(void)type;
	for (unsigned i = 0; i < SPECULATION_CPUS; i++) {
		memset(values[i], 0, sizeof(values[i]));
		values[i][MCU_OPT_CTRL] = processor.mcu & bits[MCU_OPT_CTRL];
	}
}

/* ---- CPUID ---- */

/* Place of what answers a leaf, in the table of an object for CPUID. */
#define SLOT_LEAF 5

struct leaf {
	uint32_t eax, ebx, ecx, edx;
};

static void (*leaf_all)(const void *self, uint32_t leaf, uint32_t subleaf, struct leaf *out);

static void leaf(const void *self, uint32_t number, uint32_t subleaf, struct leaf *out)
{
	leaf_all(self, number, subleaf, out);
	if (number == 1 && processor.signature != 0)
		out->eax = (uint32_t)processor.signature;
	if (number != 7)
		return;
	if (subleaf == 0) {
		out->edx = (out->edx & ~EDX_OURS) | ((uint32_t)processor.edx & EDX_OURS);
		if (processor.edx2 != 0 && out->eax < 2)
			out->eax = 2;
	}
	if (subleaf == 2)
		out->edx = (uint32_t)processor.edx2;
}

/* Once there are processors: all are of one model, whose table they share. */
static void replace_leaf(void *self)
{
	uintptr_t *table, page;

	(void)self;
	if (!processor.given)
		return;
	memcpy(&table, (void *)(uintptr_t)place(bx_cpu_array[0], CPUID_OBJECT), sizeof(table));
	page = (uintptr_t)&table[SLOT_LEAF] & ~(uintptr_t)0xfff;
	if (mprotect((void *)page, 0x2000, PROT_READ | PROT_WRITE) != 0)
		plugin_fail(SPECULATION_NAME, "CPUID cannot be changed");
	leaf_all = (void (*)(const void *, uint32_t, uint32_t, struct leaf *))table[SLOT_LEAF];
	table[SLOT_LEAF] = (uintptr_t)leaf;
}

/* ---- the plugin ---- */

static const struct {
	const char *name;
	uint64_t *value;
	uint64_t bits; /* that there are */
} parts[] = {
	{"edx", &processor.edx, EDX_OURS},
	{"edx2", &processor.edx2, EDX2_OURS},
	{"caps", &processor.caps, UINT64_MAX},
	{"signature", &processor.signature, UINT32_MAX},
	{"mcu", &processor.mcu, MCU_OURS},
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static void refuse(const char *at, const char *why)
{
	char text[256];

	snprintf(text, sizeof(text), "NESTOR_SPECULATION: '%.*s': %s", (int)strcspn(at, ","),
		at, why);
	plugin_fail(SPECULATION_NAME, text);
}

/* One part NAME=HEX; returns what is behind it. */
static const char *take(const char *at)
{
	size_t length = strcspn(at, "=,"), i = 0;
	char text[64], *end = NULL;

	while (i < PARTS &&
		(strlen(parts[i].name) != length || strncmp(at, parts[i].name, length) != 0))
		i++;
	if (i == PARTS || at[length] != '=')
		refuse(at, "it must be edx=, edx2=, caps=, signature= or mcu= and a number in "
			   "hexadecimal, or trace= and a file, which is the last");
	errno = 0;
	*parts[i].value = strtoull(at + length + 1, &end, 16);
	if (!isxdigit((unsigned char)at[length + 1]) || (*end != '\0' && *end != ','))
		refuse(at, "it must be a number in hexadecimal");
	if (errno != 0 || *parts[i].value & ~parts[i].bits) {
		snprintf(text, sizeof(text), "it must be bits of %" PRIx64, parts[i].bits);
		refuse(at, text);
	}
	processor.given |= parts[i].value == &processor.edx;
	return end + (*end == ',');
}

/* NESTOR_SPECULATION: NAME=HEX,NAME=HEX,...,trace=FILE; each may be left out. */
static void take_options(const char *at)
{
	const char *all = at;

	while (*at != '\0' && strncmp(at, "trace=", 6) != 0)
		at = take(at);
	if (!processor.given && at != all)
		refuse(all, "without edx= the processor is the model's, and only trace= can be "
			    "there");
	if (*at != '\0' && at[6] == '\0')
		refuse(at, "it must be the name of a file");
	if (*at != '\0')
		trace_start(at + 6);
}

static void find_bits(void)
{
	for (size_t i = 0; i < sizeof(exist) / sizeof(exist[0]); i++)
		if (processor.edx & exist[i].edx || processor.edx2 & exist[i].edx2 ||
			processor.caps & exist[i].caps)
			bits[exist[i].msr] |= exist[i].bits;
}

int libnestorspec_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestorspec_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	const char *options = getenv("NESTOR_SPECULATION");

	if (mode != 1) /* 2: what is it? optional */
		return mode == 2 ? 4 : 0;
	take_options(options != NULL ? options : "");
	find_bits();
	reset(NULL, 0);
	rdmsr_rest =
		patch(rdmsr, rdmsr_begin, sizeof(rdmsr_begin), (uintptr_t)read_msr, "RDMSR");
	wrmsr_rest =
		patch(wrmsr, wrmsr_begin, sizeof(wrmsr_begin), (uintptr_t)write_msr, "WRMSR");
	register_watcher(plugin, type, SPECULATION_NAME, "SPEC", replace_leaf, reset);
	return 0;
}
