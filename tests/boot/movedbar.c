/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A base address register moves to where pages of ones were mapped before, for L1 by an
 * instruction that L0 does not complete, for L2 by its code. Under Nestor only: with the option
 * rng=on the VM has a virtio device there.
 */
#include "pci.h"
#include "rt.h"
#include "vmx.h"

#define RNG        PCI_FUNCTION(0, 3, 0)
#define BAR0       0x10u
#define NUM_QUEUES 0x12u /* in the common configuration: virtio 1.2, 4.1.4.3 */
#define STEP       0x1000000u

static struct ept ept;
static struct l2 l2;
static uint32_t moved __attribute__((used));
static uint32_t seen __attribute__((used));

static unsigned queues(uint32_t bar)
{
	return *(volatile uint16_t *)(uintptr_t)(bar + NUM_QUEUES);
}

static void read_in_l2(void)
{
	seen = queues(moved);
}

static void fxsave_in_l2(void)
{
	__asm__ volatile("fxsave (%0)" : : "r"((uintptr_t)moved) : "memory");
}

static void run_l2(void (*code)(void))
{
	l2_restart(&l2, code);
	ept_use(&ept);
	(void)l2_run(&l2);
}

int payload_main(void)
{
	uint32_t bar = pci_read(RNG, BAR0) & ~0xfu;

	if (!vmx_supported() || !vmx_enable())
		return 1;
	write_cr4(read_cr4() | 0x200); /* OSFXSR */
	l2_setup(&l2, read_in_l2);
	ept_init(&ept);
	ept_identity(&ept, 0x100000000ull, 2);
	print("queues: %u\n", queues(bar));
	moved = bar + STEP;
	pci_write(RNG, BAR0, moved);
	print("at a fresh place: %u\n", queues(moved));
	moved += STEP;
	__asm__ volatile("fxsave (%0)" : : "r"((uintptr_t)moved) : "memory");
	pci_write(RNG, BAR0, moved);
	print("where L1 had touched: %u\n", queues(moved));
	moved += STEP;
	run_l2(fxsave_in_l2);
	pci_write(RNG, BAR0, moved);
	run_l2(read_in_l2);
	print("where L2 had touched: %u\n", seen);
	return 0;
}
