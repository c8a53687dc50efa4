/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of VM entries and exits of a 32-bit L1 with 32-bit and PAE paging: checks that
 * forbid IA-32e mode (SDM 26.2.2, 26.2.4), host state that an exit loads (27.5.1 to 27.5.4),
 * paging modes that change by an exit, and L2s in real, virtual-8086 and protected mode with
 * each kind of paging.
 */
#include "apic.h"
#include "conf.h"

#define REAL_BASE  0x20000u
#define WINDOW     0x60000000u /* mapped by the second PDPTE */
#define MSR_DBGCTL 0x1d9

static struct ept ept;
static uint64_t *pdpt_b; /* a second PDPT: WINDOW at another place */
static uint8_t host_data[16] __attribute__((aligned(16))) = "host data";

extern const char real_code[], real_code_end[], v86_code[], v86_code_end[];

__asm__(".text\n.code16\n"
	"real_code:\n\t"
	"mov $0x1234, %ax\n\tcpuid\n\tout %al, $0x80\n\tmov $0x40, %si\n\tmov $0x99, %dx\n\t"
	"outsb %cs:(%si), %dx\n\taddr32 outsl %ds:(%esi), %dx\n\tmov %cr0, %eax\n\tor $1, %al\n\t"
	"mov %eax, %cr0\n\tnop\n\tmov %cr0, %ebx\n\tand $0xfe, %al\n\tmov %eax, %cr0\n\thlt\n\tvmcall\n"
	"real_code_end:\n"
	"v86_code:\n\tmov $7, %ax\n\tcpuid\n\tsti\n\tpushf\n\tvmcall\n"
	"v86_code_end:\n.code32\n");

L2_CODE(c_plain,
	"mov $0x5000, %eax\n\tcpuid\n\tmov %cr0, %ecx\n\tmov %cr4, %ebx\n\tmov %cr3, %eax");
L2_CODE(c_cr3, "mov %cr3, %eax\n\tmov %eax, %cr3\n\tmov 0x60000000, %eax");
L2_CODE(c_fault, "mov 0x50000000, %eax");
L2_CODE(c_ud, "ud2");
L2_CODE(c_int, "int $0x50\n\tmov $1, %eax");
L2_CODE(c_vmx, "mov $0x681e, %eax\n\tvmread %eax, %ecx\n\tvmread %eax, 4(%esp)\n\t"
	       "vmptrld %fs:8(%ebx,%ecx,4)\n\tvmwrite (%bx,%si), %edx\n\tvmclear -4(%bp)\n\t"
	       "invept 0x1234, %eax\n\tinvvpid (%edi), %ebx\n\tvmlaunch");
L2_CODE(c_io,
	"mov $0x60000010, %esi\n\tmov $0x60000020, %edi\n\tmov $0x99, %dx\n\toutsl\n\tinsb\n\t"
	"outsw %fs:(%si), %dx\n\tmov $2, %ecx\n\trep outsb");
L2_CODE(c_segments,
	"sgdt (%esp)\n\tlidt 8(%ebx,%esi,2)\n\tsldt %eax\n\tstr %gs:(%bx)\n\tltr %cx");
L2_CODE(c_change, "mov $0x23, %eax\n\tmov %eax, %ds\n\tmov %eax, %fs\n\txor %eax, %eax\n\t"
		  "mov %eax, %gs\n\tmov $0x48, %eax\n\tmov %eax, %es\n\tstd\n\tstc");
L2_CODE(c_loop, "1: jmp 1b");

static void begin(void (*code)(void))
{
	l2_restart(&conf_l2, code);
	conf_handler = conf_default_handler;
	conf_base = vmread(VMCS_GUEST_RIP);
}

/* What an exit made of L1's registers. */
static void print_host(const char *name)
{
	struct table_pointer gdtr, idtr;
	uint32_t flags, ds, es, fs, gs, ss, cs, tr, ldt, dr7, at_fs, at_ds, at_end;

	__asm__ volatile("pushfl\n\tpopl %0" : "=r"(flags));
	__asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdtr), "=m"(idtr));
	__asm__ volatile("movl %%ds, %0\n\tmovl %%es, %1\n\tmovl %%fs, %2\n\tmovl %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	__asm__ volatile("movl %%ss, %0\n\tmovl %%cs, %1\n\tstr %2\n\tsldt %3"
			 : "=r"(ss), "=r"(cs), "=r"(tr), "=r"(ldt));
	__asm__ volatile("movl %%dr7, %0" : "=r"(dr7));
	print("%s: cr0 %x cr3 %d cr4 %x efer %lx flags %x dr7 %x debugctl %lx\n", name,
		(uint32_t)read_cr0(), read_cr3() == vmread(VMCS_HOST_CR3), (uint32_t)read_cr4(),
		rdmsr(0xc0000080), flags & 0xfffc0f2a, dr7, rdmsr(MSR_DBGCTL));
	print("%s: ds %x es %x fs %x gs %x ss %x cs %x tr %x ldt %x gdt %x idt %x\n", name, ds,
		es, fs, gs, ss, cs, tr & 0xffff, ldt & 0xffff, gdtr.limit, idtr.limit);
	__asm__ volatile(TRY_BEGIN "movl %%fs:0, %0" TRY_END : "=r"(at_fs) : : "memory");
	__asm__ volatile("movl %%ds:0, %0" : "=r"(at_ds) : : "memory");
	print("%s: fs:0 %s vector %d\n", name,
		trapped() || at_fs == at_ds ? "as ds:0" : "other", trap.vector);
	__asm__ volatile("movl %0, %%fs" : : "r"(SEL_DATA));
	__asm__ volatile(TRY_BEGIN "movl %%es:(%1), %0" TRY_END
			 : "=r"(at_end)
			 : "r"(host_data + 4)
			 : "memory");
	print("%s: es %x vector %d sysenter %lx %lx %lx\n", name, trapped() ? 0 : at_end,
		trap.vector, rdmsr(0x174), rdmsr(0x175), rdmsr(0x176));
	__asm__ volatile("movl %0, %%es\n\tmovl %0, %%gs" : : "r"(SEL_DATA));
}

static void run(const char *name)
{
	conf_state_save();
	conf_run(name);
	conf_state_diff(name);
}

/* ---- host state ---- */

static void h_plain(void)
{
}

static void h_segments(void)
{
	vmwrite(VMCS_HOST_FS_BASE, address_of(host_data));
	vmwrite(VMCS_HOST_GS_BASE, 0x12345678);
	vmwrite(VMCS_HOST_DS_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_FS_SELECTOR, 0x20);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0x11223344);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0x55667788);
}

static void h_null(void)
{
	vmwrite(VMCS_HOST_ES_SELECTOR, 0);
	vmwrite(VMCS_HOST_FS_SELECTOR, 0);
	vmwrite(VMCS_HOST_GS_SELECTOR, 0);
}

static void h_cr(void)
{
	vmwrite(VMCS_HOST_CR0, read_cr0() | CR0_TS | CR0_MP | CR0_AM);
	vmwrite(VMCS_HOST_CR4, read_cr4() | BIT64(2) | CR4_PGE);
}

static void h_efer(void)
{
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_LOAD_EFER);
	vmwrite(VMCS_HOST_EFER, BIT64(11)); /* NXE */
}

static void h_no_efer(void)
{
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_SAVE_EFER);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
	vmwrite(VMCS_GUEST_EFER, 1); /* SCE: what the exit leaves */
}

static void h_debug(void)
{
	vmwrite(VMCS_GUEST_DR7, 0x401);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 0x8d5);
}

static void host_case(const char *name, void (*prepare)(void))
{
	begin(c_change);
	prepare();
	run(name);
	print_host(name);
	write_cr0(read_cr0() & ~CR0_TS);
	wrmsr(0xc0000080, 0);
}

static void host_states(void)
{
	host_case("plain", h_plain);
	host_case("segments", h_segments);
	host_case("null selectors", h_null);
	host_case("control registers", h_cr);
	host_case("EFER loaded", h_efer);
	host_case("EFER not loaded", h_no_efer);
	host_case("debug", h_debug);
}

/* ---- checks ---- */

static void check(const char *name, uint32_t field, uint64_t bits)
{
	begin(c_plain);
	ctl_set(field, bits);
	conf_status(name, l2_run(&conf_l2));
}

static void checks(void)
{
	check("IA-32e guest", VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	check("64-bit host", VMCS_EXIT_CONTROLS, EXIT_HOST_64);
	begin(c_plain);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	ctl_set(VMCS_EXIT_CONTROLS, EXIT_HOST_64);
	conf_status("IA-32e guest, 64-bit host", l2_run(&conf_l2));
	begin(c_plain);
	vmwrite(VMCS_HOST_SS_SELECTOR, 0);
	conf_status("null SS of host", l2_run(&conf_l2));
	check("PCIDE of host", VMCS_HOST_CR4, CR4_PCIDE);
	check("RPL of host ES", VMCS_HOST_ES_SELECTOR, 3);
	begin(c_plain);
	h_efer();
	vmwrite(VMCS_HOST_EFER, EFER_LME | EFER_LMA);
	conf_status("host EFER of IA-32e mode", l2_run(&conf_l2));
	vmwrite(VMCS_HOST_EFER, EFER_LME);
	conf_status("host EFER.LME", l2_run(&conf_l2));
	begin(c_plain);
	ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
	vmwrite(VMCS_GUEST_EFER, EFER_LME | EFER_LMA);
	conf_run("guest EFER of IA-32e mode");
	check("CR4.PCIDE of guest", VMCS_GUEST_CR4, CR4_PCIDE);
	begin(c_plain);
	vmwrite(VMCS_HOST_CR0, read_cr0() & ~CR0_PG);
	conf_status("host without paging", l2_run(&conf_l2));
	begin(c_plain);
	vmwrite(VMCS_GUEST_CR0, read_cr0() & ~CR0_PG);
	conf_run("guest without paging");
}

/* ---- guests ---- */

static void use_unrestricted(void)
{
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
}

static void place(const char *code, const char *end)
{
	memset((void *)REAL_BASE, 0x90, 0x200);
	memcpy((void *)REAL_BASE, code, (size_t)(end - code));
}

static void real_mode(void)
{
	begin(c_plain);
	conf_base = 0;
	use_unrestricted();
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING);
	place(real_code, real_code_end);
	l2_real_mode(REAL_BASE);
	run("real mode");
}

static void virtual_8086(const char *name, uint64_t flags)
{
	begin(c_plain);
	place(v86_code, v86_code_end);
	conf_base = 0;
	l2_virtual_8086(REAL_BASE);
	ctl_set(VMCS_GUEST_RFLAGS, flags);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	run(name);
}

static void g_paging32(void)
{
	vmwrite(VMCS_GUEST_CR3, (uintptr_t)boot_pd32);
	vmwrite(VMCS_GUEST_CR4, (read_cr4() | CR4_PSE) & ~CR4_PAE);
}

static void g_pae(void)
{
	vmwrite(VMCS_GUEST_CR3, address_of(pdpt_b));
	vmwrite(VMCS_GUEST_CR4, read_cr4() | CR4_PAE);
}

static void g_pae_ept(void)
{
	g_pae();
	ept_use(&ept);
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpt_b[i]);
}

static void g_protected(void)
{
	use_unrestricted();
	l2_protected_mode();
}

static void g_exits(void)
{
	ctl_set(VMCS_PROC_CONTROLS,
		PROC_UNCOND_IO_EXITING | PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_DESC_TABLE_EXITING);
}

static void g_vpid(void)
{
	g_pae();
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_VPID);
	vmwrite(VMCS_VPID, 1);
}

static const struct {
	const char *name;
	void (*prepare)(void);
} modes[] = {
	{"as L1", h_plain},
	{"32-bit paging", g_paging32},
	{"PAE paging", g_pae},
	{"PAE paging, EPT", g_pae_ept},
	{"PAE paging, VPID", g_vpid},
	{"no paging", g_protected},
};

static const struct {
	const char *name;
	void (*code)(void);
	uint32_t exceptions;
	bool exits;
} codes[] = {
	{"plain", c_plain, 0, false},
	{"CR3", c_cr3, 0, false},
	{"CR3 exits", c_cr3, 0, true},
	{"#PF", c_fault, BIT(VEC_PF), false},
	{"#UD", c_ud, BIT(VEC_UD), false},
	{"int n", c_int, 0, false},
	{"VMX", c_vmx, 0, false},
	{"I/O", c_io, 0, true},
	{"tables", c_segments, 0, true},
};

static void guests(void)
{
	char name[64];

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		for (unsigned k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
			begin(codes[k].code);
			modes[i].prepare();
			if (codes[k].exits)
				g_exits();
			vmwrite(VMCS_EXCEPTION_BITMAP, codes[k].exceptions);
			format_text(name, sizeof(name), "%s, %s", modes[i].name, codes[k].name);
			conf_run(name);
		}
	real_mode();
	virtual_8086("v86", 0);
	virtual_8086("v86 with IOPL 3", 0x3000);
}

/* ---- the paging mode of L1 changes by an exit ---- */

static void mode_by_exit(const char *name, const void *cr3, uint64_t cr4)
{
	begin(c_plain);
	vmwrite(VMCS_HOST_CR3, address_of(cr3));
	vmwrite(VMCS_HOST_CR4, cr4);
	conf_run(name);
	print("%s: cr3 %d cr4 %x window %x\n", name, read_cr3() == address_of(cr3),
		(uint32_t)read_cr4(), *(volatile uint32_t *)WINDOW);
	conf_status(name, vmx_vmptrld(address_of(conf_l2.vmcs)));
}

static void paging_modes_by_exit(void)
{
	uint64_t plain = read_cr4() & ~CR4_PAE, pae = plain | CR4_PAE;

	mode_by_exit("exit to PAE paging", boot_pdpt32, pae);
	mode_by_exit("exit to another PDPT", pdpt_b, pae);
	pdpt_b[1] = boot_pdpt32[1];
	print("PDPTE changed in memory: window %x\n", *(volatile uint32_t *)WINDOW);
	mode_by_exit("exit to 32-bit paging", boot_pd32, plain);
	mode_by_exit("exit to PAE paging again", boot_pdpt32, pae);
	pdpt_b[1] = address_of(pdpt_b) + 4096 + 1;
	mode_by_exit("exit to another PDPT again", pdpt_b, pae);
}

/* ---- events for L1 ---- */

static void interrupts(void)
{
	apic_write(APIC_SVR, SVR_ON);
	for (unsigned ack = 0; ack < 2; ack++) {
		begin(c_loop);
		ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
		ctl_set(VMCS_EXIT_CONTROLS, ack ? EXIT_ACK_INTR : 0);
		vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
		self_ipi(0x61);
		conf_run("interrupt");
		__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
		apic_eoi();
		print("interrupt: taken %u\n", interrupt_count[0x61]);
	}
}

/* String output by L1 itself: L0 walks L1's tables. */
static void string_output(void)
{
	static const char text[] = "string output\n";
	const char *from = text;
	uint32_t count = sizeof(text) - 1;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(0xe9) : "memory");
	print("rep outsb: %d left %u\n", from == text + sizeof(text) - 1, count);
}

static void make_tables(void)
{
	uint64_t *pd;

	pdpt_b = page_alloc();
	pd = page_alloc();
	memcpy(pdpt_b, boot_pdpt32, 32);
	memcpy(pd, (void *)(uintptr_t)(boot_pdpt32[1] & ~0xfffull), 4096);
	pd[WINDOW >> 21 & 511] = address_of(pages_alloc_2m()) | 0x87;
	((uint64_t *)(uintptr_t)(boot_pdpt32[1] & ~0xfffull))[WINDOW >> 21 & 511] =
		address_of(pages_alloc_2m()) | 0x87;
	boot_pd32[WINDOW >> 22] = 0x2400000 | 0x87;
	pages_alloc_2m();
	pages_alloc_2m();
	*(uint32_t *)0x2000000 = 0xbbbbbbbb;
	*(uint32_t *)0x2200000 = 0xaaaaaaaa;
	*(uint32_t *)0x2400000 = 0x32323232;
	pdpt_b[1] = address_of(pd) | 1;
	/* the page that only L1's first 64 MiB lack */
	((uint64_t *)(uintptr_t)(boot_pdpt32[1] & ~0xfffull))[0x50000000u >> 21 & 511] = 0;
	pd[0x50000000u >> 21 & 511] = 0;
	boot_pd32[0x50000000u >> 22] = 0;
}

int payload_main(void)
{
	make_tables();
	conf_start();
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	print("32-bit paging\n");
	host_states();
	checks();
	guests();
	interrupts();
	string_output();
	paging_modes_by_exit();
	print("PAE paging\n");
	host_states();
	checks();
	guests();
	interrupts();
	string_output();
	return 0;
}
