/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of the TPR shadow and of virtualized APIC accesses (SDM 29.1, 29.3, 29.4), with
 * and without EPT: what is virtualized, which exits occur, what the virtual-APIC page holds
 * then.
 */
#include "conf.h"

#define ACCESS_PAGE 0x600000ull

static struct ept ept;
static uint32_t *virtual_apic;

L2_CODE(c_cr8, "mov $9, %eax\n\tmov %rax, %cr8\n\tmov %cr8, %rcx\n\tmov $2, %eax\n\t"
	       "mov %rax, %cr8\n\tmov %cr8, %rax");
L2_CODE(c_tpr, "movl $0x50, 0x600080\n\tmov 0x600080, %ecx\n\tmovl $0x10, 0x600080\n\t"
	       "mov 0x600080, %eax");
L2_CODE(c_read_id, "mov 0x600020, %eax");
L2_CODE(c_write_eoi, "movl $0, 0x6000b0");
L2_CODE(c_rmw, "lock orl $1, 0x6000f0");
L2_CODE(c_read_tpr_byte, "movb 0x600081, %al");
L2_CODE(c_push, "mov $0x600800, %esp\n\tpush %rax");
/* The APIC of L1 itself, which nothing keeps from this L2. */
L2_CODE(c_l1_version, "mov $0xfee00030, %ecx\n\tmov (%rcx), %eax");
L2_CODE(c_l1_tpr, "mov $0xfee00080, %ecx\n\tmovl $0x25, (%rcx)\n\tmov %cr8, %rax\n\t"
		  "shl $8, %eax\n\tor (%rcx), %eax\n\tmovl $0, (%rcx)");

static void shadow(uint32_t vtpr, uint32_t threshold)
{
	memset(virtual_apic, 0, 4096);
	virtual_apic[0x80 / 4] = vtpr;
	ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
	vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(virtual_apic));
	vmwrite(VMCS_TPR_THRESHOLD, threshold);
}

static void accesses(void)
{
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES);
	vmwrite(VMCS_APIC_ACCESS_ADDR, ACCESS_PAGE);
}

static void use_ept(void)
{
	ept_init(&ept);
	ept_identity(&ept, ACCESS_PAGE, 2);
	for (uint64_t a = ACCESS_PAGE; a < ACCESS_PAGE + 0x200000; a += 4096)
		ept_map(&ept, a, a, 1, EPT_RWX | EPT_WB);
	for (uint64_t a = ACCESS_PAGE + 0x200000; a < 0x4000000; a += 0x200000)
		ept_map(&ept, a, a, 2, EPT_RWX | EPT_WB);
	ept_use(&ept);
}

/* After TPR below threshold L2 goes on, with the threshold gone. */
static bool lower_threshold(uint32_t reason)
{
	if (reason != EXIT_TPR_BELOW_THRESHOLD)
		return conf_default_handler(reason);
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	return true;
}

static void p_shadow(void)
{
	shadow(0, 0);
}

static void p_threshold(void)
{
	shadow(0x70, 5);
	conf_handler = lower_threshold;
}

static void p_threshold_at_entry(void)
{
	shadow(0x30, 5);
}

static void p_threshold_at_entry_with_accesses(void)
{
	shadow(0x30, 5);
	accesses();
	conf_handler = lower_threshold;
}

static void p_shadow_cr8_exits(void)
{
	shadow(0, 0);
	ctl_set(VMCS_PROC_CONTROLS, PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
}

static void p_accesses(void)
{
	accesses();
}

static void p_accesses_shadow(void)
{
	shadow(0x20, 0);
	accesses();
}

static void p_accesses_threshold(void)
{
	shadow(0x70, 3);
	accesses();
	conf_handler = lower_threshold;
}

static void p_accesses_ept(void)
{
	accesses();
	use_ept();
}

static void p_accesses_shadow_ept(void)
{
	p_accesses_shadow();
	use_ept();
}

/* An event is delivered with its stack on the APIC-access page. */
static void p_event(void)
{
	accesses();
	vmwrite(VMCS_GUEST_RSP, ACCESS_PAGE + 0x800);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD);
}

static const struct conf_case cases[] = {
	{"CR8 with shadow", c_cr8, p_shadow},
	{"CR8 below threshold", c_cr8, p_threshold},
	{"CR8 exits with shadow", c_cr8, p_shadow_cr8_exits},
	{"TPR below threshold at entry", c_cr8, p_threshold_at_entry},
	{"TPR below threshold at entry, accesses", c_cr8, p_threshold_at_entry_with_accesses},
	{"access: read", c_read_id, p_accesses},
	{"access: write", c_write_eoi, p_accesses},
	{"access: rmw", c_rmw, p_accesses},
	{"access: TPR", c_tpr, p_accesses},
	{"access: push", c_push, p_accesses},
	{"access: event", c_read_id, p_event},
	{"access with shadow: TPR", c_tpr, p_accesses_shadow},
	{"access with shadow: threshold", c_tpr, p_accesses_threshold},
	{"access with shadow: read", c_read_id, p_accesses_shadow},
	{"access with shadow: byte beside TPR", c_read_tpr_byte, p_accesses_shadow},
	{"access, EPT: read", c_read_id, p_accesses_ept},
	{"access, EPT: write", c_write_eoi, p_accesses_ept},
	{"access, EPT: TPR", c_tpr, p_accesses_ept},
	{"access, EPT, shadow: TPR", c_tpr, p_accesses_shadow_ept},
	{"access, EPT, shadow: write", c_write_eoi, p_accesses_shadow_ept},
	{"L1's own: version", c_l1_version, NULL},
	{"L1's own: TPR and CR8", c_l1_tpr, NULL},
	{"L1's own: version, another access page", c_l1_version, p_accesses},
};

int payload_main(void)
{
	conf_start();
	virtual_apic = page_alloc();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf_run_case(&cases[i]);
		print("%s: VTPR %x\n", cases[i].name, virtual_apic[0x80 / 4]);
	}
	return 0;
}
