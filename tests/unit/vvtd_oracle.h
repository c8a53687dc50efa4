/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remapping unit of the emulated machine (tools/machine), another model of the same
 * specification, with a memory of its own. Its names are others than spec/vtd.h's: this is what
 * a test that has both sees of it.
 */
#ifndef NESTOR_TESTS_VVTD_ORACLE_H
#define NESTOR_TESTS_VVTD_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_RAM (64u * 4096u)

extern uint8_t oracle_ram[ORACLE_RAM] __attribute__((aligned(4096)));

struct oracle_message {
	bool goes; /* what follows is sent */
	uint8_t vector, mode;
	bool logical, level;
	uint32_t destination;
};

/* With caching mode. */
void oracle_reset(void);
uint64_t oracle_read(unsigned at, unsigned size);
/* And all of the queue that can be done. */
void oracle_write(unsigned at, uint64_t value, unsigned size);
void oracle_forget_all(void);
/* The reason, as a number, by which it is blocked; 0: it is not. */
unsigned oracle_translate(
	uint16_t source, uint64_t at, bool write, uint64_t *host, uint64_t *room);
unsigned oracle_message(
	uint16_t source, uint32_t address, uint32_t data, struct oracle_message *m);

#endif
