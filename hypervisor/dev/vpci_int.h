/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of PCI: configuration space (vpci.c), addresses (vpci_bar.c), interrupts
 * (vpci_irq.c).
 */
#ifndef NESTOR_DEV_VPCI_INT_H
#define NESTOR_DEV_VPCI_INT_H

#include "dev/platform.h"
#include "dev/vpci.h"

static inline unsigned vpci_index(const struct vpci_function *f)
{
	return (unsigned)(f - f->platform->pci.functions);
}

static inline struct vpci_function_state *vpci_state_of(const struct vpci_function *f)
{
	return &f->platform->pci.s.f[vpci_index(f)];
}

/* Little-endian bytes; size up to 4, inside the space. */
static inline uint32_t vpci_get(const uint8_t *config, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)config[offset + i] << i * 8;
	return value;
}

static inline void vpci_put(uint8_t *config, unsigned offset, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++)
		config[offset + i] = (uint8_t)(value >> i * 8);
}

static inline uint32_t vpci_command(const struct vpci_function *f)
{
	return vpci_get(vpci_state_of(f)->config, PCI_COMMAND, 2);
}

/* The function in this place, or NULL. */
struct vpci_function *vpci_find(struct vpci *pci, uint16_t place);
/*
 * As after power-on: what the guest wrote is forgotten, and the device is told. The windows are
 * to be made anew.
 */
void vpci_reset_function(struct vpci_function *f);
/* Its two parts: what vpci has; the device. */
void vpci_forget_function(struct vpci_function *f);
void vpci_tell_reset(struct vpci_function *f);

/* ---- vpci_power.c ---- */

/* The capability of a function of this type, with these bits of device capabilities. */
bool vpci_add_express_of(struct vpci_function *f, uint32_t capable, uint32_t can);
/* The guest wrote there: a reset, or another power state than before. */
void vpci_power_written(struct vpci_function *f, bool slept);

/* ---- vpci_sriov.c ---- */

struct vpci_function *vpci_vf(const struct vpci_function *f, unsigned number);
/* Where this register's addresses of a virtual function are; false: it decodes none. */
bool vpci_vf_address(const struct vpci_function *f, unsigned bar, uint64_t *first);
/* The extended capabilities of a virtual function. */
void vpci_sriov_add_vf(struct vpci_function *f);
/* What the capability was before a write. */
struct vpci_sriov {
	uint32_t control, count, page;
};
struct vpci_sriov vpci_sriov_of(const struct vpci_function *f);
/* The guest wrote there: what it may not write is as before, and functions come and go. */
void vpci_sriov_written(struct vpci_function *f, unsigned offset, unsigned size,
	const struct vpci_sriov *before);
/* With the physical function: there are no virtual ones any more. */
void vpci_sriov_reset(struct vpci_function *f);
/* First addresses for virtual functions. */
void vpci_sriov_assign(struct vpci_function *f, uint64_t *memory);
/* Of a function that has or is one: whether it can be in this state. */
bool vpci_sriov_valid(const struct vpci_function *f, const struct vpci_state *s);

/* Bits of a base address register of this kind. */
uint32_t vpci_bar_flags(enum vpci_bar_kind kind);
bool vpci_bar_is_64(enum vpci_bar_kind kind);

/* What address windows there are follows from the configuration spaces. */
void vpci_update_windows(struct vpci *pci);
/* The same, and vCPUs that access some without exits hear of it. */
void vpci_windows_changed(struct platform *p);
/* Ports behind base address registers. */
bool vpci_bar_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);
bool vpci_bar_mmio(
	struct platform *p, uint64_t gpa, bool write, unsigned size, uint64_t *value);

/* Gives a function's base address registers addresses, and turns them on. */
void vpci_assign_function(struct vpci_function *f, uint64_t *port, uint64_t *memory);

/* Whether an access behind this base address register is one to the MSI-X structures. */
bool vpci_msix_access(struct vpci_function *f, unsigned bar, uint64_t offset, bool write,
	unsigned size, uint64_t *value);
/* Masks, enables or Interrupt Disable of this function may have changed. */
void vpci_update_interrupts(struct vpci_function *f);
bool vpci_msix_valid(const struct vpci_function *f, const struct vpci_function_state *s);

#endif
