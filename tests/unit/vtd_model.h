/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated machine's remapping unit for tests of the driver: what it sees and does. It
 * works on its queue only while it is waited for, and what it has cached it uses until it is
 * told to forget it.
 */
#ifndef NESTOR_TESTS_VTD_MODEL_H
#define NESTOR_TESTS_VTD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_PAGES 512u

/* Memory of the machine, as CPUs see it: address 0 is its first byte. */
extern uint8_t model_memory[MODEL_PAGES * 4096];

extern struct model {
	bool dead;       /* it answers nothing */
	bool incoherent; /* it sees only what was written back */
	bool buffered;   /* it says that its writes must be flushed */
	unsigned flushes;
	uint32_t status; /* bits of FSTS that are set whatever it does */
	unsigned delivered;
	uint8_t vector, mode;
	uint32_t target;
} model;

void model_reset(bool caching);
uint64_t model_read(unsigned at, unsigned size);
void model_write(unsigned at, uint64_t value, unsigned size);
/* CPUs' caches are written back. */
void model_write_back(uint64_t address, unsigned size);
/* Time passes. */
void model_work(void);

/* A request of a device: 0, or why it is blocked. */
unsigned model_access(uint16_t source, uint64_t at, bool write, uint64_t *host);
unsigned model_message(uint16_t source, uint32_t address, uint32_t data);

#endif
