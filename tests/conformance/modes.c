/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of L2 in every processor mode (SDM 25, 26.3, 27.3): real, virtual-8086, protected
 * without paging, with 32-bit and PAE paging, compatibility and 64-bit mode at CPL 3, moves
 * between them, task switches. After each case the changed guest state is printed.
 */
#include "conf.h"

#define REAL_BASE 0x20000u
#define TSS_BUSY  0x0000020000000000ull

static struct ept ept;

extern const char real_exits[], real_exits_end[];
extern const char real_fault[], real_fault_end[];
extern const char real_to_protected[], real_to_protected_end[];
extern const char real_to_long[], real_to_long_end[];
extern const char real_kept[], real_kept_end[];
extern const char v86_code[], v86_code_end[];

/* 16-bit code, copied to REAL_BASE; offsets count from there. */
__asm__(".text\n.code16\n"
	"real_exits:\n\t"
	"mov $0x1234, %ax\n\tcpuid\n\tout %al, $0x80\n\tin $0xee, %al\n\tint $0x21\n\t"
	"mov $0x40, %si\n\tmov $0x99, %dx\n\toutsb %cs:(%si), %dx\n\tpushf\n\tpop %bx\n\t"
	"lgdtl (%esi)\n\tsmsw %cx\n\thlt\n\tvmcall\n"
	"real_handler:\n\t"
	"mov $0x2121, %di\n\tiret\n"
	"real_exits_end:\n"
	/* WRMSR of a wrong IA32_MTRR_DEF_TYPE: #GP; the handler's frame has no error code */
	"real_fault:\n\t"
	"mov $0x2ff, %ecx\n\tmov $0x0002, %eax\n\txor %edx, %edx\n\twrmsr\n\t"
	"real_fault_handler:\n\t"
	"pop %eax\n\tmov %sp, %cx\n\tvmcall\n"
	"real_fault_end:\n"
	"real_to_protected:\n\t"
	"cli\n\tlgdtl %cs:0x100\n\tmov %cr0, %eax\n\tor $1, %al\n\tmov %eax, %cr0\n\t"
	"ljmpl $0x18, $in_protected\n"
	"real_to_protected_end:\n"
	"real_to_long:\n\t"
	"cli\n\tlgdtl %cs:0x100\n\tmov %cr4, %eax\n\tor $0x20, %al\n\tmov %eax, %cr4\n\t"
	"mov $boot_pml4, %eax\n\tmov %eax, %cr3\n\tmov $0xc0000080, %ecx\n\trdmsr\n\t"
	"or $0x100, %eax\n\twrmsr\n\tmov %cr0, %eax\n\tor $0x80000001, %eax\n\tmov %eax, %cr0\n\t"
	"ljmpl $8, $in_long\n"
	"real_to_long_end:\n"
	/* protected mode with the code segment that real mode loaded, as option ROMs have it */
	"real_kept:\n\t"
	"cli\n\tlgdtl %cs:0x100\n\tljmp $0x2000, $(1f - real_kept)\n"
	"1:\tmov %cr0, %eax\n\tor $1, %al\n\tmov %eax, %cr0\n\tmov $0x10, %ax\n\tmov %ax, %es\n\t"
	"mov $0x70000, %edi\n\tmov $2, %ecx\n\tmov $0x99, %dx\n\taddr32 rep insb\n\tcpuid\n\tvmcall\n"
	"real_kept_end:\n"
	"v86_code:\n\t"
	"mov $7, %ax\n\tcpuid\n\tsti\n\tpushf\n\thlt\n\tvmcall\n"
	"v86_code_end:\n"
	".code32\n"
	"in_protected:\n\t"
	"mov $0x10, %eax\n\tmov %eax, %ds\n\tmov %eax, %ss\n\tmov $0x70000, %esp\n\tpush $0x1234\n\t"
	"cpuid\n\tmov $0x32323232, %eax\n\tvmcall\n"
	".code64\n"
	"in_long:\n\t"
	"mov $0x10, %eax\n\tmov %eax, %ss\n\tmov $0x70000, %esp\n\tmov %cr0, %r8\n\tcpuid\n\t"
	"mov $0x6464, %eax\n\tshl $32, %rax\n\tvmcall\n");

static struct table_pointer gdt_pointer(void)
{
	struct table_pointer p = {
		(uint16_t)(rt_gdt_end - (char *)rt_gdt - 1), address_of(rt_gdt)};

	return p;
}

static void place(const char *code, const char *end)
{
	struct table_pointer p = gdt_pointer();
	uint8_t *at = (uint8_t *)(uintptr_t)REAL_BASE;

	memset(at, 0x90, 0x200);
	memcpy(at, code, (size_t)(end - code));
	memcpy(at + 0x100, &p, 6);
}

static void use_unrestricted(void)
{
	ept_use(&ept);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
}

static void run(const char *name)
{
	conf_state_save();
	conf_run(name);
	conf_state_diff(name);
	print("%s: IA-32e guest %d\n", name,
		(vmread(VMCS_ENTRY_CONTROLS) & ENTRY_IA32E_GUEST) != 0);
}

static void begin(void (*code)(void))
{
	l2_restart(&conf_l2, code);
	conf_handler = conf_default_handler;
	conf_base = vmread(VMCS_GUEST_RIP);
}

static void real_mode(const char *name, const char *code, const char *end)
{
	begin(l2_done);
	conf_base = 0;
	use_unrestricted();
	place(code, end);
	l2_real_mode(REAL_BASE);
	run(name);
}

static void real_modes(void)
{
	extern const char real_handler[];
	uint32_t handler = (uint32_t)(real_handler - real_exits) | REAL_BASE << 12;

	__asm__ volatile("movl %0, 0x84" : : "r"(handler) : "memory");
	real_mode("real", real_exits, real_exits_end);
	real_mode("real to protected", real_to_protected, real_to_protected_end);
	real_mode("real to long", real_to_long, real_to_long_end);
}

static void real_faults(uint64_t bitmap)
{
	extern const char real_fault_handler[];
	uint32_t handler = (uint32_t)(real_fault_handler - real_fault) | REAL_BASE << 12;

	__asm__ volatile("movl %0, 0x34" : : "r"(handler) : "memory");
	begin(l2_done);
	conf_base = 0;
	use_unrestricted();
	place(real_fault, real_fault_end);
	l2_real_mode(REAL_BASE);
	vmwrite(VMCS_EXCEPTION_BITMAP, bitmap);
	run(bitmap ? "#GP in real mode, exit" : "#GP in real mode");
	print("stack: %lx\n", conf_l2.rcx & 0xffff);
}

static void io_and_tables(void)
{
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING);
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_DESC_TABLE_EXITING);
}

static void real_with_exits(const char *name, const char *code, const char *end)
{
	begin(l2_done);
	conf_base = 0;
	use_unrestricted();
	io_and_tables();
	place(code, end);
	l2_real_mode(REAL_BASE);
	run(name);
}

/* ---- protected mode ---- */

__asm__(".text\n.code32\n"
	"prot_plain:\n\t"
	"mov $0x5000, %eax\n\tcpuid\n\tmov %cr0, %ecx\n\tsgdt 0x1000(%ebx,%esi,2)\n\tpushl $5\n\t"
	"popl %eax\n\tvmcall\n"
	"prot_jump_task:\n\tljmpl $0x58, $0\n\tvmcall\n"
	"prot_call_task:\n\tlcall $0x58, $0\n\tvmcall\n"
	"prot_int_task:\n\tint $0x60\n\tvmcall\n"
	"prot_iret_task:\n\tpushfl\n\torl $0x4000, (%esp)\n\tpopfl\n\tiretl\n\tvmcall\n"
	"prot_ud_task:\n\tud2\n\tvmcall\n"
	"prot_cr3:\n\tmov %cr3, %eax\n\tmov %eax, %cr3\n\tmov 0x100000, %ebx\n\tmov $1, %eax\n\tvmcall\n"
	"prot_user:\n\tmov %ds, %eax\n\tcpuid\n\tmov %cs, %eax\n\tvmcall\n"
	".code64\n");

void prot_plain(void);
void prot_jump_task(void);
void prot_call_task(void);
void prot_int_task(void);
void prot_iret_task(void);
void prot_ud_task(void);
void prot_cr3(void);
void prot_user(void);

static uint8_t tss_a[0x68] __attribute__((aligned(128)));
static uint8_t tss_b[0x68] __attribute__((aligned(128)));
static uint64_t idt32[256] __attribute__((aligned(16)));

static void protected_begin(void (*code)(void))
{
	begin(code);
	use_unrestricted();
	l2_protected_mode();
}

static void protected_plain(void)
{
	protected_begin(prot_plain);
	run("protected");
	protected_begin(prot_plain);
	io_and_tables();
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, CR0_PG | CR0_PE);
	vmwrite(VMCS_CR0_READ_SHADOW, CR0_PG | CR0_PE);
	run("protected with exits");
}

static uint64_t tss_descriptor(const void *tss)
{
	uint64_t a = address_of(tss);

	return 0x0000890000000067ull | (a & 0xffffff) << 16 | (a & 0xff000000) << 32;
}

/* Task gates for vectors 6 and 0x60, to the second TSS. */
static void tasks_begin(void (*code)(void))
{
	const uint64_t gate = 0x0000e50000000000ull | (uint64_t)SEL_TSS32B << 16;
	uint32_t link = SEL_TSS32B;

	rt_gdt[SEL_TSS32A / 8] = tss_descriptor(tss_a) | TSS_BUSY;
	rt_gdt[SEL_TSS32B / 8] =
		tss_descriptor(tss_b) | (code == prot_iret_task ? TSS_BUSY : 0);
	memcpy(tss_a, &link, 4);
	idt32[VEC_UD] = gate;
	idt32[0x60] = gate;
	protected_begin(code);
	vmwrite(VMCS_GUEST_TR_SELECTOR, SEL_TSS32A);
	vmwrite(VMCS_GUEST_TR_BASE, address_of(tss_a));
	vmwrite(VMCS_GUEST_IDTR_BASE, address_of(idt32));
	vmwrite(VMCS_GUEST_IDTR_LIMIT, sizeof(idt32) - 1);
}

static void task_case(const char *name, void (*code)(void))
{
	tasks_begin(code);
	conf_run(name);
	if (vmread(VMCS_EXIT_REASON) == EXIT_TASK_SWITCH)
		print("%s: length %lu\n", name,
			code == prot_ud_task ? 0 : vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static void task_switches(void)
{
	task_case("task by jmp", prot_jump_task);
	task_case("task by call", prot_call_task);
	task_case("task by int", prot_int_task);
	task_case("task by iret", prot_iret_task);
	task_case("task by #UD", prot_ud_task);
	tasks_begin(prot_plain);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD);
	conf_run("task by injected #UD");
}

/* ---- paging ---- */

static uint64_t *pae_pdpt;
static uint32_t *pd32;

static void make_tables(void)
{
	const uint64_t *pdpt = (const uint64_t *)(uintptr_t)(boot_pml4[0] & ~0xfffull);

	pae_pdpt = page_alloc();
	pd32 = page_alloc();
	for (int i = 0; i < 4; i++)
		pae_pdpt[i] = (pdpt[i] & ~0xfffull) | 1;
	for (uint32_t i = 0; i < 1024; i++)
		pd32[i] = i << 22 | 0x87;
}

static void paging_begin(void (*code)(void), uint64_t cr3, uint64_t cr4)
{
	begin(code);
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	vmwrite(VMCS_GUEST_CR3, cr3);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE | cr4);
	vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_CODE32);
	vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
}

static void pdpte_fields(void)
{
	for (unsigned i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pae_pdpt[i]);
}

static void paging(void)
{
	paging_begin(prot_cr3, address_of(pd32), CR4_PSE);
	run("32-bit paging");
	paging_begin(prot_cr3, address_of(pd32), CR4_PSE);
	ept_use(&ept);
	run("32-bit paging, EPT");
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	conf_run("PAE paging"); /* the PDPTE fields are undefined after it (27.3.4) */
	pae_pdpt[3] |= 1ull << 5;
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	conf_run("PAE paging, bad PDPTE");
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	ept_use(&ept);
	pdpte_fields();
	vmwrite(VMCS_GUEST_PDPTE3, 0);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	run("PAE paging, EPT, bad PDPTE at CR3 load");
	pae_pdpt[3] &= ~(1ull << 5);
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	ept_use(&ept);
	pdpte_fields();
	run("PAE paging, EPT");
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	ept_use(&ept);
	pdpte_fields();
	vmwrite(VMCS_GUEST_PDPTE1, pae_pdpt[1] | 2);
	conf_run("PAE paging, EPT, bad PDPTE field");
	paging_begin(prot_cr3, address_of(pae_pdpt), CR4_PAE);
	ept_use(&ept);
	pdpte_fields();
	vmwrite(VMCS_GUEST_PDPTE1, 0);
	vmwrite(VMCS_GUEST_PDPTE2, 0);
	ctl_set(VMCS_PROC_CONTROLS, PROC_CR3_LOAD_EXITING);
	run("PAE paging, EPT, CR3 exits");
}

/* ---- CPL 3, virtual-8086, compatibility ---- */

L2_CODE(c_user_cpuid, "cpuid\n\tmov %cs, %eax\n\tvmcall");
L2_CODE(c_user_hlt, "hlt");
L2_CODE(c_user_rdmsr, "mov $0x10, %ecx\n\trdmsr");
L2_CODE(c_user_cr3, "mov %cr3, %rax");
L2_CODE(c_user_in, "in $0x80, %al");
L2_CODE(c_user_invlpg, "invlpg 0x1000");
L2_CODE(c_user_vmx, "vmread %rax, %rbx");
L2_CODE(c_user_rdtsc, "rdtsc");

static void at_cpl3(const char *name, void (*code)(void))
{
	begin(code);
	for (unsigned i = 0; i < 6; i++) {
		vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, i == 1 ? 0x2b : 0x23);
		ctl_set(VMCS_GUEST_ES_AR + 2 * i, 0x60);
	}
	ctl_set(VMCS_PROC_CONTROLS, PROC_UNCOND_IO_EXITING | PROC_INVLPG_EXITING |
					    PROC_CR3_STORE_EXITING | PROC_RDTSC_EXITING);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_UD));
	conf_run(name);
}

static void user_modes(void)
{
	at_cpl3("cpuid at CPL 3", c_user_cpuid);
	at_cpl3("hlt at CPL 3", c_user_hlt);
	at_cpl3("rdmsr at CPL 3", c_user_rdmsr);
	at_cpl3("mov cr3 at CPL 3", c_user_cr3);
	at_cpl3("in at CPL 3", c_user_in);
	at_cpl3("invlpg at CPL 3", c_user_invlpg);
	at_cpl3("vmread at CPL 3", c_user_vmx);
	at_cpl3("rdtsc at CPL 3", c_user_rdtsc);
}

static void virtual_8086(const char *name, uint64_t flags)
{
	paging_begin(l2_done, address_of(pd32), CR4_PSE);
	place(v86_code, v86_code_end);
	conf_base = 0;
	l2_virtual_8086(REAL_BASE);
	ctl_set(VMCS_GUEST_RFLAGS, flags);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	run(name);
}

static void compatibility(void)
{
	begin(prot_plain);
	vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_CODE32);
	vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	io_and_tables();
	run("compatibility mode");
}

int payload_main(void)
{
	conf_start();
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	make_tables();
	real_modes();
	real_with_exits("real with exits", real_exits, real_exits_end);
	real_with_exits("protected with real mode's code segment", real_kept, real_kept_end);
	real_faults(0);
	real_faults(BIT(VEC_GP));
	protected_plain();
	task_switches();
	paging();
	user_modes();
	virtual_8086("v86", 0);
	virtual_8086("v86 with IOPL 3", 0x3000);
	compatibility();
	return 0;
}
