/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of CR4.MCE of L2, which L0 never lets the processor have clear (SDM 25.1.3
 * "Instructions That Cause VM Exits Conditionally", 25.3 "MOV from CR4", "MOV to CR4"): what L2
 * reads, what it makes of the bit alone and with others, what exits, and what GUEST_CR4 has
 * afterwards.
 */
#include "conf.h"

#define CR4_ASSEMBLY(text) \
	"mov %cr4, %rax\n\t" text "\n\tmov %rax, %cr4\n\tmov %cr4, %rax\n\tvmcall"

L2_CODE(c_read, "mov %cr4, %rax\n\tvmcall");
L2_CODE(c_same, CR4_ASSEMBLY(""));
L2_CODE(c_set, CR4_ASSEMBLY("or $0x40, %rax"));
L2_CODE(c_clear, CR4_ASSEMBLY("and $~0x40, %rax"));
L2_CODE(c_toggle, CR4_ASSEMBLY("xor $0x40, %rax\n\tmov %rax, %cr4\n\txor $0x40, %rax"));
L2_CODE(c_with_tsd, CR4_ASSEMBLY("xor $0x44, %rax"));
L2_CODE(c_with_pge, CR4_ASSEMBLY("xor $0xc0, %rax"));
L2_CODE(c_with_vmxe, CR4_ASSEMBLY("xor $0x2040, %rax"));
L2_CODE(c_with_pae, CR4_ASSEMBLY("xor $0x60, %rax"));
L2_CODE(c_with_reserved, CR4_ASSEMBLY("xor $0x8040, %rax"));
L2_CODE(c_with_high, "mov %cr4, %rax\n\txor $0x40, %rax\n\tbts $40, %rax\n\tmov %rax, %cr4\n\t"
		     "mov %cr4, %rax\n\tvmcall");
L2_CODE(c_with_pcid, CR4_ASSEMBLY("xor $0x20040, %rax"));
/* Bits 11:0 of CR3 must be 0 then. */
L2_CODE(c_with_pcid_of_one,
	"mov %cr3, %rbx\n\tmov %rbx, %rcx\n\tor $0x8, %rcx\n\tmov %rcx, %cr3\n\t"
	"mov %cr4, %rax\n\txor $0x20040, %rax\n\tmov %rax, %cr4\n\tmov %cr4, %rax\n\tvmcall");
L2_CODE(c_from_rsp, "mov %rsp, %rbx\n\tmov %cr4, %rsp\n\txor $0x40, %rsp\n\tmov %rsp, %cr4\n\t"
		    "mov %rbx, %rsp\n\tmov %cr4, %rax\n\tvmcall");

/* What L2 begins with. */
static uint64_t mce;

static void p_none(void)
{
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	vmwrite(VMCS_GUEST_CR4, (vmread(VMCS_GUEST_CR4) & ~(uint64_t)CR4_MCE) | mce);
}

static void p_own(uint64_t mask, uint64_t shadow)
{
	p_none();
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, mask);
	vmwrite(VMCS_CR4_READ_SHADOW, shadow);
}

static void p_own_clear(void)
{
	p_own(CR4_MCE, 0);
}

static void p_own_set(void)
{
	p_own(CR4_MCE, CR4_MCE);
}

/* Not owned, so that it means nothing. */
static void p_shadow_alone(void)
{
	p_own(0, CR4_MCE);
}

static void p_own_tsd(void)
{
	p_own(CR4_TSD, CR4_TSD);
}

static void p_own_vmxe(void)
{
	p_own(CR4_VMXE, 0);
}

static void p_own_reserved(void)
{
	p_own(0x8000, 0x8000);
}

static void p_own_all(void)
{
	p_own(~0ull, 0x12345678);
}

static bool goes_on(uint32_t reason)
{
	return reason == EXIT_MTF || conf_default_handler(reason);
}

static void p_trap(void)
{
	p_none();
	ctl_set(VMCS_PROC_CONTROLS, PROC_MTF);
	conf_handler = goes_on;
}

static const struct conf_case cases[] = {
	{"read", c_read, p_none},
	{"read, with a shadow", c_read, p_shadow_alone},
	{"read, owned and shown as clear", c_read, p_own_clear},
	{"read, owned and shown as set", c_read, p_own_set},
	{"read, all owned", c_read, p_own_all},
	{"same", c_same, p_none},
	{"set", c_set, p_none},
	{"set, with a shadow", c_set, p_shadow_alone},
	{"set, owned and shown as clear", c_set, p_own_clear},
	{"set, owned and shown as set", c_set, p_own_set},
	{"clear", c_clear, p_none},
	{"clear, with a shadow", c_clear, p_shadow_alone},
	{"clear, owned and shown as clear", c_clear, p_own_clear},
	{"clear, owned and shown as set", c_clear, p_own_set},
	{"clear, all owned", c_clear, p_own_all},
	{"toggle", c_toggle, p_none},
	{"toggle, from RSP", c_from_rsp, p_none},
	{"with TSD", c_with_tsd, p_none},
	{"with TSD, owned", c_with_tsd, p_own_tsd},
	{"with PGE", c_with_pge, p_none},
	{"with VMXE", c_with_vmxe, p_none},
	{"with VMXE, owned", c_with_vmxe, p_own_vmxe},
	{"with PAE", c_with_pae, p_none},
	{"with a reserved bit", c_with_reserved, p_none},
	{"with a reserved bit, owned", c_with_reserved, p_own_reserved},
	{"with bit 40", c_with_high, p_none},
	{"with PCIDE", c_with_pcid, p_none},
	{"with PCIDE, CR3 not fit", c_with_pcid_of_one, p_none},
	{"traps", c_toggle, p_trap},
};

/* ---- PAE paging: whose PDPTEs it loads along with some bits ---- */

uint64_t l2mce_pdpt[4] __attribute__((aligned(32)));
uint64_t *l2mce_directory;

#define PAE_CODE(name, bits, first)                                                              \
	__asm__(".text\n.code32\n" #name ":\n\t" first "\n\tmov %cr4, %eax\n\txor $" bits        \
		", %eax\n\tmov %eax, %cr4\n\tmov 0x40100000, %ebx\n\tmov %cr4, %eax\n\tvmcall\n" \
		".code64\n");                                                                    \
	void name(void)

#define MAPS  "movl l2mce_directory, %ecx\n\tor $1, %ecx\n\tmovl %ecx, l2mce_pdpt + 8"
#define BREAK MAPS "\n\tmovl $7, l2mce_pdpt + 16" /* reserved bits */

PAE_CODE(pae_alone, "0x40", MAPS);
PAE_CODE(pae_with_pge, "0xc0", MAPS);
PAE_CODE(pae_alone_broken, "0x40", BREAK);
PAE_CODE(pae_with_pge_broken, "0xc0", BREAK);

static void p_pae(void)
{
	p_none();
	l2_protected_mode();
	vmwrite(VMCS_GUEST_CR0, CR0_PG | CR0_PE | CR0_NE | CR0_ET);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE | CR4_PAE | mce);
	for (uint64_t i = 0; i < 32; i++)
		l2mce_directory[i] = i * SIZE_2M | 0xe3;
	memset(l2mce_pdpt, 0, sizeof(l2mce_pdpt));
	l2mce_pdpt[0] = address_of(l2mce_directory) | 1;
	vmwrite(VMCS_GUEST_CR3, address_of(l2mce_pdpt));
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_PF));
}

static const struct conf_case pae_cases[] = {
	{"PAE paging, alone", pae_alone, p_pae},
	{"PAE paging, with PGE", pae_with_pge, p_pae},
	{"PAE paging, alone, a PDPTE is bad", pae_alone_broken, p_pae},
	{"PAE paging, with PGE, a PDPTE is bad", pae_with_pge_broken, p_pae},
};

/* ---- exits and entries in between: the field follows L2, and L2 the field ---- */

L2_CODE(c_rounds, "mov $3, %esi\n1:\tcpuid\n\tmov %cr4, %rax\n\txor $0x40, %rax\n\t"
		  "mov %rax, %cr4\n\tcpuid\n\tdec %esi\n\tjnz 1b\n\tmov %cr4, %rax\n\tvmcall");

static bool field_told(uint32_t reason)
{
	print("  field %lx\n", vmread(VMCS_GUEST_CR4));
	return conf_default_handler(reason);
}

static bool field_turned(uint32_t reason)
{
	uint64_t cr4 = vmread(VMCS_GUEST_CR4);

	print("  field %lx\n", cr4);
	vmwrite(VMCS_GUEST_CR4, cr4 ^ CR4_MCE);
	return conf_default_handler(reason);
}

/* L1 takes the bit and gives it back. */
static bool owner_turns(uint32_t reason)
{
	uint64_t mask = vmread(VMCS_CR4_GUEST_HOST_MASK);

	print("  field %lx\n", vmread(VMCS_GUEST_CR4));
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, mask ^ CR4_MCE);
	return conf_default_handler(reason);
}

static void p_told(void)
{
	p_none();
	conf_handler = field_told;
}

static void p_turned(void)
{
	p_none();
	conf_handler = field_turned;
}

static void p_owner_turns(void)
{
	p_none();
	conf_handler = owner_turns;
}

static const struct conf_case rounds[] = {
	{"rounds", c_rounds, p_told},
	{"rounds, L1 turns it", c_rounds, p_turned},
	{"rounds, L1 takes it and gives it back", c_rounds, p_owner_turns},
};

/* L2 begins with `guest`, L1 has `own`. */
static void run(const struct conf_case *c, uint64_t guest, uint64_t own)
{
	uint64_t cr4 = read_cr4();

	mce = guest;
	write_cr4((cr4 & ~(uint64_t)CR4_MCE) | own);
	conf_run_case(c);
	print("%s: from %lx in %lx: field %lx, L1's %lx\n", c->name, guest, own,
		vmread(VMCS_GUEST_CR4), read_cr4());
	write_cr4(cr4);
}

static void run_all(const struct conf_case *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned k = 0; k < 4; k++)
			run(&c[i], k & 1 ? CR4_MCE : 0, k & 2 ? CR4_MCE : 0);
}

int payload_main(void)
{
	conf_start();
	l2mce_directory = page_alloc();
	run_all(CASES(cases));
	run_all(CASES(pae_cases));
	run_all(CASES(rounds));
	return 0;
}
