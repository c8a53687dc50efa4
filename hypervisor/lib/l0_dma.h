/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices of the machine may go on with that firmware has left running and no VM has: the
 * option dma=.
 */
#ifndef NESTOR_LIB_L0_DMA_H
#define NESTOR_LIB_L0_DMA_H

enum l0_dma {
	L0_DMA_STOP, /* they reach no memory: by the machine's IOMMU, or they are turned off */
	L0_DMA_LEAVE /* all, where no VM has a device behind an IOMMU */
};

#endif
