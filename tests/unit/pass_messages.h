/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of the machine with MSI and MSI-X that a VM owns, and what must hold of it
 * whatever the VM does.
 */
#ifndef NESTOR_TESTS_PASS_MESSAGES_H
#define NESTOR_TESTS_PASS_MESSAGES_H

#include "fake_pass.h"

#define BAR        0xd0000000ull
#define HOST_BAR   0xf0000000ull
#define BAR_SIZE   0x8000u
#define HOST_TABLE (HOST_BAR + 0x2000)
#define HOST_BITS  0x4008u
#define HOST_MSI   0x50
#define HOST_MSIX  0x70
#define HOST_PCIE  0x90
#define HOST_POWER 0xd0
#define ENTRIES    40u /* in the machine */
#define FIRST      0x80u
#define MSIX       16u /* that the VM has */
#define MSI        8u

static struct vpass_function found;
static struct vpass pass;

/* flags: of MSI's control: 64-bit addresses, masks. */
static void make_host(uint32_t flags)
{
	memset(&host, 0, sizeof(host));
	set(host.config + PCI_VENDOR, 0x12348086, 4);
	set(host.config + PCI_COMMAND, 0x0010 << 16, 4);
	set(host.config + PCI_BAR, HOST_BAR, 4);
	set(host.config + PCI_BAR + 4, 0xc001, 4);
	host.config[PCI_CAPABILITIES] = HOST_MSI;
	host.config[PCI_INTERRUPT_PIN] = 1;
	set(host.config + HOST_MSI, PCI_CAP_MSI | HOST_MSIX << 8 | (flags | 4u << 1) << 16, 4);
	set(host.config + HOST_MSIX, PCI_CAP_MSIX | HOST_PCIE << 8 | (ENTRIES - 1) << 16, 4);
	set(host.config + HOST_MSIX + 4, 0x2000, 4);
	set(host.config + HOST_MSIX + 8, HOST_BITS, 4);
	set(host.mask + PCI_COMMAND, 0x547, 2);
	set(host.mask + PCI_BAR, ~(BAR_SIZE - 1), 4);
	set(host.mask + PCI_BAR + 4, 0xffc0, 4);
	set(host.mask + HOST_MSI + 2, 0x71, 2);
	memset(host.mask + HOST_MSI + 4, 0xff, 16);
	set(host.mask + HOST_MSIX + 2, 0xc000, 2);
	set(host.config + HOST_PCIE, PCI_CAP_EXPRESS | HOST_POWER << 8, 4);
	set(host.config + HOST_PCIE + PCI_EXPRESS_CAPABLE, PCI_EXPRESS_HAS_FLR, 4);
	set(host.config + HOST_POWER, PCI_CAP_POWER, 4);
	set(host.mask + HOST_POWER + PCI_POWER_CONTROL, PCI_POWER_STATE, 2);
	host.table_at = HOST_TABLE;
	host.target = 3;
	for (unsigned i = 0; i < ENTRIES; i++)
		host.table[i][3] = 1;
}

static inline void own(uint32_t flags, unsigned vectors)
{
	make_host(flags);
	fake_start(2);
	fake_enable_apics();
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_give_vectors(&found, FIRST, vectors);
	assert_true(vpass_add(&pass, &found, &machine, BDF));
	vpass_begin(&found);
	set_config(PCI_BAR, 4, BAR);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint32_t host_get(unsigned offset, unsigned size)
{
	return dev_pass_config_read(HOST_BDF, offset, size);
}

/* What the device would send leads to L0's vectors, all of them this function's. */
static void messages_are_l0s(void)
{
	uint32_t msi = host_get(HOST_MSI + 2, 2), msix = host_get(HOST_MSIX + 2, 2);
	bool wide = msi & PCI_MSI_64;
	uint32_t data = host_get(HOST_MSI + (wide ? 12 : 8), 2);

	assert_false(host.locked);
	assert_false(msi & PCI_MSI_ENABLE && msix & PCI_MSIX_ENABLE);
	if (msi & PCI_MSI_ENABLE) {
		assert_int_equal(host_get(HOST_MSI + 4, 4) & 0xfff00fff, MSI_ADDRESS_BASE);
		assert_true(!wide || host_get(HOST_MSI + 8, 4) == 0);
		assert_int_equal(data, FIRST);
		assert_true(1u << PCI_MSI_ENABLED(msi) <= found.messages.msi_count);
	}
	for (unsigned i = 0; msix & PCI_MSIX_ENABLE && i < ENTRIES; i++) {
		if (i >= found.messages.msix_count) {
			assert_int_equal(host.table[i][3], 1);
			continue;
		}
		assert_int_equal(host.table[i][0] & 0xfff00fff, MSI_ADDRESS_BASE);
		assert_int_equal(host.table[i][1], 0);
		assert_int_equal(host.table[i][2], FIRST + i);
	}
	if ((msi & PCI_MSI_ENABLE) || (msix & PCI_MSIX_ENABLE))
		assert_true(host_get(PCI_COMMAND, 2) & PCI_COMMAND_NOINTX);
}

static inline void hush(void)
{
	dev_pass_lock();
	vpass_hush(&found);
	dev_pass_unlock();
}

#endif
