/*
 * Conformance of EPT (SDM 28.2) with far more tables of L2 in use than a nested L0 has memory for: four
 * EPTs that share a page directory of many page tables, with different rights above it, used in turn.
 * What each allows and forbids must not depend on the others or on what was used before, and what L1
 * takes away must be away after INVEPT.
 */
#include "conf.h"

#define WINDOW 0x40000000ull
#define SLOTS  480u
#define EPTS   4u

/* Where L2 starts and how many parts of 2 MiB it touches. */
uint64_t sweep_from, sweep_count;

/* The access is the first instruction of the loop, of three bytes. */
#define SWEEP(access)                                                            \
	"mov sweep_from(%rip), %rbx\n\tmov sweep_count(%rip), %rcx\n1:\t" access \
	"\n\tadd $0x200000, %rbx\n\tdec %rcx\n\tjnz 1b"

L2_CODE(c_read, SWEEP("add (%rbx), %rax"));
L2_CODE(c_write, SWEEP("incq (%rbx)"));

static struct ept epts[EPTS];
static uint64_t *page;

static void sweep(
	const char *name, unsigned which, void (*code)(void), unsigned from, unsigned count)
{
	unsigned violations = 0;
	uint64_t seen = 0;

	sweep_from = WINDOW + from * SIZE_2M;
	sweep_count = count;
	l2_restart(&conf_l2, code);
	ept_use(&epts[which]);
	for (;;) {
		enum vmx_status s = l2_run(&conf_l2);

		if (s != VMX_OK) {
			conf_status(name, s);
			return;
		}
		if (vmread(VMCS_EXIT_REASON) != EXIT_EPT_VIOLATION)
			break;
		violations++;
		seen = seen * 31 + vmread(VMCS_EXIT_QUALIFICATION) +
		       vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
		vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + 3);
	}
	print("%s, EPT %u, %u from %u: exit %lu, %u violations (%lx), rax=%lx, memory=%lu\n",
		name, which, count, from, vmread(VMCS_EXIT_REASON), violations, seen,
		conf_l2.rax, page[0]);
}

/* One page table for all parts of the window; every third entry above it has fewer rights. */
static void make_epts(void)
{
	static const uint64_t rights[EPTS] = {EPT_RWX, EPT_R, EPT_R | EPT_X, EPT_R | EPT_W};
	static const uint64_t part[3] = {EPT_RWX, EPT_RWX, EPT_R};
	uint64_t *directory = page_alloc(), *table = page_alloc();

	page = page_alloc();
	for (unsigned i = 0; i < 512; i++) {
		table[i] = address_of(page) | EPT_RWX | EPT_WB;
		directory[i] = address_of(table) | part[i % 3];
	}
	for (unsigned i = 0; i < EPTS; i++) {
		ept_init(&epts[i]);
		ept_identity(&epts[i], 64ull << 20, 2);
		*ept_entry(&epts[i], WINDOW, 3) = address_of(directory) | rights[i];
	}
}

static void in_turn(unsigned step)
{
	for (unsigned from = 0; from < SLOTS; from += step)
		for (unsigned i = 0; i < EPTS; i++) {
			sweep("read", i, c_read, from, step);
			sweep("write", i, c_write, from, step);
		}
}

/* L1 takes the whole window away from one EPT, and from it only. */
static void take_away(unsigned which)
{
	uint64_t *entry = ept_entry(&epts[which], WINDOW, 3), old = *entry;

	sweep("before", which, c_read, 0, SLOTS);
	*entry = 0;
	conf_status("invept single", invept_single(&epts[which]));
	sweep("taken away", which, c_read, 0, SLOTS);
	sweep("another", (which + 1) % EPTS, c_read, 0, SLOTS);
	*entry = old;
	sweep("back", which, c_write, 0, SLOTS);
	*ept_entry(&epts[which], WINDOW + 7 * SIZE_2M, 2) ^= EPT_W;
	conf_status("invept global", invept_global());
	sweep("one part changed", which, c_write, 0, SLOTS);
}

int payload_main(void)
{
	conf_start();
	make_epts();
	for (unsigned i = 0; i < EPTS; i++) {
		sweep("read", i, c_read, 0, SLOTS);
		sweep("write", i, c_write, 0, SLOTS);
	}
	in_turn(120);
	in_turn(48);
	for (unsigned i = 0; i < EPTS; i++)
		take_away(i);
	return 0;
}
