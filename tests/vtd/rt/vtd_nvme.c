/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_nvme.h"

#include "rt.h"
#include "vtd_acpi.h"
#include "vtd_copier.h"
#include "vtd_pci.h"

#define ROOT_PORT   0x000c1b36u
#define CONTROLLER  0x00101b36u
#define WINDOW      0xd1000000u
#define WINDOW_SIZE 0x100000u
#define VF_PLACE    0xd1080000u

/* NVM Express, "Controller Registers" */
#define CC        0x14u
#define CC_ON     (1u | 6u << 16 | 4u << 20) /* entries of 64 and 16 bytes */
#define CSTS      0x1cu
#define CSTS_RDY  1u
#define AQA       0x24u
#define ASQ       0x28u
#define ACQ       0x30u
#define DOORBELLS 0x1000u
#define ENTRIES   32u
#define WAITS     50u
#define WAIT_US   1000u

#define IDENTIFY            6u
#define IDENTIFY_CONTROLLER 1u
#define VIRTUALIZATION      0x1cu
#define ASSIGN              8u
#define ONLINE              9u
#define QUEUES              0u
#define INTERRUPTS          (1u << 8)
#define SECONDARY           (1u << 16) /* the number of the first one */

/* "Single Root I/O Virtualization", extended capability 10h */
#define SRIOV         0x10u
#define SRIOV_CONTROL 8u
#define SRIOV_ENABLE  0x9u /* functions, and their memory */
#define SRIOV_COUNT   0x10u
#define SRIOV_PLACES  0x14u
#define SRIOV_BAR     0x24u

static bool ready(struct nvme *n, uint32_t wanted)
{
	for (unsigned i = 0; i < WAITS; i++) {
		if ((*reg32(n->registers, CSTS) & CSTS_RDY) == wanted)
			return true;
		rest(WAIT_US);
	}
	return false;
}

bool nvme_start(struct nvme *n, uint64_t commands_at, uint64_t answers_at)
{
	n->commands = page_alloc();
	n->answers = page_alloc();
	n->tail = 0;
	*reg32(n->registers, AQA) = (ENTRIES - 1) << 16 | (ENTRIES - 1);
	*reg64(n->registers, ASQ) = commands_at;
	*reg64(n->registers, ACQ) = answers_at;
	*reg32(n->registers, CC) = CC_ON;
	return ready(n, CSTS_RDY);
}

void nvme_stop(struct nvme *n)
{
	*reg32(n->registers, CC) = 0;
	(void)ready(n, 0);
}

bool nvme_find(struct nvme *n)
{
	uint16_t port;

	*n = (struct nvme){.number = 0};
	if (!pci_find(ROOT_PORT, &port))
		return false;
	pci_bridge_on(port, 1, WINDOW, WINDOW_SIZE);
	if (!pci_find(CONTROLLER, &n->bdf))
		return false;
	n->registers = pci_place(n->bdf, WINDOW);
	pci_on(n->bdf);
	nvme_stop(n); /* firmware may have read disks */
	return true;
}

/* Two turns of the queue at most: only the phase of the first one is looked for. */
static bool command(
	struct nvme *n, uint32_t opcode, uint64_t at, uint32_t dword10, uint32_t dword11)
{
	uint64_t *c = n->commands + 8 * n->tail;
	volatile uint32_t *answer = n->answers + 4 * n->tail;

	if (n->tail + 1 == ENTRIES)
		return false;
	memset(c, 0, 64);
	c[0] = opcode | (uint64_t)++n->number << 16;
	c[3] = at;
	c[5] = (uint64_t)dword11 << 32 | dword10;
	n->tail++;
	*reg32(n->registers, DOORBELLS) = n->tail;
	for (unsigned i = 0; i < WAITS && !(answer[3] & 1u << 16); i++)
		rest(WAIT_US);
	if (!(answer[3] & 1u << 16))
		return false;
	*reg32(n->registers, DOORBELLS + 4) = n->tail;
	return answer[3] >> 17 == 0;
}

bool nvme_identify(struct nvme *n, uint64_t at)
{
	return command(n, IDENTIFY, at, IDENTIFY_CONTROLLER, 0);
}

/* Configuration space in memory: the capability is beyond what ports reach. */
static volatile uint8_t *sriov(uint16_t bdf)
{
	const uint8_t *mcfg = acpi_table("MCFG");
	volatile uint8_t *config;
	unsigned at = 0x100;

	if (mcfg == NULL)
		return NULL;
	config = (volatile uint8_t *)(uintptr_t)((uint64_t)mcfg[44] | (uint64_t)mcfg[45] << 8 |
						 (uint64_t)mcfg[46] << 16 |
						 (uint64_t)mcfg[47] << 24) +
		 ((uintptr_t)bdf << 12);
	while (at != 0 && (*reg32(config, at) & 0xffff) != SRIOV)
		at = *reg32(config, at) >> 20;
	return at != 0 ? config + at : NULL;
}

bool nvme_virtual(struct nvme *n, struct nvme *vf)
{
	volatile uint8_t *c = sriov(n->bdf);

	if (c == NULL || !command(n, VIRTUALIZATION, 0, ASSIGN | QUEUES | SECONDARY, 2) ||
		!command(n, VIRTUALIZATION, 0, ASSIGN | INTERRUPTS | SECONDARY, 1))
		return false;
	*reg32(c, SRIOV_BAR) = VF_PLACE;
	*reg32(c, SRIOV_BAR + 4) = 0;
	*reg32(c, SRIOV_COUNT) = 1;
	*reg32(c, SRIOV_CONTROL) = SRIOV_ENABLE;
	*vf = (struct nvme){.bdf = (uint16_t)(n->bdf + (*reg32(c, SRIOV_PLACES) & 0xffff)),
		.registers = (volatile uint8_t *)(uintptr_t)VF_PLACE};
	rest(WAIT_US);
	pci_on(vf->bdf);
	return command(n, VIRTUALIZATION, 0, ONLINE | SECONDARY, 0);
}
