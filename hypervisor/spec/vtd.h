/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA and interrupt remapping: registers, tables, descriptors, requests, and the ACPI table
 * that tells of units, as Intel's "Virtualization Technology for Directed I/O" (VT-d) has them
 * in legacy mode. What L0's driver, a VM's virtual unit and payloads share.
 */
#ifndef NESTOR_SPEC_VTD_H
#define NESTOR_SPEC_VTD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"

/* ---- VT-d "Register Descriptions": offsets; of 64 bits where the comment says so ---- */

#define VTD_REGISTERS_SIZE 0x1000u
#define VTD_REGISTERS_BASE UINT64_C(0xfed90000) /* on most PCs; the table DMAR says */

#define VTD_VER     0x00u
#define VTD_CAP     0x08u /* 64 */
#define VTD_ECAP    0x10u /* 64 */
#define VTD_GCMD    0x18u
#define VTD_GSTS    0x1cu
#define VTD_RTADDR  0x20u /* 64 */
#define VTD_CCMD    0x28u /* 64 */
#define VTD_FSTS    0x34u
#define VTD_FECTL   0x38u
#define VTD_FEDATA  0x3cu
#define VTD_FEADDR  0x40u
#define VTD_FEUADDR 0x44u
#define VTD_PMEN    0x64u
#define VTD_IQH     0x80u /* 64 */
#define VTD_IQT     0x88u /* 64 */
#define VTD_IQA     0x90u /* 64 */
#define VTD_ICS     0x9cu
#define VTD_IECTL   0xa0u
#define VTD_IEDATA  0xa4u
#define VTD_IEADDR  0xa8u
#define VTD_IEUADDR 0xacu
#define VTD_IQERCD  0xb0u /* 64 */
#define VTD_IRTA    0xb8u /* 64 */
/* In the IOTLB registers, whose place ECAP tells: */
#define VTD_IOTLB_IVA 0x00u /* 64 */
#define VTD_IOTLB_REG 0x08u /* 64 */

/* "Capability Register" */
#define VTD_CAP_DOMAINS(cap) (UINT32_C(1) << (4 + 2 * ((cap)&7)))
#define VTD_CAP_RWBF         BIT64(4)
#define VTD_CAP_PLMR         BIT64(5)
#define VTD_CAP_PHMR         BIT64(6)
#define VTD_CAP_CM           BIT64(7)
#define VTD_CAP_SAGAW(cap)   ((unsigned)((cap) >> 8) & 0x1f)
#define VTD_CAP_MGAW(cap)    ((unsigned)((cap) >> 16 & 0x3f) + 1) /* bits */
#define VTD_CAP_ZLR          BIT64(22)
#define VTD_CAP_FRO(cap)     ((unsigned)((cap) >> 24 & 0x3ff) * 16) /* offset */
#define VTD_CAP_2M           BIT64(34)
#define VTD_CAP_1G           BIT64(35)
#define VTD_CAP_PSI          BIT64(39)
#define VTD_CAP_NFR(cap)     ((unsigned)((cap) >> 40 & 0xff) + 1)
#define VTD_CAP_MAMV(cap)    ((unsigned)((cap) >> 48 & 0x3f))
#define VTD_CAP_DWD          BIT64(54)
#define VTD_CAP_DRD          BIT64(55)
#define VTD_CAP_PI           BIT64(59)
#define VTD_SAGAW_3          (UINT32_C(1) << 1) /* levels of tables */
#define VTD_SAGAW_4          (UINT32_C(1) << 2)
#define VTD_SAGAW_5          (UINT32_C(1) << 3)

/* ... as their values are put together */
#define VTD_CAP_ND_16BIT    UINT64_C(6) /* 2^16 domains */
#define VTD_CAP_SAGAW_SHIFT 8
#define VTD_CAP_MGAW_SHIFT  16 /* less one */
#define VTD_CAP_FRO_SHIFT   24 /* in units of 16 bytes; likewise IRO */
#define VTD_CAP_NFR_SHIFT   40 /* less one */
#define VTD_CAP_MAMV_SHIFT  48
#define VTD_ECAP_IRO_SHIFT  8
#define VTD_ECAP_MHMV_SHIFT 20
#define VTD_OFFSET_UNIT     16u
#define VTD_VERSION_1_0     0x10u

/* "Extended Capability Register" */
#define VTD_ECAP_C       BIT64(0) /* accesses to tables are coherent */
#define VTD_ECAP_QI      BIT64(1)
#define VTD_ECAP_DT      BIT64(2)
#define VTD_ECAP_IR      BIT64(3)
#define VTD_ECAP_EIM     BIT64(4) /* destinations of 32 bits */
#define VTD_ECAP_PT      BIT64(6)
#define VTD_ECAP_SC      BIT64(7)                            /* snoop control in page tables */
#define VTD_ECAP_IRO(e)  ((unsigned)((e) >> 8 & 0x3ff) * 16) /* of the IOTLB registers */
#define VTD_ECAP_MHMV(e) ((unsigned)((e) >> 20 & 15))
#define VTD_ECAP_SMTS    BIT64(43)

/* "Global Command Register", "Global Status Register" */
#define VTD_TE   (UINT32_C(1) << 31)
#define VTD_RTP  (UINT32_C(1) << 30) /* SRTP, RTPS */
#define VTD_FLP  (UINT32_C(1) << 29)
#define VTD_AFL  (UINT32_C(1) << 28)
#define VTD_WBF  (UINT32_C(1) << 27)
#define VTD_QIE  (UINT32_C(1) << 26)
#define VTD_IRE  (UINT32_C(1) << 25)
#define VTD_IRTP (UINT32_C(1) << 24) /* SIRTP, IRTPS */
#define VTD_CFI  (UINT32_C(1) << 23)
/* Those that stay as they are in GSTS, and must be written again with each command. */
#define VTD_STATES (VTD_TE | VTD_AFL | VTD_QIE | VTD_IRE | VTD_CFI)

/* "Context Command Register", "IOTLB Invalidate Register": granularities, in both and below */
#define VTD_GLOBAL 1u
#define VTD_DOMAIN 2u
#define VTD_DEVICE 3u /* of contexts */
#define VTD_PAGES  3u /* of the IOTLB */

#define VTD_CCMD_ICC         BIT64(63)
#define VTD_CCMD_CIRG_SHIFT  61
#define VTD_CCMD_CAIG_SHIFT  59
#define VTD_CCMD_FM_SHIFT    32
#define VTD_CCMD_SID_SHIFT   16
#define VTD_IOTLB_IVT        BIT64(63)
#define VTD_IOTLB_IIRG_SHIFT 60
#define VTD_IOTLB_IAIG_SHIFT 57
#define VTD_IOTLB_DR         BIT64(49)
#define VTD_IOTLB_DW         BIT64(48)
#define VTD_IOTLB_DID_SHIFT  32
#define VTD_IVA_IH           BIT64(6)

/* "Fault Status Register" */
#define VTD_PFO            (UINT32_C(1) << 0)
#define VTD_PPF            (UINT32_C(1) << 1)
#define VTD_IQE            (UINT32_C(1) << 4)
#define VTD_ICE            (UINT32_C(1) << 5)
#define VTD_ITE            (UINT32_C(1) << 6)
#define VTD_FSTS_FRI(fsts) ((unsigned)((fsts) >> 8 & 0xff))

/* "Protected Memory Enable Register" */
#define VTD_PMEN_ENABLE (UINT32_C(1) << 31)
#define VTD_PMEN_STATUS (UINT32_C(1) << 0)

/* "Fault Event Control Register", "Invalidation Event Control Register" */
#define VTD_EVENT_IM (UINT32_C(1) << 31)
#define VTD_EVENT_IP (UINT32_C(1) << 30)

/* "Invalidation Completion Status Register" */
#define VTD_IWC (UINT32_C(1) << 0)

/* "Invalidation Queue Address Register": 2^(8 + QS) descriptors of 16 bytes */
#define VTD_IQA_QS UINT64_C(7)
#define VTD_IQA_DW BIT64(11) /* of 32 bytes */

/* "Invalidation Queue Error Record Register": IQEI */
#define VTD_IQEI_TAIL     1u
#define VTD_IQEI_FETCH    2u
#define VTD_IQEI_TYPE     3u
#define VTD_IQEI_RESERVED 4u
#define VTD_IQEI_WIDTH    5u

/* "Interrupt Remapping Table Address Register": 2^(S + 1) entries */
#define VTD_IRTA_S(irta) (UINT32_C(2) << ((irta)&15))
#define VTD_IRTA_EIME    BIT64(11)

/* "Fault Recording Registers": 16 bytes each, the upper half */
#define VTD_FRCD_SIZE         16u
#define VTD_FRCD_F            BIT64(63)
#define VTD_FRCD_READ         BIT64(62) /* T: a read, with 0 a write */
#define VTD_FRCD_REASON(high) ((unsigned)((high) >> 32 & 0xff))
#define VTD_FRCD_REASON_SHIFT 32
#define VTD_FRCD_SOURCE(high) ((uint16_t)(high))

/* The index of a blocked interrupt request is in the fault information, from this bit on. */
#define VTD_FRCD_INDEX_SHIFT 48

/* Bits first to last, both inclusive. */
#define VTD_BITS(first, last) ((UINT64_MAX >> (63 - (last))) & (UINT64_MAX << (first)))

/* ---- "Root Entry", "Context Entry": 16 bytes each ---- */

#define VTD_ENTRY_SIZE         16u
#define VTD_ROOT_RESERVED      VTD_BITS(1, 11) /* in the lower half; all of the upper one */
#define VTD_CONTEXT_RESERVED   VTD_BITS(4, 11)
#define VTD_CONTEXT_RESERVED_2 (BIT64(7) | VTD_BITS(24, 63)) /* in the upper half */

#define VTD_PRESENT           BIT64(0)
#define VTD_ROOT_ADDRESS      (~UINT64_C(0xfff)) /* and within the width of host addresses */
#define VTD_CONTEXT_FPD       BIT64(1)
#define VTD_CONTEXT_TT(low)   ((unsigned)((low) >> 2 & 3))
#define VTD_CONTEXT_TT_SHIFT  2
#define VTD_TT_TABLES         0u
#define VTD_TT_DEVICE_TLB     1u
#define VTD_TT_PASS           2u
#define VTD_CONTEXT_AW(high)  ((unsigned)((high)&7)) /* levels less 2 */
#define VTD_CONTEXT_DID(high) ((uint16_t)((high) >> 8))
#define VTD_CONTEXT_DID_SHIFT 8

/* ---- "Second-Stage Paging Entries" ---- */

#define VTD_SL_READ      BIT64(0)
#define VTD_SL_WRITE     BIT64(1)
#define VTD_SL_RIGHTS    (VTD_SL_READ | VTD_SL_WRITE)
#define VTD_SL_LARGE     BIT64(7)
#define VTD_SL_SNOOP     BIT64(11) /* reserved without VTD_ECAP_SC */
#define VTD_SL_TRANSIENT BIT64(62) /* reserved without device TLBs */

/* ---- "Invalidation Queue": types of descriptors ---- */

#define VTD_INV_TYPE(low)        ((unsigned)((low)&15) | (unsigned)((low) >> 5 & 0x70))
#define VTD_INV_CONTEXT          1u
#define VTD_INV_IOTLB            2u
#define VTD_INV_DEVICE_TLB       3u
#define VTD_INV_IRTE             4u
#define VTD_INV_WAIT             5u
#define VTD_INV_GRANULARITY(low) ((unsigned)((low) >> 4 & 3)) /* of contexts and the IOTLB */
#define VTD_INV_G_SHIFT          4
#define VTD_INV_DID_SHIFT        16
#define VTD_INV_SID_SHIFT        32 /* of contexts; function mask at 48 */
#define VTD_INV_FM_SHIFT         48
#define VTD_INV_DW               BIT64(6) /* of the IOTLB: drain */
#define VTD_INV_DR               BIT64(7)
#define VTD_INV_AM               UINT64_C(0x3f) /* upper half of the IOTLB's: 2^AM pages */
#define VTD_INV_IH               BIT64(6)
#define VTD_INV_INDEX            BIT64(4) /* of interrupt entries: selective */
#define VTD_INV_IM_SHIFT         27       /* 2^IM entries from the index on */
#define VTD_INV_IIDX_SHIFT       32
#define VTD_WAIT_IF              BIT64(4) /* interrupt */
/* status write: data in bits 63:32, where in the upper half */
#define VTD_WAIT_SW         BIT64(5)
#define VTD_WAIT_FN         BIT64(6) /* fence */
#define VTD_WAIT_DATA_SHIFT 32
#define VTD_DESCRIPTOR_SIZE 16u

/* Reserved bits of descriptors, in the lower half and in the upper one. */
#define VTD_INV_CONTEXT_RESERVED (VTD_BITS(6, 8) | VTD_BITS(12, 15) | VTD_BITS(50, 63))
#define VTD_INV_IOTLB_RESERVED   (BIT64(8) | VTD_BITS(12, 15) | VTD_BITS(32, 63))
#define VTD_INV_IOTLB_RESERVED_2 VTD_BITS(7, 11)
#define VTD_INV_IRTE_RESERVED    (VTD_BITS(5, 8) | VTD_BITS(12, 26) | VTD_BITS(48, 63))
#define VTD_INV_WAIT_RESERVED    (VTD_BITS(7, 8) | VTD_BITS(12, 31))
#define VTD_INV_WAIT_RESERVED_2  UINT64_C(3)

/* ---- "Interrupt Requests", "Interrupt Remapping Table Entry": 16 bytes ---- */

/* Addresses of writes that are interrupt requests. */
#define VTD_MSI_FIRST          UINT64_C(0xfee00000)
#define VTD_MSI_END            UINT64_C(0xfef00000)
#define VTD_MSI_RANGE(address) ((address) >> 20 == 0xfee)
#define VTD_MSI_REMAPPABLE     (UINT32_C(1) << 4)
#define VTD_MSI_SHV            (UINT32_C(1) << 3) /* the data has a subhandle, which is added */
#define VTD_MSI_HANDLE(a)      ((unsigned)((a) >> 5 & 0x7fff) | (unsigned)((a) >> 2 & 1) << 15)
/* The same format in an entry of an IOAPIC: bit 48, handle in bits 63:49 and 11. */
#define VTD_RTE_REMAPPABLE BIT64(48)
#define VTD_RTE_HANDLE(e)  ((unsigned)((e) >> 49 & 0x7fff) | (unsigned)((e) >> 11 & 1) << 15)

#define VTD_IRTE_FPD          BIT64(1)
#define VTD_IRTE_DM           BIT64(2) /* logical */
#define VTD_IRTE_RH           BIT64(3)
#define VTD_IRTE_TM           BIT64(4) /* level */
#define VTD_IRTE_DLM(low)     ((unsigned)((low) >> 5 & 7))
#define VTD_IRTE_DLM_SHIFT    5
#define VTD_IRTE_URGENT       BIT64(14) /* of a posted one */
#define VTD_IRTE_IM           BIT64(15) /* posted */
#define VTD_IRTE_VECTOR(low)  ((uint8_t)((low) >> 16))
#define VTD_IRTE_VECTOR_SHIFT 16
#define VTD_IRTE_DST(low)     ((uint32_t)((low) >> 32)) /* of 8 bits: in 47:40 */
#define VTD_IRTE_DST_SHIFT    32
#define VTD_IRTE_SID(high)    ((uint16_t)(high))
#define VTD_IRTE_SQ(high)     ((unsigned)((high) >> 16 & 3))
#define VTD_IRTE_SQ_SHIFT     16
#define VTD_IRTE_SVT(high)    ((unsigned)((high) >> 18 & 3))
#define VTD_IRTE_SVT_SHIFT    18
/* Reserved bits of one that is not posted; destinations of 8 bits have more. */
#define VTD_IRTE_RESERVED      (VTD_BITS(12, 14) | VTD_BITS(24, 31))
#define VTD_IRTE_RESERVED_8BIT (VTD_BITS(32, 39) | VTD_BITS(48, 63))
#define VTD_IRTE_RESERVED_2    VTD_BITS(20, 63)
#define VTD_IRTE_DST_8BIT(low) ((uint8_t)((low) >> 40))
/* Of a posted one, with the address of its descriptor; its host width bounds that. */
#define VTD_IRTE_POSTED_RESERVED   (VTD_BITS(2, 7) | VTD_BITS(12, 13) | VTD_BITS(24, 37))
#define VTD_IRTE_POSTED_RESERVED_2 VTD_BITS(20, 31)
#define VTD_IRTE_PDA_LOW_SHIFT     38 /* bits 31:6 of it, from 38 on */
#define VTD_IRTE_PDA(low, high) \
	((low) >> VTD_IRTE_PDA_LOW_SHIFT << 6 | ((high)&VTD_BITS(32, 63)))
#define VTD_SVT_NONE   0u
#define VTD_SVT_SOURCE 1u /* with SQ: which of the function's bits do not count */
#define VTD_SVT_BUSES  2u /* from SID 15:8 to SID 7:0 */

/* ---- "BIOS Considerations": the table DMAR ---- */

#define DMAR_HEADER       48u /* of the table, with the two fields below */
#define DMAR_HOST_WIDTH   36u /* less one */
#define DMAR_FLAGS        37u
#define DMAR_FLAG_IR      0x1u
#define DMAR_FLAG_NO_X2   0x2u /* X2APIC_OPT_OUT */
#define DMAR_DRHD         0u   /* types of structures: 16 bits, then 16 of length */
#define DMAR_RMRR         1u
#define DMAR_ATSR         2u
#define DMAR_RHSA         3u
#define DMAR_ANDD         4u
#define DMAR_SATC         5u
#define DMAR_DRHD_SIZE    16u /* flags at 4, segment at 6, registers at 8 */
#define DMAR_DRHD_ALL     0x1u
#define DMAR_RMRR_SIZE    24u /* segment at 6, first at 8, last at 16 */
#define DMAR_SCOPE_SIZE   6u  /* type, length, 2 reserved, enumeration id, first bus; path */
#define DMAR_SCOPE_PCI    1u
#define DMAR_SCOPE_BRIDGE 2u
#define DMAR_SCOPE_IOAPIC 3u
#define DMAR_SCOPE_HPET   4u
#define DMAR_SCOPE_ACPI   5u

/* ---- why a request is blocked ---- */

enum vtd_reason {
	VTD_NO_FAULT = 0,
#define R(code, name, silenced, words) VTD_FAULT_##name = (code),
#include "spec/vtd_reasons.def"
#undef R
};

#endif
