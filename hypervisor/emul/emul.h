/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completes one instruction with which a guest accesses a device, or INS and OUTS. Pure:
 * registers and flags are a plain structure; memory, devices and vector registers are behind
 * emul/seam.h. What the end of an instruction changes besides (RFLAGS.RF, blocking by STI and
 * MOV SS, single steps) is the caller's.
 */
#ifndef NESTOR_EMUL_EMUL_H
#define NESTOR_EMUL_EMUL_H

#include <stdbool.h>
#include <stdint.h>

#include "emul/decode.h"
#include "emul/seam.h"

/* Elements of a string instruction that one call completes at most. */
#define EMUL_MAX_MOVES 256u /* of memory */
#define EMUL_MAX_IO    512u /* INS, OUTS */

struct emul_cpu {
	struct emul_env *env;
	struct emul_mode mode;
	uint64_t *r; /* REG_COUNT of them, RSP included */
	uint64_t rflags;
	uint64_t rip;  /* of the instruction; behind it, or where it led, once complete */
	bool la57;     /* 5-level paging */
	bool types;    /* segments have types: protected mode */
	bool aligned;  /* data accesses that are not aligned raise #AC */
	bool no_tzcnt; /* the processor executes BSF instead; no_lzcnt: BSR */
	bool no_lzcnt;
	bool one;       /* stop after each iteration of a repetition: something looks at each */
	uint8_t vector; /* of EMUL_EXCEPTION; the error code is 0 where there is one */
};

/* Registers, flags, memory and devices have what was done up to there, in any case. */
enum emul_end {
	EMUL_COMPLETE,
	EMUL_AGAIN, /* executing the instruction once more does the rest of its repetitions */
	EMUL_FAULT, /* of memory, which env remembers: in the iteration that is next */
	EMUL_EXCEPTION /* likewise: #DE, #SS, #GP, #AC or #UD */
};

/* An instruction that emul_decode found at cpu->rip. */
enum emul_end emul_run(struct emul_cpu *cpu, const struct emul_insn *insn);

/* INS or OUTS, as a VM exit describes them; length: of the instruction. */
struct emul_string_io {
	uint16_t port;
	uint8_t size; /* 1, 2, 4 */
	bool in, rep;
	uint8_t address_size; /* 2, 4, 8 */
	uint8_t segment;      /* of OUTS: enum sreg */
	uint8_t length;
};

enum emul_end emul_string_io(struct emul_cpu *cpu, const struct emul_string_io *io);

#endif
