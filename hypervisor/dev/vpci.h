/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration space: mechanism 1 (0xcf8, 0xcfc) and ECAM, with the host bridge 00:00.0.
 *
 * Each function has 256 bytes of configuration space and a mask of the bits that a guest may
 * write. Absent functions read all ones.
 */
#ifndef NESTOR_DEV_VPCI_H
#define NESTOR_DEV_VPCI_H

#include <stdbool.h>
#include <stdint.h>

#define VPCI_FUNCTIONS   8
#define VPCI_CONFIG_SIZE 256

struct platform;

/* What a function is: configuration. */
struct vpci_function {
	uint16_t bdf; /* bus << 8 | device << 3 | function */
	bool present;
	uint8_t writable[VPCI_CONFIG_SIZE];
};

struct vpci_state {
	uint32_t address;                                 /* port 0xcf8 */
	uint8_t config[VPCI_FUNCTIONS][VPCI_CONFIG_SIZE]; /* zero where no function is */
};

struct vpci {
	struct vpci_state s;
	struct vpci_function functions[VPCI_FUNCTIONS];
};

void vpci_reset(struct platform *p);

/* One access to 0xcf8 (32 bits) or 0xcfc..0xcff. Narrow accesses to 0xcf8..0xcfb are not
 * claimed. */
bool vpci_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* One access to ECAM of 1, 2, 4 or 8 bytes. False when gpa is not in ECAM. */
bool vpci_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vpci_get_state(const struct vpci *pci, struct vpci_state *s);
bool vpci_valid_state(const struct vpci *pci, const struct vpci_state *s);
bool vpci_set_state(struct vpci *pci, const struct vpci_state *s);

#endif
