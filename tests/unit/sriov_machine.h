/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the machine with four virtual functions, for tests of dev/vpass: what it says and
 * does, and what nobody may do to it.
 */
#ifndef NESTOR_TESTS_SRIOV_MACHINE_H
#define NESTOR_TESTS_SRIOV_MACHINE_H

#include "fake_dev.h"
#include "pass_idle.h"
#include "pci_machine.h"

#include "dev/vpass_sriov.h"

#define PHYSICAL PCI_BDF(0, 2, 0)
#define AT       0x140u
#define VFS      4u
#define OFFSET   0x70u
#define WINDOW   UINT64_C(0x4000100000)
#define SIZE     0x10000u
#define MSIX_AT  0x70u
#define POWER_AT 0x90u
#define BDF      PCI_BDF(0, 20, 0) /* where the VM has it */
#define ECAM     (DEV_ECAM_BASE + ((uint64_t)BDF << 12))
#define PLACE    UINT64_C(0xc0100000)

static uint64_t last_address, last_value;

static bool appears(uint32_t bdf)
{
	const uint8_t *c = function_at(PHYSICAL)->config + AT;

	return bdf == PHYSICAL || (c[PCIE_SRIOV_CONTROL] & PCIE_SRIOV_ENABLE &&
					  bdf - PHYSICAL - OFFSET < c[PCIE_SRIOV_COUNT]);
}

/*
 * Whom the specification asks to leave alone until when: the device while it is reset or its
 * power state changes, its virtual functions after they came, each after its own reset, and
 * VF Enable after it was cleared.
 */
static struct {
	bool strict; /* else nobody looks at the clock */
	uint64_t device, virtual, off, one[VFS];
} alone;

static void look(uint32_t bdf, unsigned offset)
{
	if (!alone.strict)
		return;
	assert_true(bdf != PHYSICAL || offset - AT >= PCIE_SRIOV_SIZE || idle_now >= alone.off);
	assert_true(idle_now >= alone.device);
	if (bdf != PHYSICAL && bdf - PHYSICAL - OFFSET < VFS)
		assert_true(idle_now >= alone.virtual &&
			    idle_now >= alone.one[bdf - PHYSICAL - OFFSET]);
}

static void lose_all(void)
{
	struct pci_function *f = function_at(PHYSICAL);

	if (f->config[AT + PCIE_SRIOV_CONTROL] & PCIE_SRIOV_ENABLE)
		alone.off = idle_now + PCIE_SRIOV_OFF_MS;
	for (unsigned i = PCI_COMMAND; i < PCIE_CONFIG_SIZE; i++)
		if (i - POWER_AT - PCI_POWER_CONTROL >= 2)
			f->config[i] &= (uint8_t)~f->writable[i];
	put(f->config + AT + PCIE_SRIOV_PAGE, 1, 4);
}

/* What the device does then. */
static void wrote(uint16_t bdf, unsigned offset, uint32_t value, bool was_on, uint32_t power)
{
	const uint8_t *c = function_at(PHYSICAL)->config;
	bool on = c[AT + PCIE_SRIOV_CONTROL] & PCIE_SRIOV_ENABLE;

	if (!alone.strict)
		return;
	if (on && !was_on) {
		assert_true(idle_now >= alone.off);
		alone.virtual = idle_now + PCIE_SRIOV_ON_MS;
	} else if (was_on && !on) {
		alone.off = idle_now + PCIE_SRIOV_OFF_MS;
	}
	if (offset == EXPRESS_AT + PCI_EXPRESS_CONTROL && value & PCI_EXPRESS_FLR) {
		if (bdf != PHYSICAL) {
			alone.one[bdf - PHYSICAL - OFFSET] = idle_now + PCI_FLR_MS;
		} else {
			lose_all();
			alone.device = idle_now + PCI_FLR_MS;
		}
	}
	if (((c[POWER_AT + PCI_POWER_CONTROL] ^ power) & PCI_POWER_STATE) == 0)
		return;
	if (!(c[POWER_AT + PCI_POWER_CONTROL] & (PCI_POWER_STATE | PCI_POWER_KEEPS)))
		lose_all();
	alone.device = idle_now + PCI_POWER_MS;
}

uint32_t dev_pass_config_read(uint32_t bdf, unsigned offset, unsigned size)
{
	look(bdf, offset);
	return appears(bdf) || pci_count > 1 + VFS ? pci_get(bdf, offset, size)
						   : UINT32_MAX >> (4 - size) * 8;
}

void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	const uint8_t *c = function_at(PHYSICAL)->config;
	bool on = c[AT + PCIE_SRIOV_CONTROL] & PCIE_SRIOV_ENABLE;
	uint32_t power = c[POWER_AT + PCI_POWER_CONTROL];

	look(bdf, offset);
	assert_true(appears(bdf));
	pci_set(bdf, offset, size, value);
	wrote(bdf, offset, value, on, power);
}

uint64_t dev_pass_read(bool io, uint64_t address, unsigned size)
{
	(void)size;
	assert_false(io);
	last_address = address;
	return 0x1234;
}

void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value)
{
	(void)size;
	assert_false(io);
	last_address = address;
	last_value = value;
}

void dev_pass_listen(uint16_t bdf)
{
	(void)bdf;
	fail_msg("they have no pin");
}

struct vpass_message_to dev_pass_message_to(const struct vpass_function *f)
{
	return (struct vpass_message_to){MSI_ADDRESS_BASE, f->messages.first};
}

/* ---- the machine ---- */

static uint8_t *capability(void)
{
	return function_at(PHYSICAL)->config + AT;
}

static uint8_t *open_bits(void)
{
	return function_at(PHYSICAL)->writable + AT;
}

static void add_virtual(unsigned number)
{
	struct pci_function *f =
		add_function((uint16_t)(PHYSICAL + OFFSET + number), PCIE_TYPE_ENDPOINT);

	put(f->config, UINT32_MAX, 4);
	put(f->config + PCI_REVISION, 0x02000001, 4);
	put(f->config + PCI_SUBVENDOR, 0xcafe0000 + 0x1234, 4);
	put(f->writable + PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	put(f->config + EXPRESS_AT + PCI_EXPRESS_CAPABLE, PCI_EXPRESS_HAS_FLR, 4);
	put(f->writable + EXPRESS_AT + PCI_EXPRESS_CONTROL, 0xffff, 2);
	f->config[EXPRESS_AT + 1] = MSIX_AT;
	put(f->config + MSIX_AT, PCI_CAP_MSIX | 3u << 16, 4); /* 4 vectors */
	put(f->config + MSIX_AT + PCI_MSIX_TABLE, 0x1000, 4);
	put(f->config + MSIX_AT + PCI_MSIX_PENDING, 0x2000, 4);
	put(f->writable + MSIX_AT + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL, 2);
}

static int set_up(void **state)
{
	struct pci_function *f;

	(void)state;
	memset(&alone, 0, sizeof(alone));
	pci_count = 0;
	f = add_function(PHYSICAL, PCIE_TYPE_ENDPOINT);
	f->config[EXPRESS_AT + 1] = POWER_AT;
	put(f->config + EXPRESS_AT + PCI_EXPRESS_CAPABLE, PCI_EXPRESS_HAS_FLR, 4);
	put(f->writable + EXPRESS_AT + PCI_EXPRESS_CONTROL, 0xffff, 2);
	put(f->config + POWER_AT, PCI_CAP_POWER, 4);
	put(f->writable + POWER_AT + PCI_POWER_CONTROL, PCI_POWER_STATE, 2);
	put(f->config + PCI_COMMAND, 7, 2);
	put(f->writable + PCI_COMMAND, 0x407, 2);
	add_extended(f, PCIE_EXTENDED, 1, AT);
	add_extended(f, AT, PCIE_EXTENDED_SRIOV, 0);
	put(capability() + PCIE_SRIOV_INITIAL, VFS | VFS << 16, 4);
	put(capability() + PCIE_SRIOV_FIRST, OFFSET | 1u << 16, 4);
	put(capability() + PCIE_SRIOV_DEVICE, 0xbeef, 2);
	put(capability() + PCIE_SRIOV_PAGES, PCIE_SRIOV_PAGES_ALL, 4);
	put(capability() + PCIE_SRIOV_PAGE, 2, 4);
	put(capability() + PCIE_SRIOV_BAR, (uint32_t)WINDOW | PCI_BAR_64 | PCI_BAR_PREFETCH, 4);
	put(capability() + PCIE_SRIOV_BAR + 4, (uint32_t)(WINDOW >> 32), 4);
	put(open_bits() + PCIE_SRIOV_CONTROL,
		PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY | PCIE_SRIOV_ARI, 2);
	put(open_bits() + PCIE_SRIOV_COUNT, 0xffff, 2);
	put(open_bits() + PCIE_SRIOV_PAGE, PCIE_SRIOV_PAGES_ALL, 4);
	put(open_bits() + PCIE_SRIOV_BAR, ~(SIZE - 1), 4);
	put(open_bits() + PCIE_SRIOV_BAR + 4, UINT32_MAX, 4);
	for (unsigned i = 0; i < VFS; i++)
		add_virtual(i);
	return 0;
}

#endif
