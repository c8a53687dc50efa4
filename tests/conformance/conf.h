/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What conformance payloads share: printed lines `name: result`, the registry of cases that
 * each payload runs, and reports of VM exits that contain only what the SDM defines for that
 * exit.
 */
#ifndef NESTOR_TESTS_CONFORMANCE_CONF_H
#define NESTOR_TESTS_CONFORMANCE_CONF_H

#include <stddef.h>

#include "cpu.h"
#include "rt.h"
#include "vmx.h"

/* One case: prepare changes the VMCS that l2_restart made, code runs in L2. */
struct conf_case {
	const char *name;
	void (*code)(void);
	void (*prepare)(void);
};

/* The L2 of this payload; conf_run_cases restarts it for every case. */
extern struct l2 conf_l2;

/* A function of L2 made of assembly text. It need not keep registers. */
#define L2_CODE(name, text) \
	void name(void);    \
	__asm__(".text\n" #name ":\n\t" text "\n\tret\n")

/* L2's entry point in the current case; exits print RIP relative to it. */
extern uint64_t conf_base;

/* "name: outcome", the outcome of one VMX instruction. */
void conf_status(const char *name, enum vmx_status s);

/* SDM 27.2.5 "Information for VM Exits Due to Instruction Execution": does the last exit, of
 * this reason, define the instruction-information field, and the instruction length? */
bool conf_has_instruction_info(uint32_t reason);
bool conf_has_length(uint32_t reason);

/* Prints reason, qualification, lengths and information of the last exit after `name`. */
void conf_exit(const char *name);

/*
 * Called by conf_run after an exit was printed. Returns true when L2 shall go on (it must have
 * skipped the instruction); the default skips instructions that exited and stops otherwise.
 */
extern bool (*conf_handler)(uint32_t reason);
bool conf_default_handler(uint32_t reason);
/* All exceptions of L2 go to this code, which has no frame of its own; L1 takes none. */
void conf_l2_handler(void (*handler)(void));

/* Runs L2, printing each exit, until VMCALL, failure, or conf_handler says stop. */
void conf_run(const char *name);

/* Restarts L2 for each case and runs it. */
void conf_run_cases(const struct conf_case *cases, size_t count);

/* One case of conf_run_cases. */
void conf_run_case(const struct conf_case *c);

/* Prints the guest-state fields that differ from the values at the last conf_state_save. */
void conf_state_save(void);
void conf_state_diff(const char *name);

/* VMXON and the first set-up of conf_l2; ends the payload with a message when it cannot. */
void conf_start(void);

/*
 * What this machine lacks is told by a line "name: skipped, no WHAT"; the other machine's lines
 * of that name are not compared then (run.sh), and the line is counted. A name stands for all
 * lines that begin with it and ':', ',' or a blank, and for indented ones behind those.
 *
 * conf_run_case tells it of controls and fields that the case has set and the machine lacks.
 */
#define NEEDS(id) (1ull << CAPS_FEATURE_##id)

/* True, with that line, when one of the features (vmx.h) is lacking. */
bool conf_lacks(const char *name, uint64_t features);
void conf_skipped(const char *name, const char *what);
/* DEVIATIONS.md: an event whose error code the emulator takes on some models, and must not. */
bool conf_odd_error_code(uint64_t info, uint64_t guest_cr0);
/* Does the machine have so many CR3-target values (A.6)? */
bool conf_cr3_targets(unsigned count);
/* In a case's prepare: it needs `what`; has: it is there. */
void conf_want(bool has, const char *what);

/*
 * DEVIATIONS.md: a processor with shadow stacks ends the emulator when supervisor code writes
 * to a read-only page. False: lines "INSN read-only, WP clear..." are not tried.
 */
bool conf_may_write_read_only(const char *const insns[], unsigned count);

#define CASES(array) array, sizeof(array) / sizeof((array)[0])

#endif
