/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vulnerabilities of speculative execution: which of them a processor has, what L0 does about
 * each, and what L1 sees of it. Rules in mitigations.def and cpu_models.def. Pure: the host
 * tool tells of a machine by the same tables.
 */
#ifndef NESTOR_POLICY_MITIGATIONS_H
#define NESTOR_POLICY_MITIGATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_mitigations.h"
#include "spec/cpuid.h"
#include "spec/denials.h"
#include "spec/msr.h"

struct cpuid_table;

/* What the tables look at. */
struct speculation_facts {
	uint32_t signature; /* CPUID.1.EAX */
	uint32_t features;  /* CPUID.(7,0).EDX */
	uint64_t arch_caps; /* IA32_ARCH_CAPABILITIES; 0: it is not there */
	bool intel;
	bool rtm;           /* CPUID.(7,0).EBX.RTM */
	bool gather;        /* AVX, in CPUID: without AVX2 it is hidden, not gone */
	bool bhi_ctrl;      /* CPUID.(7,2).EDX.BHI_CTRL */
	bool threads;       /* a core has several */
	bool one_thread;    /* ... of which L0 uses one */
	bool one_vm;        /* ... which run one VM at a time */
	bool on_hypervisor; /* CPUID.1.ECX: another one runs below */
	bool software_tlb;  /* an emulator's */
	bool large_code;    /* guests shall execute large pages, whatever comes of it */
};

/* Bits of struct mitigations.actions. */
enum mitigation_action {
	MITIGATION_FLUSH_L1D = 1 << 0, /* before an entry after work in another VM's space */
	MITIGATION_CLEAR_BUFFERS = 1 << 1,  /* VERW before each entry */
	MITIGATION_BARRIER = 1 << 2,        /* IBPB, before the entry into another VM */
	MITIGATION_NESTED_BARRIER = 1 << 3, /* IBPB, when L2 exits to L1 */
	MITIGATION_HOST_IBRS = 1 << 4,      /* L0 runs with IBRS */
	MITIGATION_IBRS_AT_EXIT = 1 << 5,   /* ... which has to be written at each exit */
	MITIGATION_FILL_RSB = 1 << 6,       /* after each exit */
	MITIGATION_HOST_BHI_DIS = 1 << 7,   /* L0 runs with BHI_DIS_S */
	MITIGATION_CLEAR_REGS = 1 << 8,     /* of the guest, after each exit */
	MITIGATION_TSX_OFF = 1 << 9,        /* once a CPU */
	MITIGATION_MCU_OPT = 1 << 10,       /* once a CPU: what microcode does stays on */
	MITIGATION_SMALL_CODE = 1 << 11,    /* no large page that a guest can execute */
	MITIGATION_CLEAR_HISTORY = 1 << 12, /* of branches, after each exit */
	MITIGATION_THUNKS = 1 << 13 /* L0's indirect branches and returns stay in thunks */
};

enum speculation_issue {
#define ISSUE(id, name, affected, open) SPECULATION_##id,
#define WAY(id, possible, actions, what)
#include "policy/mitigations.def"
	SPECULATION_COUNT
};

enum mitigation_state {
	MITIGATION_NOT_AFFECTED,
	MITIGATION_DONE,
	MITIGATION_OPEN
};

struct mitigations {
	uint32_t actions; /* enum mitigation_action */
	uint64_t free_of; /* bits of IA32_ARCH_CAPABILITIES: what the processor has not */
	struct {
		uint8_t state;    /* enum mitigation_state */
		const char *what; /* is done, or is missing; "" for who is not affected */
	} issue[SPECULATION_COUNT];
};

/*
 * The facts from leaves 0, 1, (7,0) and (7,2) of CPUID, zero where there is no such leaf, and
 * the MSR; threads of a core: subleaf 0 of leaf 0BH.
 */
struct speculation_facts speculation_facts_of(const struct cpuid_leaf *vendor,
	const struct cpuid_leaf *features, const struct cpuid_leaf *extended,
	const struct cpuid_leaf *more, const struct cpuid_leaf *topology, uint64_t arch_caps);

void mitigations_judge(const struct speculation_facts *facts, enum mitigation_mode mode,
	struct mitigations *m);

/* With mitigations=strict: the first issue that is open, and keeps several VMs from being on
 * this processor; SPECULATION_COUNT: none is. */
enum speculation_issue mitigations_open(const struct mitigations *m);

const char *speculation_name(enum speculation_issue issue);
/* "Not affected", "Mitigation: ", "Vulnerable: "; issue[].what follows. */
const char *mitigation_state_text(enum mitigation_state state);

/* What L0 itself runs with in IA32_SPEC_CTRL. */
uint64_t mitigations_host_spec_ctrl(const struct mitigations *m);

/* ---- what L1 sees ---- */

/* MSRs that exist for L1 because its CPUID says so. */
struct speculation_offer {
	uint64_t spec_ctrl; /* bits that may be set; 0: the MSR does not exist */
	uint64_t arch_caps;
	bool has_arch_caps, has_pred_cmd, has_flush_cmd;
};

/* arch_caps: what the machine has, with free_of. */
void speculation_offer_make(
	struct speculation_offer *o, const struct cpuid_table *t, uint64_t arch_caps);

/* IA32_SPEC_CTRL, IA32_PRED_CMD, IA32_FLUSH_CMD, IA32_ARCH_CAPABILITIES. */
bool is_speculation_msr(uint32_t msr);
/* Whether RDMSR of such an MSR works. */
bool speculation_readable(const struct speculation_offer *o, uint32_t msr);
/* Whether WRMSR takes the value. */
bool speculation_takes(const struct speculation_offer *o, uint32_t msr, uint64_t value);
/* Why one of these was false. */
enum denial speculation_denial(const struct speculation_offer *o, uint32_t msr, bool write);

#endif
