/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VPID and INVVPID (SDM 28.3, 30.3 "INVVPID"): operand checks, and that no
 * translation survives that must not. L2 has page tables of its own, in which L1 changes one
 * entry.
 */
#include "conf.h"

#define LINEAR 0x40000000ull /* mapped by the third PDPT slot's own directory and table */

static uint64_t *pml4, *pdpt, *directory, *table;
static uint64_t *page_a, *page_b;

L2_CODE(c_read, "1: mov 0x40000128, %eax\n\tvmcall\n\tjmp 1b");
L2_CODE(c_read_after_invlpg,
	"1: invlpg 0x40000128\n\tmov 0x40000128, %eax\n\tvmcall\n\tjmp 1b");
L2_CODE(c_reload,
	"1: mov %cr3, %rax\n\tmov %rax, %cr3\n\tmov 0x40000128, %eax\n\tvmcall\n\tjmp 1b");

static void operands(void)
{
	uint64_t d[2] = {1, 0};

	for (uint64_t type = 0; type < 6; type++)
		print("invvpid type %lu: %s\n", type, vmx_outcome(vmx_invvpid(type, d)));
	d[0] = 0;
	for (uint64_t type = 0; type < 4; type++)
		print("invvpid VPID 0, type %lu: %s\n", type,
			vmx_outcome(vmx_invvpid(type, d)));
	d[0] = 0x10001;
	for (uint64_t type = 0; type < 4; type++)
		print("invvpid reserved bits, type %lu: %s\n", type,
			vmx_outcome(vmx_invvpid(type, d)));
	d[0] = 1;
	d[1] = 1ull << 63;
	for (uint64_t type = 0; type < 4; type++)
		print("invvpid non-canonical address, type %lu: %s\n", type,
			vmx_outcome(vmx_invvpid(type, d)));
	__asm__ volatile(TRY_BEGIN "invvpid (%0), %1" TRY_END
			 :
			 : "r"(0xffff800000000000ull), "r"(1ull)
			 : "memory");
	print("invvpid unmapped descriptor: vector %d error %x\n", trap.vector, trap.error);
}

static void make_tables(void)
{
	pml4 = page_alloc();
	pdpt = page_alloc();
	directory = page_alloc();
	table = page_alloc();
	memcpy(pml4, boot_pml4, 4096);
	memcpy(pdpt, (const void *)(uintptr_t)(boot_pml4[0] & ~0xfffull), 4096);
	pml4[0] = address_of(pdpt) | 7;
	pdpt[LINEAR >> 30] = address_of(directory) | 7;
	directory[0] = address_of(table) | 7;
	page_a = page_alloc();
	page_b = page_alloc();
	page_a[0x128 / 8] = 0xaaaa;
	page_b[0x128 / 8] = 0xbbbb;
}

static void map(const uint64_t *page)
{
	table[0] = address_of(page) | 7;
}

static void begin(const char *name, void (*code)(void), uint16_t vpid)
{
	struct conf_case c = {name, code, NULL};

	map(page_a);
	l2_restart(&conf_l2, c.code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	vmwrite(VMCS_GUEST_CR3, address_of(pml4));
	if (vpid) {
		ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
		vmwrite(VMCS_VPID, vpid);
	}
	conf_run(name);
}

static void again(const char *name)
{
	l2_skip();
	conf_run(name);
}

static void invalidate(uint64_t type, uint64_t vpid)
{
	uint64_t d[2] = {vpid, LINEAR + 0x128};

	vmx_invvpid(type, d);
}

static void with_vpid(void)
{
	static const char *const names[] = {
		"address", "single", "all", "single keeping globals"};

	for (uint64_t type = 0; type < 4; type++) {
		char text[48];

		format_text(text, sizeof(text), "invvpid %s: before", names[type]);
		begin(text, c_read, 5);
		map(page_b);
		invalidate(type, 5);
		format_text(text, sizeof(text), "invvpid %s: after", names[type]);
		again(text);
	}
}

/* Without VPID every entry and exit flushes. */
static void without_vpid(void)
{
	begin("no VPID: before", c_read, 0);
	map(page_b);
	again("no VPID: after");
	table[0] = 0;
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	again("no VPID: unmapped");
}

/* L2's own invalidations work in both cases. */
static void by_l2(void)
{
	begin("L2 invlpg: before", c_read_after_invlpg, 6);
	map(page_b);
	again("L2 invlpg: after");
	begin("L2 CR3 load: before", c_reload, 6);
	map(page_b);
	again("L2 CR3 load: after");
}

/* Another VPID has no translations of this one's. */
static void two_vpids(void)
{
	begin("VPID 7", c_read, 7);
	map(page_b);
	vmwrite(VMCS_VPID, 8);
	again("VPID 8");
	vmwrite(VMCS_VPID, 7);
	invalidate(1, 7);
	again("VPID 7 invalidated");
}

/* L1's own translations are tagged apart from L2's. */
static void l1_keeps(void)
{
	volatile uint64_t *mine = page_a;

	begin("L1 and L2: L2", c_read, 9);
	print("L1 and L2: L1 reads %lx\n", mine[0x128 / 8]);
	invalidate(2, 9);
	print("L1 and L2: L1 reads %lx after invalidation\n", mine[0x128 / 8]);
}

int payload_main(void)
{
	conf_start();
	make_tables();
	operands();
	without_vpid();
	with_vpid();
	by_l2();
	two_vpids();
	l1_keeps();
	return 0;
}
