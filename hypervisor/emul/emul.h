/*
 * Completes one instruction with which a guest accesses a device. Pure: registers and flags are a plain
 * structure; memory and devices are behind emul/seam.h. RIP, and what the end of an instruction changes
 * besides (RFLAGS.RF, blocking by STI and MOV SS), are the caller's.
 */
#ifndef NESTOR_EMUL_EMUL_H
#define NESTOR_EMUL_EMUL_H

#include <stdbool.h>
#include <stdint.h>

#include "emul/decode.h"
#include "emul/seam.h"

/* Elements of a string instruction that one call completes at most. */
#define EMUL_MAX_MOVES 256u /* STOS, MOVS */
#define EMUL_MAX_IO    512u /* INS, OUTS */

struct emul_cpu {
	struct emul_env *env;
	struct emul_mode mode;
	uint64_t *r; /* REG_COUNT of them, RSP included */
	uint64_t rflags;
};

/* Registers, flags, memory and device have what was done up to there, in any case. */
enum emul_end {
	EMUL_COMPLETE,
	EMUL_AGAIN, /* executing the instruction once more does the rest of its repetitions */
	EMUL_FAULT  /* of memory, which env remembers: in the iteration that is next */
};

/*
 * A decoded instruction whose memory operand is this device address. write: the access that told the
 * address was a write; it says which operand of MOVS is the device's.
 */
enum emul_end emul_run(
	struct emul_cpu *cpu, const struct emul_insn *insn, uint64_t gpa, bool write);

/* INS or OUTS, as a VM exit describes them. */
struct emul_string_io {
	uint16_t port;
	uint8_t size; /* 1, 2, 4 */
	bool in, rep;
	uint8_t address_size; /* 2, 4, 8 */
	uint64_t linear;      /* of the first element */
};

enum emul_end emul_string_io(struct emul_cpu *cpu, const struct emul_string_io *io);

#endif
