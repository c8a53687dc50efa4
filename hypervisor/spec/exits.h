/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VM exits (SDM appendix C "VMX Basic Exit Reasons", 24.9 and 27.2): reasons, and what is in
 * the exit qualification and in the instruction-information field.
 */
#ifndef NESTOR_SPEC_EXITS_H
#define NESTOR_SPEC_EXITS_H

#include <stdbool.h>

#include "lib/bits.h"

enum exit_reason {
#define X(number, name, defines) EXIT_##name = number,
#include "spec/exit_reasons.def"
	EXIT_REASON_COUNT /* one more than the highest */
};

/* How many rows the table has. */
enum {
	EXIT_REASON_ROWS = 0
#define X(number, name, defines) +1
#include "spec/exit_reasons.def"
};

#define EXIT_REASON_ENTRY_FAILURE BIT(31)
#define EXIT_REASON_BUS_LOCKED    BIT(26) /* and the guest had locked the bus */
#define EXIT_REASON_BASIC(reason) ((reason)&0xffffu)

/* No processor has this one: it stands for every number that has no row. */
#define EXIT_NO_ROW 35u

/* The exit-information fields that not all exits define, 27.2.1 and 27.2.5. */
enum exit_field {
	EXIT_DEFINES_LENGTH = 1, /* VM-exit instruction length */
	EXIT_DEFINES_INFO = 2,   /* VM-exit instruction information */
	EXIT_DEFINES_LINEAR = 4  /* guest-linear address */
};

struct exit_reason_row {
	const char *name; /* NULL: no such reason */
	uint8_t defines;  /* enum exit_field */
};

extern const struct exit_reason_row exit_reasons[EXIT_REASON_COUNT];

/* As in enum exit_reason, without the prefix; "unknown" for any number that is not there. */
const char *exit_reason_name(uint32_t reason);

/* The reasons below 64 that define a field, as bits: a constant for the compiler. */
static inline uint64_t exit_reasons_with(enum exit_field field)
{
	enum {
		LENGTH = EXIT_DEFINES_LENGTH,
		INFO = EXIT_DEFINES_INFO,
		LINEAR = EXIT_DEFINES_LINEAR
	};

#define X(number, name, defines) \
	| ((number) < 64 && ((defines) & (int)field) ? BIT64((number)&63) : 0)
	return 0
#include "spec/exit_reasons.def"
		;
}

/* Total: false for a number that is no reason. Each nested exit asks: no table for the usual
 * ones. */
static inline bool exit_defines(uint32_t reason, enum exit_field field)
{
	if (reason < 64)
		return exit_reasons_with(field) >> reason & 1;
	return reason < EXIT_REASON_COUNT && (exit_reasons[reason].defines & field);
}

/* What a hypervisor does about an exit that nobody asked for. */
enum exit_unasked {
	UNASKED_UNDEFINED, /* an instruction, or of a later processor: not offered, so #UD */
	UNASKED_GO_ON, /* the guest did nothing that a virtual CPU does not do: it goes on */
	UNASKED_BROKEN /* the tables or the state that were prepared for the guest are wrong */
};

/* Total. For exits after an entry that did not fail. */
enum exit_unasked exit_unasked(uint32_t reason);

/* ---- exit qualification (27.2.1 "Basic VM-Exit Information") ---- */

/* Table 27-3 "Exit Qualification for Control-Register Accesses" */
#define CR_NUMBER(q)    ((q)&15u)
#define CR_TYPE(q)      (((q) >> 4) & 3u)
#define CR_REGISTER(q)  (((q) >> 8) & 15u)
#define CR_LMSW_DATA(q) (((q) >> 16) & 0xffffu)
enum cr_access_type {
	CR_MOV_TO = 0,
	CR_MOV_FROM = 1,
	CR_CLTS = 2,
	CR_LMSW = 3
};

/* Table 27-4 "Exit Qualification for MOV DR" */
#define DR_NUMBER(q)   ((q)&7u)
#define DR_FROM        BIT(4) /* MOV from DR */
#define DR_REGISTER(q) (((q) >> 8) & 15u)

/* Table 27-5 "Exit Qualification for I/O Instructions" */
#define IO_SIZE(q) (((q)&7u) + 1)
#define IO_IN      BIT(3)
#define IO_STRING  BIT(4)
#define IO_REP     BIT(5)
#define IO_PORT(q) (((q) >> 16) & 0xffffu)

/* Table 27-2 "Exit Qualification for Task Switches" */
#define TASK_SELECTOR(q) ((q)&0xffffu)
#define TASK_SOURCE(q)   (((q) >> 30) & 3u)
enum task_source {
	TASK_CALL,
	TASK_IRET,
	TASK_JMP,
	TASK_GATE /* in the IDT */
};

/* Table 27-6 "Exit Qualification for APIC-Access VM Exits from Linear Accesses and
 * Guest-Physical Accesses" */
#define APIC_ACCESS_OFFSET(q) ((q)&0xfffu)
#define APIC_ACCESS_TYPE_BIT  12
#define APIC_ACCESS_TYPE(q)   (((q) >> APIC_ACCESS_TYPE_BIT) & 15u)
enum apic_access_type {
	APIC_ACCESS_READ = 0,
	APIC_ACCESS_WRITE = 1,
	APIC_ACCESS_FETCH = 2,
	APIC_ACCESS_EVENT = 3, /* linear, during the delivery of an event */
	APIC_ACCESS_PHYSICAL_EVENT = 10,
	APIC_ACCESS_PHYSICAL = 15
};

/* Table 27-7 "Exit Qualification for EPT Violations" */
#define QUAL_READ           BIT64(0)
#define QUAL_WRITE          BIT64(1)
#define QUAL_FETCH          BIT64(2)
#define QUAL_ACCESS         (QUAL_READ | QUAL_WRITE | QUAL_FETCH)
#define QUAL_PERM_BIT       3        /* EPT_RWX of all entries together start here */
#define QUAL_USER_EXEC      BIT64(6) /* EPT_USER_EXEC, with mode-based execute control */
#define QUAL_LINEAR         BIT64(7) /* the guest-linear address is valid */
#define QUAL_TRANSLATION    BIT64(8) /* the access itself, not one to a paging structure */
#define QUAL_USER           BIT64(9) /* of the linear address, like the following two */
#define QUAL_WRITABLE       BIT64(10)
#define QUAL_XD             BIT64(11)
#define QUAL_ADVANCED       (QUAL_USER | QUAL_WRITABLE | QUAL_XD)
#define QUAL_NMI_UNBLOCKING BIT64(12) /* so for page-modification log-full events */
/* The address is the translation of a linear address; what does not depend on EPT entries. */
#define QUAL_OF_LINEAR (QUAL_LINEAR | QUAL_TRANSLATION)
#define QUAL_OF_ACCESS (QUAL_ACCESS | QUAL_OF_LINEAR | QUAL_ADVANCED | QUAL_NMI_UNBLOCKING)

/* "Exit Qualification for SPP-Related Events", which has QUAL_NMI_UNBLOCKING, too */
#define QUAL_SPP_MISS BIT64(11) /* else a misconfiguration */

/* "Exit Qualification for Notify VM Exits", which has QUAL_NMI_UNBLOCKING, too */
#define QUAL_NOTIFY_INVALID BIT64(0) /* what the VMCS has of the guest is not good */

/* ---- VM-exit instruction information (27.2.5), of VMX instructions, INVPCID, INS and OUTS
 * ---- */

#define INFO_SCALE(i)    ((i)&3u)
#define INFO_REG1(i)     (((i) >> 3) & 15u)
#define INFO_ADDRSIZE(i) (((i) >> 7) & 7u)  /* 0: 16 bits, 1: 32, 2: 64 */
#define INFO_REGISTER    BIT(10)            /* the first operand is INFO_REG1, no memory */
#define INFO_SEGMENT(i)  (((i) >> 15) & 7u) /* enum sreg */
#define INFO_INDEX(i)    (((i) >> 18) & 15u)
#define INFO_NO_INDEX    BIT(22)
#define INFO_BASE(i)     (((i) >> 23) & 15u)
#define INFO_NO_BASE     BIT(27)
#define INFO_REG2(i)     (((i) >> 28) & 15u)

#endif
