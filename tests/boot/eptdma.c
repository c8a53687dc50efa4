/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device writes a table of an EPT12: L1 reads it from its disk, with another page of L2's
 * memory in it each time, and invalidates. L2 must see that page, although no processor has
 * written the table. `translated`: through the VM's remapping unit, which passes all on.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "spec/virtio_blk.h"
#include "virtio_pci.h"
#include "vmx.h"
#include "vtd/vtd_unit.h"

#define ROUNDS  40u
#define PLACE   0x40000000ull /* of L2, behind what is mapped one to one */
#define SECTORS 8u            /* of a page */

static struct vio disk;
static struct vio_queue requests;
static struct virtio_blk_header header;
static volatile uint8_t status;
static struct ept ept;
static struct l2 l2;
static uint64_t seen __attribute__((used));

static bool transfer(uint32_t type, uint64_t sector, void *page)
{
	bool in = type == VIRTIO_BLK_T_IN;

	header = (struct virtio_blk_header){type, 0, sector};
	status = 0xff;
	requests.desc[0] =
		(struct virtio_desc){(uintptr_t)&header, sizeof(header), VIRTIO_DESC_NEXT, 1};
	requests.desc[1] = (struct virtio_desc){(uintptr_t)page, 4096,
		(uint16_t)(VIRTIO_DESC_NEXT | (in ? VIRTIO_DESC_WRITE : 0)), 2};
	requests.desc[2] = (struct virtio_desc){(uintptr_t)&status, 1, VIRTIO_DESC_WRITE, 0};
	vio_give(&requests, 0);
	vio_notify(&requests);
	while (requests.used[1] != requests.avail[1])
		;
	return status == VIRTIO_BLK_S_OK;
}

static void look(void)
{
	seen = *(volatile uint64_t *)PLACE;
}

static uint64_t look_in_l2(void)
{
	l2_restart(&l2, look);
	ept_use(&ept);
	seen = 0;
	(void)l2_run(&l2);
	return seen;
}

static void translate(void)
{
	unit_tables();
	unit_context_of((uint16_t)(disk.device << 3), 1, 4, VTD_TT_PASS, 0);
	unit_on(TRANSLATE);
}

int payload_main(void)
{
	uint64_t *pages[2] = {page_alloc(), page_alloc()}, *table;
	unsigned wrong = 0;

	if (!vio_find(&disk, VIRTIO_BLK) || !vio_negotiate_translated(&disk, 0) ||
		!vmx_supported() || !vmx_enable())
		return 1;
	vio_queue_start(&disk, &requests, 0, 16, VIO_POLLED);
	vio_start(&disk);
	if (cmdline_flag("translated"))
		translate();
	l2_setup(&l2, look);
	ept_init(&ept);
	ept_identity(&ept, PLACE, 2);
	for (unsigned i = 0; i < 2; i++) {
		pages[i][0] = 0x1111 * (i + 1);
		ept_map(&ept, PLACE, (uintptr_t)pages[i], 1, EPT_RWX | EPT_WB);
		table = (uint64_t *)((uintptr_t)ept_entry(&ept, PLACE, 1) & ~0xfffull);
		if (!transfer(VIRTIO_BLK_T_OUT, i * SECTORS, table))
			return 2;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned other = round % 2;

		if (!transfer(VIRTIO_BLK_T_IN, other * SECTORS, table))
			return 3;
		(void)invept_single(&ept);
		wrong += look_in_l2() != pages[other][0];
		wrong += look_in_l2() != pages[other][0];
	}
	print("tables from the disk: %u rounds, %u wrong\n", ROUNDS, wrong);
	return wrong == 0 ? 0 : 4;
}
