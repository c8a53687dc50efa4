/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMX instructions, capabilities and the set-up of an L2. EPT is in ept.c.
 */
#include "vmx.h"

#include "cpu.h"
#include "rt.h"
#include "smp.h"
#include "spec/vmx_caps.h"

extern char l2_exited[], l2_host_stack[];

static uint8_t regions[CPUS_MAX][4096] __attribute__((aligned(4096)));

#define FLAGS_OUT "=@ccc"(cf), "=@ccz"(zf)

static enum vmx_status status_of(bool cf, bool zf)
{
	if (trapped())
		return VMX_FAULT;
	if (cf)
		return VMX_FAIL_INVALID;
	return zf ? VMX_FAIL_VALID : VMX_OK;
}

#define VMX_MEMORY_INSN(name, mnemonic)                                     \
	enum vmx_status vmx_##name(uint64_t pa)                             \
	{                                                                   \
		bool cf, zf;                                                \
		__asm__ volatile(TRY_BEGIN mnemonic " %2" TRY_END:FLAGS_OUT \
				 : "m"(pa)                                  \
				 : "memory");                               \
		return status_of(cf, zf);                                   \
	}

#define VMX_PLAIN_INSN(name)                                                      \
	enum vmx_status vmx_##name(void)                                          \
	{                                                                         \
		bool cf, zf;                                                      \
		__asm__ volatile(TRY_BEGIN #name TRY_END:FLAGS_OUT : : "memory"); \
		return status_of(cf, zf);                                         \
	}

VMX_MEMORY_INSN(vmxon, "vmxon")
VMX_MEMORY_INSN(vmclear, "vmclear")
VMX_MEMORY_INSN(vmptrld, "vmptrld")
VMX_PLAIN_INSN(vmxoff)
VMX_PLAIN_INSN(vmlaunch)
VMX_PLAIN_INSN(vmresume)
VMX_PLAIN_INSN(vmcall)

enum vmx_status vmx_vmptrst(uint64_t *pa)
{
	bool cf, zf;

	__asm__ volatile(TRY_BEGIN "vmptrst %2" TRY_END : FLAGS_OUT, "+m"(*pa) : : "memory");
	return status_of(cf, zf);
}

enum vmx_status vmx_vmread(uint64_t field, uint64_t *value)
{
	bool cf, zf;
	unsigned long v = (unsigned long)*value;

	__asm__ volatile(TRY_BEGIN "vmread %3, %2" TRY_END
			 : FLAGS_OUT, "+r"(v)
			 : "r"((unsigned long)field)
			 : "memory");
	*value = v;
	return status_of(cf, zf);
}

enum vmx_status vmx_vmwrite(uint64_t field, uint64_t value)
{
	bool cf, zf;

	__asm__ volatile(TRY_BEGIN "vmwrite %3, %2" TRY_END:FLAGS_OUT
			 : "r"((unsigned long)field), "r"((unsigned long)value)
			 : "memory");
	return status_of(cf, zf);
}

#define VMX_INVALIDATE(name)                                                    \
	enum vmx_status vmx_##name(uint64_t type, const uint64_t descriptor[2]) \
	{                                                                       \
		bool cf, zf;                                                    \
		__asm__ volatile(TRY_BEGIN #name " (%2), %3" TRY_END:FLAGS_OUT  \
				 : "r"(descriptor), "r"((unsigned long)type)    \
				 : "memory");                                   \
		return status_of(cf, zf);                                       \
	}

VMX_INVALIDATE(invept)
VMX_INVALIDATE(invvpid)

const char *vmx_outcome(enum vmx_status s)
{
	static char text[40];

	switch (s) {
	case VMX_OK:
		return "ok";
	case VMX_FAIL_INVALID:
		return "VMfailInvalid";
	case VMX_FAIL_VALID:
		format_text(
			text, sizeof(text), "VMfailValid %lu", vmread(VMCS_INSTRUCTION_ERROR));
		return text;
	case VMX_FAULT:
		format_text(text, sizeof(text), "fault %d(%x)", trap.vector, trap.error);
		return text;
	default:
		return "fell through";
	}
}

/* A 32-bit payload reaches the upper half of a 64-bit field by another encoding. */
static bool in_halves(uint64_t field)
{
	return !RT_64BIT && vmcs_width((uint32_t)field) == VMCS_WIDTH_64;
}

uint64_t vmread(uint64_t field)
{
	uint64_t v = 0, high = 0;

	if (vmx_vmread(field, &v) != VMX_OK)
		return 0;
	if (in_halves(field) && vmx_vmread(field + 1, &high) == VMX_OK)
		v |= high << 32;
	return v;
}

void (*vmwrite_absent)(uint32_t field);

void vmwrite(uint64_t field, uint64_t value)
{
	enum vmx_status s = vmx_vmwrite(field, value);

	if (s == VMX_OK && in_halves(field))
		s = vmx_vmwrite(field + 1, value >> 32);
	if (s == VMX_OK)
		return;
	if (vmwrite_absent && s == VMX_FAIL_VALID &&
		vmread(VMCS_INSTRUCTION_ERROR) == VMERR_BAD_FIELD) {
		vmwrite_absent((uint32_t)field);
		return;
	}
	print("vmwrite %04lx <- %lx: %s\n", field, value, vmx_outcome(s));
	payload_exit(0x7e);
}

bool vmx_supported(void)
{
	return cpuid(1, 0).ecx & BIT(5);
}

bool vmx_enable(void)
{
	uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

	if (!(control & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_FEATURE_CONTROL,
			control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_NOT_SMX);
	write_cr4(read_cr4() | CR4_VMXE);
	*(uint32_t *)vmxon_region() = (uint32_t)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	return vmx_vmxon(address_of(vmxon_region())) == VMX_OK;
}

void *vmxon_region(void)
{
	return regions[cpu_index()];
}

void *vmcs_alloc(void)
{
	uint32_t *page = page_alloc();

	*page = (uint32_t)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	return page;
}

/* The TRUE capability MSR where the processor has it. */
static uint64_t control_caps(uint32_t msr)
{
	if (msr <= MSR_VMX_ENTRY && rdmsr(MSR_VMX_BASIC) & BIT64(55))
		msr += MSR_VMX_TRUE_PIN - MSR_VMX_PIN;
	return rdmsr(msr);
}

uint32_t vmx_adjust(uint32_t msr, uint32_t want)
{
	uint64_t caps = control_caps(msr);

	return (want & (uint32_t)(caps >> 32)) | (uint32_t)caps;
}

bool vmx_can(uint32_t msr, uint64_t want)
{
	uint64_t allowed;

	if (msr != MSR_VMX_PROC3)
		allowed = control_caps(msr) >> 32;
	else
		allowed = vmx_can(MSR_VMX_PROC, PROC_TERTIARY) ? rdmsr(MSR_VMX_PROC3) : 0;
	return (want & ~allowed) == 0;
}

void ctl_set(uint64_t field, uint64_t bits)
{
	vmwrite(field, vmread(field) | bits);
}

void ctl_clear(uint64_t field, uint64_t bits)
{
	vmwrite(field, vmread(field) & ~bits);
}

static void setup_controls(const struct l2 *g)
{
	vmwrite(VMCS_PIN_CONTROLS, vmx_adjust(MSR_VMX_PIN, 0));
	vmwrite(VMCS_PROC_CONTROLS,
		vmx_adjust(MSR_VMX_PROC,
			PROC_HLT_EXITING | PROC_USE_MSR_BITMAPS | PROC_SECONDARY));
	vmwrite(VMCS_PROC2_CONTROLS, vmx_adjust(MSR_VMX_PROC2, 0));
	vmwrite(VMCS_EXIT_CONTROLS, vmx_adjust(MSR_VMX_EXIT, RT_64BIT ? EXIT_HOST_64 : 0));
	vmwrite(VMCS_ENTRY_CONTROLS,
		vmx_adjust(MSR_VMX_ENTRY, RT_64BIT ? ENTRY_IA32E_GUEST : 0));
	vmwrite(VMCS_MSR_BITMAP, address_of(g->msr_bitmap));
	vmwrite(VMCS_IO_BITMAP_A, address_of(g->io_bitmap));
	vmwrite(VMCS_IO_BITMAP_B, address_of(g->io_bitmap) + 4096);
	vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	vmwrite(VMCS_PF_ERROR_MASK, 0);
	vmwrite(VMCS_PF_ERROR_MATCH, 0);
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	vmwrite(VMCS_TSC_OFFSET, 0);
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, 0);
	vmwrite(VMCS_CR4_GUEST_HOST_MASK, 0);
	vmwrite(VMCS_CR0_READ_SHADOW, 0);
	vmwrite(VMCS_CR4_READ_SHADOW, 0);
}

static void setup_host(void)
{
	vmwrite(VMCS_HOST_CR0, read_cr0());
	vmwrite(VMCS_HOST_CR3, read_cr3());
	vmwrite(VMCS_HOST_CR4, read_cr4());
	vmwrite(VMCS_HOST_CS_SELECTOR, SEL_CODE);
	vmwrite(VMCS_HOST_SS_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_DS_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_ES_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_FS_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_GS_SELECTOR, SEL_DATA);
	vmwrite(VMCS_HOST_TR_SELECTOR, SEL_TSS);
	vmwrite(VMCS_HOST_FS_BASE, 0);
	vmwrite(VMCS_HOST_GS_BASE, 0);
	vmwrite(VMCS_HOST_TR_BASE, address_of(rt_tss));
	vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	vmwrite(VMCS_HOST_RSP, address_of(l2_host_stack));
	vmwrite(VMCS_HOST_RIP, address_of(l2_exited));
}

static void setup_tables(void)
{
	struct table_pointer gdtr, idtr;

	__asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdtr), "=m"(idtr));
	vmwrite(VMCS_HOST_GDTR_BASE, gdtr.base);
	vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
	vmwrite(VMCS_GUEST_GDTR_BASE, gdtr.base);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, (uint64_t)(rt_gdt_end - (char *)rt_gdt) - 1);
	vmwrite(VMCS_GUEST_IDTR_BASE, idtr.base);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 256 * (RT_64BIT ? 16 : 8) - 1);
}

/* The six segment registers lie at steps of 2 in every group of fields: ES CS SS DS FS GS. */
static void set_segment(
	unsigned index, uint16_t selector, uint64_t base, uint32_t limit, uint32_t ar)
{
	vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * index, selector);
	vmwrite(VMCS_GUEST_ES_BASE + 2 * index, base);
	vmwrite(VMCS_GUEST_ES_LIMIT + 2 * index, limit);
	vmwrite(VMCS_GUEST_ES_AR + 2 * index, ar);
}

static void setup_guest_segments(void)
{
	for (unsigned i = 0; i < 6; i++)
		set_segment(i, SEL_DATA, 0, 0xffffffff, 0xc093);
	set_segment(1, SEL_CODE, 0, 0xffffffff, RT_64BIT ? 0xa09b : 0xc09b);
	set_segment(6, 0, 0, 0, SEG_AR_UNUSABLE);
	set_segment(7, SEL_TSS, address_of(rt_tss), 0x67, 0x8b);
}

static void setup_guest(struct l2 *g, uint64_t entry)
{
	uintptr_t *stack = (uintptr_t *)(void *)(g->stack + 4096);

	stack[-1] = (uintptr_t)l2_done;
	vmwrite(VMCS_GUEST_RSP, address_of(stack - 1));
	vmwrite(VMCS_GUEST_RIP, entry);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	vmwrite(VMCS_GUEST_CR0, read_cr0());
	vmwrite(VMCS_GUEST_CR3, read_cr3());
	vmwrite(VMCS_GUEST_CR4, read_cr4());
	vmwrite(VMCS_GUEST_DR7, 0x400);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
	vmwrite(VMCS_VMCS_LINK_POINTER, ~0ull);
	setup_guest_segments();
}

void l2_restart(struct l2 *g, void (*fn)(void))
{
	memset(g, 0, offsetof(struct l2, vmcs));
	memset(g->msr_bitmap, 0, 4096);
	memset(g->io_bitmap, 0, 8192);
	vmx_vmclear(address_of(g->vmcs));
	vmx_vmptrld(address_of(g->vmcs));
	setup_controls(g);
	setup_host();
	setup_tables();
	setup_guest(g, (uint64_t)(uintptr_t)fn);
}

void l2_setup(struct l2 *g, void (*fn)(void))
{
	g->vmcs = vmcs_alloc();
	g->msr_bitmap = page_alloc();
	g->io_bitmap = pages_alloc(2);
	g->stack = page_alloc();
	l2_restart(g, fn);
}

void l2_adopt(void)
{
	vmwrite(VMCS_HOST_CR3, read_cr3());
	vmwrite(VMCS_GUEST_CR3, read_cr3());
}

void l2_protected_mode(void)
{
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	vmwrite(VMCS_GUEST_CR0, CR0_PE | CR0_NE | CR0_ET);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
	vmwrite(VMCS_GUEST_CR3, 0);
	set_segment(1, SEL_CODE32, 0, 0xffffffff, 0xc09b);
}

void l2_real_mode(uint32_t base)
{
	ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
	vmwrite(VMCS_GUEST_CR0, CR0_NE | CR0_ET);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
	vmwrite(VMCS_GUEST_CR3, 0);
	for (unsigned i = 0; i < 6; i++)
		set_segment(i, (uint16_t)(base >> 4), base, 0xffff, i == 1 ? 0x9b : 0x93);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_RSP, 0x1000);
	vmwrite(VMCS_GUEST_IDTR_BASE, 0);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0x3ff);
}

void l2_virtual_8086(uint32_t base)
{
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_VM);
	for (unsigned i = 0; i < 6; i++)
		set_segment(i, (uint16_t)(base >> 4), base, 0xffff, 0xf3);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_RSP, 0x1000);
}

enum vmx_status l2_run(struct l2 *g)
{
	enum vmx_status s = (enum vmx_status)l2_enter(g);

	if (s == VMX_OK && !(vmread(VMCS_EXIT_REASON) & EXIT_REASON_ENTRY_FAILURE))
		g->launched = 1;
	return s;
}

void l2_skip(void)
{
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}
