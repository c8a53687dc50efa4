/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of PCI Express with capabilities of both kinds, put together by tests; what is
 * written is as in hardware: the bits that can be.
 */
#ifndef NESTOR_TESTS_PCI_MACHINE_H
#define NESTOR_TESTS_PCI_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/pcie.h"

#include <cmocka.h>

#define PCI_MACHINE_MAX 32
#define EXPRESS_AT      0x40u
#define ACS_AT          0x148u
#define ARI_AT          0x160u

static struct pci_function {
	uint32_t bdf; /* PCI_SBDF */
	uint8_t config[PCIE_CONFIG_SIZE], writable[PCIE_CONFIG_SIZE];
} pci[PCI_MACHINE_MAX];
static unsigned pci_count, pci_reads;

static void put(uint8_t *at, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> i * 8);
}

static struct pci_function *function_at(uint32_t bdf)
{
	for (unsigned i = 0; i < pci_count; i++)
		if (pci[i].bdf == bdf)
			return &pci[i];
	return NULL;
}

static uint32_t pci_get(uint32_t bdf, unsigned offset, unsigned size)
{
	const struct pci_function *f = function_at(bdf);
	uint32_t v = 0;

	assert_true(offset % size == 0 && offset + size <= PCIE_CONFIG_SIZE);
	pci_reads++;
	if (f == NULL)
		return UINT32_MAX >> (4 - size) * 8;
	memcpy(&v, f->config + offset, size);
	return v;
}

static inline void pci_set(uint32_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	struct pci_function *f = function_at(bdf);

	assert_true(offset % size == 0 && offset + size <= PCIE_CONFIG_SIZE);
	for (unsigned i = 0; f != NULL && i < size; i++)
		f->config[offset + i] =
			(uint8_t)((f->config[offset + i] & ~f->writable[offset + i]) |
				  (value >> i * 8 & f->writable[offset + i]));
}

/* Of PCI Express, of a kind PCIE_TYPE_*. */
static inline struct pci_function *add_function(uint32_t bdf, unsigned type)
{
	struct pci_function *f = &pci[pci_count++];

	assert_true(pci_count <= PCI_MACHINE_MAX);
	memset(f, 0, sizeof(*f));
	f->bdf = bdf;
	put(f->config, 0x56781234, 4);
	f->config[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
	f->config[PCI_CAPABILITIES] = EXPRESS_AT;
	f->config[EXPRESS_AT] = PCI_CAP_EXPRESS;
	put(f->config + EXPRESS_AT + PCIE_CAPABLE, PCIE_VERSION | type << PCIE_TYPE_SHIFT, 2);
	return f;
}

static inline struct pci_function *add_port(
	uint16_t bdf, unsigned type, unsigned secondary, unsigned subordinate)
{
	struct pci_function *f = add_function(bdf, type);

	f->config[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	f->config[PCI_BRIDGE_SECONDARY] = (uint8_t)secondary;
	f->config[PCI_BRIDGE_SUBORDINATE] = (uint8_t)subordinate;
	return f;
}

static inline void add_extended(struct pci_function *f, unsigned at, uint32_t id, unsigned next)
{
	put(f->config + at, id | PCIE_EXTENDED_VERSION | PCIE_EXTENDED_NEXT(next), 4);
}

/* First in the list there is something else. */
static inline struct pci_function *add_acs(struct pci_function *f, uint32_t can)
{
	add_extended(f, PCIE_EXTENDED, 0x0001, ACS_AT);
	add_extended(f, ACS_AT, PCIE_EXTENDED_ACS, 0);
	put(f->config + ACS_AT + PCIE_ACS_CAPABLE, can, 2);
	put(f->writable + ACS_AT + PCIE_ACS_CONTROL, can | PCIE_ACS_DIRECT, 2);
	return f;
}

static inline void several(uint16_t bdf)
{
	function_at(bdf)->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
}

#endif
