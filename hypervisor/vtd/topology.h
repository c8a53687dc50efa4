/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of the machine's PCI cannot be told apart, or reach each other past the
 * IOMMU.
 */
#ifndef NESTOR_VTD_TOPOLOGY_H
#define NESTOR_VTD_TOPOLOGY_H

#include <stdint.h>

/*
 * The group of a function: the same number for all that must not be different VMs'. NULL, or
 * why requests of this function are not known by its own number.
 */
const char *topology_group(uint16_t bdf, uint16_t *group);

#endif
