/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of the machine's PCI cannot be told apart, or reach each other past the
 * IOMMU; and what its ports must do for that: Access Control Services (PCI Express Base
 * Specification 4.0, 6.12).
 */
#ifndef NESTOR_VTD_TOPOLOGY_H
#define NESTOR_VTD_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * All ports and functions that can send what they would send each other upwards, to the IOMMU,
 * do so from now on, as far as their configuration space is reached.
 */
void topology_separate(void);
/* The same of one, which was not there then. */
void topology_separate_function(uint16_t bdf);

/*
 * The group of a function: the same number for all that must not be different VMs'. NULL, or
 * why requests of this function are not known by its own number.
 */
const char *topology_group(uint16_t bdf, uint16_t *group);
/* That of a virtual function, which has this place, of a physical one. */
const char *topology_group_of_virtual(uint16_t physical, uint16_t bdf, uint16_t *group);

/*
 * Places behind the function's device number can be reached from now on, if its port and its
 * device can do that (alternative routing-IDs, 6.13). False: they cannot, or need not.
 */
bool topology_forward(uint16_t physical);
/* Whether requests for this place get to the device of the function. NULL, or why not. */
const char *topology_reaches(uint16_t physical, uint16_t bdf);

#endif
