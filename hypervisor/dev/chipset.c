/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/chipset.h"

#include "dev/platform.h"
#include "spec/q35.h"

#define HOST_BDF   0
#define COMMAND_ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static void lpc_written(void *device, unsigned offset, unsigned size);

static const struct vpci_ops lpc_ops = {.config_written = lpc_written};

static const struct vpci_id lpc_id = {
	.bdf = Q35_LPC_BDF,
	.vendor = Q35_VENDOR_INTEL,
	.device = Q35_LPC,
	.class = 0x060100, /* PCI to ISA bridge */
	.subvendor = Q35_SUBVENDOR,
	.subsystem = Q35_SUBSYSTEM,
};

static const struct vpci_function *function(const struct platform *p, uint16_t bdf)
{
	const struct vpci_function *f = p->pci.functions;

	while (f->bdf != bdf || !f->present)
		f++; /* both are there from chipset_reset on */
	return f;
}

static unsigned pirq_register(unsigned pirq)
{
	return pirq < 4 ? LPC_PIRQ_A + pirq : LPC_PIRQ_E + pirq - 4;
}

static void reset_host(struct vpci_function *f)
{
	vpci_config_set(f, PCI_SUBVENDOR, 2, Q35_SUBVENDOR);
	vpci_config_set(f, PCI_SUBSYSTEM, 2, Q35_SUBSYSTEM);
	vpci_set_writable(f, MCH_PCIEXBAR,
		(uint32_t)(MCH_PCIEXBAR_BASE | MCH_PCIEXBAR_LENGTH | MCH_PCIEXBAR_ENABLE), 4);
	/* The low half of the first one does not exist. */
	vpci_set_writable(f, MCH_PAM, MCH_PAM_BITS & 0xf0u, 1);
	for (unsigned i = 1; i < MCH_PAM_COUNT; i++)
		vpci_set_writable(f, MCH_PAM + i, MCH_PAM_BITS, 1);
}

static void reset_lpc(struct vpci_function *f)
{
	vpci_config_set(f, PCI_COMMAND, 2, COMMAND_ON);
	vpci_set_writable(f, PCI_COMMAND, 0, 2);
	vpci_config_set(f, LPC_PMBASE, 4, VPM_PORT_EVENT | LPC_PMBASE_IO);
	vpci_config_set(f, LPC_ACPI_CONTROL, 1, LPC_ACPI_ENABLE);
	vpci_set_writable(f, LPC_RCBA, LPC_RCBA_BITS, 4);
	for (unsigned i = 0; i < VPCI_PIRQS; i++) {
		vpci_config_set(f, pirq_register(i), 1, vpci_pirq_line(i));
		vpci_set_writable(f, pirq_register(i), LPC_PIRQ_BITS, 1);
	}
}

void chipset_reset(struct platform *p)
{
	if (p->config.fwcfg != NULL)
		reset_host(&p->pci.functions[0]);
	reset_lpc(vpci_add(p, &lpc_id, &lpc_ops, p)); /* the second: there is room */
}

static uint8_t routed_line(const struct platform *p, unsigned pirq)
{
	uint32_t v = vpci_config_get(function(p, Q35_LPC_BDF), pirq_register(pirq), 1);

	if (v & LPC_PIRQ_OFF || !(LPC_PIRQ_LINES >> (v & LPC_PIRQ_LINE) & 1))
		return 0;
	return (uint8_t)(v & LPC_PIRQ_LINE);
}

static void lpc_written(void *device, unsigned offset, unsigned size)
{
	struct platform *p = device;

	(void)offset;
	(void)size;
	for (unsigned i = 0; i < VPCI_PIRQS; i++)
		if (p->pci.pirq[i] != routed_line(p, i))
			vpci_route(p, i, routed_line(p, i));
}

/* The interrupt controllers have their levels already. */
void chipset_put_back(struct platform *p)
{
	for (unsigned i = 0; i < VPCI_PIRQS; i++)
		p->pci.pirq[i] = routed_line(p, i);
}

uint64_t chipset_ecam(const struct platform *p)
{
	uint32_t bar;

	if (p->config.fwcfg == NULL)
		return DEV_ECAM_BASE;
	bar = vpci_config_get(function(p, HOST_BDF), MCH_PCIEXBAR, 4);
	/* RAM is what it is: vm/ asks for devices only where there is none. */
	return (bar & MCH_PCIEXBAR_ENABLE) && !(bar & MCH_PCIEXBAR_LENGTH)
		       ? bar & MCH_PCIEXBAR_BASE
		       : CHIPSET_NO_ECAM;
}
