/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended page tables (SDM 28.2 "The Extended Page Table Mechanism (EPT)"): pointer and
 * entries.
 */
#ifndef NESTOR_SPEC_EPT_H
#define NESTOR_SPEC_EPT_H

#include "spec/paging.h"

/* 24.6.11 "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_MEMTYPE_MASK 7ull
#define EPTP_WALK_MASK    (UINT64_C(7) << 3)
#define EPTP_WALK_4       (UINT64_C(3) << 3)
#define EPTP_AD           BIT64(6)
#define EPTP_RESERVED     0xf80ull /* and the bits above the physical-address width */

/* 28.2.2 "EPT Translation Mechanism": formats of EPT paging-structure entries */
#define EPT_READ      BIT64(0)
#define EPT_WRITE     BIT64(1)
#define EPT_EXEC      BIT64(2)
#define EPT_RWX       (EPT_READ | EPT_WRITE | EPT_EXEC)
#define EPT_MEMTYPE   (UINT64_C(7) << 3)
#define EPT_TYPE(t)   ((uint64_t)(t) << 3) /* enum memory_type */
#define EPT_WB        EPT_TYPE(MEMTYPE_WB)
#define EPT_IPAT      BIT64(6)
#define EPT_LARGE     BIT64(7)
#define EPT_ACCESSED  BIT64(8)
#define EPT_DIRTY     BIT64(9)
#define EPT_USER_EXEC BIT64(10) /* with mode-based execute control; ignored without */
#define EPT_CODE      BIT64(11) /* ignored in every format: L0's, see vmx/ept.h */
#define EPT_SUB_PAGE  BIT64(61) /* of 4 KiB pages, with sub-page write permissions */
#define EPT_NO_VE     BIT64(63) /* suppress #VE */
#define EPT_ADDRESS   PT_ADDRESS
#define EPT_RIGHTS    (EPT_RWX | EPT_USER_EXEC)

/*
 * "Sub-Page Permission Table" (newer than the pinned edition): four levels, of which the last
 * has no entries that lead on, but 64 bits of rights for a page of 4 KiB; bit 2i for the writes
 * of its sub-page i.
 */
#define SPP_VALID           BIT64(0)
#define SPP_RESERVED        (UINT64_C(0xfff) << 52 | 0xffe) /* and above the address width */
#define SPP_RIGHTS_RESERVED UINT64_C(0xaaaaaaaaaaaaaaaa)
#define SPP_SHIFT           7 /* of a sub-page's size, 128 bytes */
#define SPP_SIZE            (1u << SPP_SHIFT)
#define SPP_RIGHT(gpa)      BIT64(((gpa)&PAGE_MASK) >> SPP_SHIFT << 1)

#endif
