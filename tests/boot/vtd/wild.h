/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena of the payload wildvtd, and what its tables say, by a walk of its own.
 */
#ifndef NESTOR_TESTS_BOOT_WILD_H
#define NESTOR_TESTS_BOOT_WILD_H

#include <stdbool.h>
#include <stdint.h>

#define WILD_END UINT64_C(0x4000000) /* of the VM's memory */

/*
 * Tables of all kinds; queue; where waits write; descriptors of posted interrupts; interrupt
 * entries, with zeros behind them as far as such a table can be; data, of 2 MiB.
 */
#define WILD_TABLES  UINT64_C(0x2000000)
#define WILD_QUEUE   UINT64_C(0x2030000)
#define WILD_STATUS  UINT64_C(0x2040000)
#define WILD_POSTED  UINT64_C(0x2050000)
#define WILD_ENTRIES UINT64_C(0x2080000)
#define WILD_DATA    UINT64_C(0x2200000)

#define WILD_TABLE_PAGES 32u
#define WILD_DESCRIPTORS 256u
#define WILD_ENTRY_COUNT 64u
#define WILD_DATA_INDEX  17u /* of WILD_DATA in a table of level 2 */

static inline uint64_t *wild_words(uint64_t gpa)
{
	return (uint64_t *)(uintptr_t)gpa;
}

static inline bool wild_is_table(const uint64_t *word)
{
	uint64_t at = (uint64_t)(uintptr_t)word;

	return at >= WILD_TABLES && at < WILD_TABLES + WILD_TABLE_PAGES * 4096u;
}

/* Data and guards. */
void wild_begin(void);
/* Memory around the arena is as it was. */
bool wild_guards_stand(void);
/*
 * A page of the device's addresses: one that tables may have, or of the data themselves, so
 * that without translation nothing else is reached.
 */
uint64_t wild_address(void);
/* One that the device's tables may well have. */
uint64_t wild_likely(uint16_t source);

/* As the unit has them: where its root table is, whether it translates. */
extern uint64_t wild_root;
extern bool wild_translates;
/* The entry that decides about an address, and the device's domain; NULL: no table does. */
uint64_t *wild_last_entry(uint16_t source, uint64_t at, uint16_t *domain);
/* Does the device reach memory at this address, and where? */
bool wild_model(uint16_t source, uint64_t at, bool write, uint64_t *gpa);

#endif
