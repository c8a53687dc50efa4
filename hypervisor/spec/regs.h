/*
 * Numbers of registers as instructions, the VMCS and TSSs have them, and what decides where memory
 * operands are. Facts only.
 */
#ifndef NESTOR_SPEC_REGS_H
#define NESTOR_SPEC_REGS_H

/* SDM vol. 2 table 2-2 "32-Bit Addressing Forms with the ModR/M Byte"; R8 to R15 follow (REX). */
enum reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_COUNT = 16
};

#define REG_COUNT_32 8u /* outside 64-bit mode */

/*
 * In the order of the sreg field of instructions (SDM vol. 2 table B-8 "Encoding of the Segment Register
 * (sreg) Field"), of TSSs, and of the VMCS, where fields of neighbours are 2 apart.
 */
enum sreg {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	SEG_COUNT
};

/* Those that instructions name. */
#define SEG_NAMED 6u

/* Direction flag, SDM vol. 1 3.4.3.2 "DF Flag" */
#define RFLAGS_DF (1ull << 10)

#endif
