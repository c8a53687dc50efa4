/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of EPT (SDM 28.2) with far more tables of L2 in use than a nested L0 has memory
 * for: four EPTs that share a page directory of many page tables, each at two places with
 * different rights above it, used in turn. What each allows and forbids must not depend on the
 * others or on what was used before, and what L1 takes away must be away after INVEPT.
 */
#include "conf.h"

#define WINDOW 0x40000000ull
#define SLOTS  480u
#define OTHER  512u /* the first part at the second place */
#define LAST   160u
#define EPTS   4u

/* Where L2 starts, how many parts of 2 MiB it touches, and an address in between. */
uint64_t sweep_from, sweep_count, sweep_other;

/* The access is the first instruction of the loop, of three bytes. */
#define SWEEP(access)                                                            \
	"mov sweep_from(%rip), %rbx\n\tmov sweep_count(%rip), %rcx\n1:\t" access \
	"\n\tadd $0x200000, %rbx\n\tdec %rcx\n\tjnz 1b"

L2_CODE(c_read, SWEEP("add (%rbx), %rax"));
L2_CODE(c_write, SWEEP("incq (%rbx)"));

/*
 * In one go: an exit to L1 in between would make L0 forget. The last part read is written, too.
 */
L2_CODE(c_two_places, "mov sweep_from(%rip), %rbx\n\tadd (%rbx), %rax\n\t"
		      "mov sweep_other(%rip), %rdx\n\tadd (%rdx), %rax\n\t" SWEEP(
			      "add (%rbx), %rax") "\n\tsub $0x200000, %rbx\n\tincq (%rbx)");

static struct ept epts[EPTS];
static uint64_t *page;

struct swept {
	unsigned violations;
	uint64_t seen; /* depends on all of them */
	uint64_t exit;
};

/* L2 goes on after each violation. */
static struct swept run(unsigned which, void (*code)(void), unsigned from, unsigned count)
{
	struct swept r = {0, 0, 0};

	sweep_from = WINDOW + from * SIZE_2M;
	sweep_count = count;
	l2_restart(&conf_l2, code);
	ept_use(&epts[which]);
	while (l2_run(&conf_l2) == VMX_OK) {
		r.exit = vmread(VMCS_EXIT_REASON);
		if (r.exit != EXIT_EPT_VIOLATION)
			break;
		r.violations++;
		r.seen = r.seen * 31 + vmread(VMCS_EXIT_QUALIFICATION) +
			 vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
		vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + 3);
	}
	return r;
}

static void sweep(
	const char *name, unsigned which, void (*code)(void), unsigned from, unsigned count)
{
	struct swept r = run(which, code, from, count);

	print("%s, EPT %u, %u from %u: exit %lu, %u violations (%lx), rax=%lx, memory=%lu\n",
		name, which, count, from, r.exit, r.violations, r.seen, conf_l2.rax, page[0]);
}

/* One page table for all parts of the window; every third entry above it has fewer rights. */
static uint64_t *make_directory(void)
{
	static const uint64_t part[3] = {EPT_RWX, EPT_RWX, EPT_READ};
	uint64_t *directory = page_alloc(), *table = page_alloc();

	page = page_alloc();
	for (unsigned i = 0; i < 512; i++) {
		table[i] = address_of(page) | EPT_RWX | EPT_WB;
		directory[i] = address_of(table) | part[i % 3];
	}
	return directory;
}

static void make_ept(struct ept *e, const uint64_t *directory, unsigned which)
{
	static const uint64_t rights[EPTS] = {
		EPT_RWX, EPT_READ, EPT_READ | EPT_EXEC, EPT_READ | EPT_WRITE};
	static const uint64_t other[EPTS] = {
		EPT_READ, EPT_RWX, EPT_READ | EPT_WRITE, EPT_READ | EPT_EXEC};

	ept_init(e);
	ept_identity(e, 64ull << 20, 2);
	*ept_entry(e, WINDOW, 3) = address_of(directory) | rights[which];
	*ept_entry(e, WINDOW + OTHER * SIZE_2M, 3) = address_of(directory) | other[which];
}

static void in_turn(unsigned step)
{
	for (unsigned from = 0; from < SLOTS; from += step)
		for (unsigned i = 0; i < EPTS; i++) {
			sweep("read", i, c_read, from, step);
			sweep("write", i, c_write, from, step);
		}
}

/*
 * The bug this guards: the part for which tables ran out got rights of the other place, until
 * the next part was mapped.
 */
static void two_places(const uint64_t *directory, unsigned which)
{
	for (unsigned first = 0; first <= OTHER; first += OTHER) {
		unsigned violations = 0;

		sweep_other = WINDOW + (OTHER - first) * SIZE_2M;
		for (unsigned count = 1; count <= LAST; count++) {
			make_ept(&epts[which], directory, which);
			violations += run(which, c_two_places, first, count).violations;
		}
		print("two places, EPT %u, from %u: %u violations, memory=%lu\n", which, first,
			violations, page[0]);
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
	*ept_entry(&epts[which], WINDOW + 7 * SIZE_2M, 2) ^= EPT_WRITE;
	conf_status("invept global", invept_global());
	sweep("one part changed", which, c_write, 0, SLOTS);
}

int payload_main(void)
{
	const uint64_t *directory;

	conf_start();
	directory = make_directory();
	for (unsigned i = 0; i < EPTS; i++)
		make_ept(&epts[i], directory, i);
	for (unsigned i = 0; i < EPTS; i++) {
		sweep("read", i, c_read, 0, SLOTS);
		sweep("write", i, c_write, 0, SLOTS);
	}
	in_turn(120);
	in_turn(48);
	for (unsigned i = 0; i < EPTS; i++)
		two_places(directory, i);
	for (unsigned i = 0; i < EPTS; i++)
		take_away(i);
	return 0;
}
