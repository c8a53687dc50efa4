/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paging (SDM vol. 3A chapter 4 "Paging"): bits of entries, and the page-fault error code.
 */
#ifndef NESTOR_SPEC_PAGING_H
#define NESTOR_SPEC_PAGING_H

#include "lib/bits.h"

/* 4.3 to 4.5, formats of paging-structure entries */
#define PT_P       BIT64(0)
#define PT_RW      BIT64(1)
#define PT_US      BIT64(2)
#define PT_PWT     BIT64(3)
#define PT_PCD     BIT64(4)
#define PT_A       BIT64(5)
#define PT_D       BIT64(6)
#define PT_PS      BIT64(7)
#define PT_XD      BIT64(63)
#define PT_ADDRESS UINT64_C(0x000ffffffffff000)
#define PT_KEY(e)  ((unsigned)((e) >> 59 & 15)) /* of 4-level paging */

/* 4.6.2 "Protection Keys": the two bits that PKRU has for a key */
#define PKRU_BITS(pkru, key) ((pkru) >> 2 * (key)&3)
#define PKRU_AD              BIT(0)
#define PKRU_WD              BIT(1)

#define PT_ENTRIES 512u /* of 8 bytes */

/* 4.4.1 "PDPTE Registers" */
#define PDPTE_RESERVED 0x1e6ull /* and the bits above the physical-address width */
#define CR3_PDPT       0xffffffe0ull

/* 4.7 "Page-Fault Exceptions", the error code */
#define PF_PRESENT  BIT(0)
#define PF_WRITE    BIT(1)
#define PF_USER     BIT(2)
#define PF_RESERVED BIT(3)
#define PF_FETCH    BIT(4)
#define PF_KEY      BIT(5)

/* 11.3 "Methods of Caching Available": encodings in MTRRs, PAT, EPT and IA32_VMX_BASIC */
enum memory_type {
	MEMTYPE_UC = 0,
	MEMTYPE_WC = 1,
	MEMTYPE_WT = 4,
	MEMTYPE_WP = 5,
	MEMTYPE_WB = 6
};

#endif
