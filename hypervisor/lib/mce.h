/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine checks: what a bank of error registers says, and what follows (SDM vol. 3B, chapter
 * 15 "Machine-Check Architecture"). Pure.
 */
#ifndef NESTOR_LIB_MCE_H
#define NESTOR_LIB_MCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCE_BANKS_MAX 32u /* MSRs of more would lie elsewhere */

/* Registers of a bank, where its status says that they are valid. */
struct mce_bank {
	uint64_t status, address, misc;
};

/* 15.6.3 "UCR Error Classification", from harmless to fatal. */
enum mce_class {
	MCE_NONE,
	MCE_CORRECTED,
	MCE_DEFERRED, /* uncorrected, no action required (UCNA); or not signalled */
	MCE_OPTIONAL, /* software recoverable, action optional (SRAO) */
	MCE_REQUIRED, /* software recoverable, action required (SRAR) */
	MCE_FATAL     /* the processor's context is corrupt, or nobody knows what is */
};

/* capabilities: IA32_MCG_CAP. */
enum mce_class mce_classify(uint64_t status, uint64_t capabilities);

/* What a machine-check exception means for who it met. */
enum mce_verdict {
	MCE_GO_ON,
	MCE_END_VM, /* the VM whose guest ran cannot go on */
	MCE_STOP    /* the machine cannot */
};

/* worst: of this CPU's banks; status: IA32_MCG_STATUS. in_guest: a guest ran, not L0. */
enum mce_verdict mce_judge(enum mce_class worst, uint64_t status, bool in_guest);

/*
 * Does the bank tell of an uncorrected error in memory, whose data are wrong for whoever reads
 * them, consumed (SRAR) or not (SRAO, UCNA)? Then *page is its host-physical address, a
 * multiple of 4 KiB. False also where the bank cannot say where: SDM 15.3.2.4 "IA32_MCi_MISC
 * MSRs", a physical address that is exact to a page at least.
 */
bool mce_bad_page(const struct mce_bank *bank, uint64_t capabilities, uint64_t *page);

/* Enough for mce_describe(). */
#define MCE_TEXT 192u

/* In words, one line. */
void mce_describe(char *text, size_t size, unsigned number, const struct mce_bank *bank,
	enum mce_class class_of);

/* IA32_MCG_CAP */
#define MCG_CAP_COUNT(cap) ((unsigned)((cap)&0xff))
#define MCG_CAP_CTL_P      (1ull << 8)
#define MCG_CAP_CMCI_P     (1ull << 10)
#define MCG_CAP_SER_P      (1ull << 24)
#define MCG_CAP_LMCE_P     (1ull << 27)

/* IA32_MCG_EXT_CTL */
#define MCG_EXT_CTL_LMCE_EN (1ull << 0)

/* IA32_MCG_STATUS */
#define MCG_STATUS_RIPV   (1ull << 0)
#define MCG_STATUS_EIPV   (1ull << 1)
#define MCG_STATUS_MCIP   (1ull << 2)
#define MCG_STATUS_LMCE_S (1ull << 3)

/* IA32_MCi_STATUS */
#define MCI_VAL   (1ull << 63)
#define MCI_OVER  (1ull << 62)
#define MCI_UC    (1ull << 61)
#define MCI_EN    (1ull << 60)
#define MCI_MISCV (1ull << 59)
#define MCI_ADDRV (1ull << 58)
#define MCI_PCC   (1ull << 57)
#define MCI_S     (1ull << 56)
#define MCI_AR    (1ull << 55)

/* IA32_MCi_MISC, with MCG_SER_P */
#define MCI_MISC_LSB(misc)     ((unsigned)((misc)&0x3f)) /* lowest bit of the address */
#define MCI_MISC_MODE(misc)    ((unsigned)((misc) >> 6 & 7))
#define MCI_MISC_PHYSICAL      2u
#define MCI_MISC_IS(mode, lsb) ((uint64_t)(mode) << 6 | (lsb))

#endif
