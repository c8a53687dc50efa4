/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of every VMX instruction outside of VM entries and exits: order of checks, VMfail
 * numbers, launch state, field access (SDM chapter 30).
 */
#include "conf.h"

static void *vmcs_a, *vmcs_b;
static uint64_t operand[2];
static uint64_t scratch;

static void before_vmxon(void)
{
	uint64_t a = address_of(vmxon_region());

	conf_status("vmxon with CR4.VMXE clear", vmx_vmxon(a));
	conf_status("vmxoff outside operation", vmx_vmxoff());
	conf_status("vmclear outside operation", vmx_vmclear(a));
	conf_status("vmptrld outside operation", vmx_vmptrld(a));
	conf_status("vmptrst outside operation", vmx_vmptrst(&scratch));
	conf_status("vmread outside operation", vmx_vmread(VMCS_GUEST_RIP, &scratch));
	conf_status("vmwrite outside operation", vmx_vmwrite(VMCS_GUEST_RIP, 0));
	conf_status("vmlaunch outside operation", vmx_vmlaunch());
	conf_status("vmresume outside operation", vmx_vmresume());
	conf_status("vmcall outside operation", vmx_vmcall());
	conf_status("invept outside operation", vmx_invept(2, operand));
	conf_status("invvpid outside operation", vmx_invvpid(2, operand));
}

static void vmxon_operands(void)
{
	uint32_t *region = vmxon_region();
	uint64_t a = address_of(region);
	uint32_t revision = (uint32_t)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;

	if (!(rdmsr(MSR_FEATURE_CONTROL) & 1))
		wrmsr(MSR_FEATURE_CONTROL, 5);
	wrmsr_try(MSR_FEATURE_CONTROL, 5);
	print("write of locked IA32_FEATURE_CONTROL: vector %d\n", trap.vector);
	write_cr4(read_cr4() | CR4_VMXE);
	*region = revision;
	conf_status("vmxon misaligned", vmx_vmxon(a + 1));
	conf_status("vmxon beyond physical width", vmx_vmxon(a | 1ull << 60));
	*region = revision + 1;
	conf_status("vmxon bad revision", vmx_vmxon(a));
	*region = revision | 0x80000000;
	conf_status("vmxon shadow bit", vmx_vmxon(a));
	*region = revision;
	conf_status("vmxon", vmx_vmxon(a));
	conf_status("vmxon without current VMCS", vmx_vmxon(a));
	write_cr4_try(read_cr4() & ~CR4_VMXE);
	print("clear CR4.VMXE in operation: vector %d\n", trap.vector);
	write_cr0_try(read_cr0() & ~CR0_NE);
	print("clear CR0.NE in operation: vector %d\n", trap.vector);
}

static void no_current_vmcs(void)
{
	operand[0] = 0;
	conf_status("vmread without current VMCS", vmx_vmread(VMCS_GUEST_RIP, &scratch));
	conf_status("vmread bad field without VMCS", vmx_vmread(0x7ffe, &scratch));
	conf_status("vmwrite without current VMCS", vmx_vmwrite(VMCS_GUEST_RIP, 0));
	conf_status("vmlaunch without current VMCS", vmx_vmlaunch());
	conf_status("vmresume without current VMCS", vmx_vmresume());
	conf_status("vmcall in root without VMCS", vmx_vmcall());
	scratch = 0;
	conf_status("vmptrst without current VMCS", vmx_vmptrst(&scratch));
	print("vmptrst value: %lx\n", scratch);
	conf_status("invept bad type without VMCS", vmx_invept(77, operand));
	conf_status("invvpid bad type without VMCS", vmx_invvpid(77, operand));
}

static void pointers(void)
{
	uint64_t a = address_of(vmcs_a), on = address_of(vmxon_region());

	conf_status("vmptrld not cleared yet", vmx_vmptrld(a));
	conf_status("vmclear", vmx_vmclear(a));
	conf_status("vmptrld", vmx_vmptrld(a));
	conf_status("vmptrst", vmx_vmptrst(&scratch));
	print("vmptrst gives pointer: %d\n", scratch == a);
	conf_status("vmxon in root", vmx_vmxon(on));
	conf_status("vmxon in root misaligned", vmx_vmxon(on + 1));
	conf_status("vmclear misaligned", vmx_vmclear(a + 8));
	conf_status("vmclear beyond physical width", vmx_vmclear(a | 1ull << 55));
	conf_status("vmclear of VMXON region", vmx_vmclear(on));
	conf_status("vmptrld misaligned", vmx_vmptrld(a + 0x800));
	conf_status("vmptrld beyond physical width", vmx_vmptrld(a | 1ull << 63));
	conf_status("vmptrld of VMXON region", vmx_vmptrld(on));
	conf_status("vmptrst still works", vmx_vmptrst(&scratch));
	print("vmptrst still gives pointer: %d\n", scratch == a);
	*(uint32_t *)vmcs_b += 1;
	conf_status("vmptrld bad revision", vmx_vmptrld(address_of(vmcs_b)));
	*(uint32_t *)vmcs_b -= 1;
	conf_status("vmclear of current", vmx_vmclear(a));
	vmx_vmptrst(&scratch);
	print("vmptrst after vmclear of current: %lx\n", scratch);
	conf_status("vmread after vmclear of current", vmx_vmread(VMCS_GUEST_RIP, &scratch));
}

static void two_vmcss(void)
{
	vmx_vmclear(address_of(vmcs_a));
	vmx_vmclear(address_of(vmcs_b));
	vmx_vmptrld(address_of(vmcs_a));
	vmwrite(VMCS_GUEST_RIP, 0x1111);
	vmwrite(VMCS_TSC_OFFSET, 0x2222);
	vmx_vmptrld(address_of(vmcs_b));
	vmwrite(VMCS_GUEST_RIP, 0x3333);
	vmwrite(VMCS_TSC_OFFSET, 0x4444);
	vmx_vmptrld(address_of(vmcs_a));
	print("first VMCS keeps: %lx %lx\n", vmread(VMCS_GUEST_RIP), vmread(VMCS_TSC_OFFSET));
	vmx_vmclear(address_of(vmcs_b));
	print("after clearing the other: %lx\n", vmread(VMCS_GUEST_RIP));
	vmx_vmptrld(address_of(vmcs_b));
	print("second VMCS keeps: %lx %lx\n", vmread(VMCS_GUEST_RIP), vmread(VMCS_TSC_OFFSET));
	vmx_vmclear(address_of(vmcs_a));
	vmx_vmclear(address_of(vmcs_b));
	vmx_vmptrld(address_of(vmcs_a));
	print("kept through vmclear: %lx %lx\n", vmread(VMCS_GUEST_RIP),
		vmread(VMCS_TSC_OFFSET));
}

static void launch_states(void)
{
	vmx_vmclear(address_of(vmcs_a));
	vmx_vmptrld(address_of(vmcs_a));
	conf_status("vmresume of clear VMCS", vmx_vmresume());
	vmwrite(VMCS_PIN_CONTROLS, 0xffffffff);
	conf_status("vmlaunch with bad controls", vmx_vmlaunch());
	conf_status("vmlaunch again", vmx_vmlaunch());
	l2_restart(&conf_l2, l2_done);
	conf_status("l2 launch", l2_run(&conf_l2));
	conf_exit("l2 launch");
	conf_status("vmlaunch of launched VMCS", vmx_vmlaunch());
	conf_status("vmxoff and on keeps nothing", vmx_vmxoff());
	conf_status("vmread after vmxoff", vmx_vmread(VMCS_GUEST_RIP, &scratch));
	vmx_vmxon(address_of(vmxon_region()));
	vmx_vmptrst(&scratch);
	print("pointer after vmxon: %lx\n", scratch);
	conf_l2.launched = 0;
	vmx_vmclear(address_of(conf_l2.vmcs));
	vmx_vmptrld(address_of(conf_l2.vmcs));
	conf_status("launch after vmclear", l2_run(&conf_l2));
}

/*
 * Does the processor offer the control that a field belongs to (column `exists` of the table)?
 */
static bool field_offered(unsigned word, unsigned bit)
{
	static const uint32_t msr[] = {[EXISTS_PIN] = MSR_VMX_PIN,
		[EXISTS_PROC] = MSR_VMX_PROC,
		[EXISTS_PROC2] = MSR_VMX_PROC2,
		[EXISTS_PROC3] = MSR_VMX_PROC3,
		[EXISTS_EXIT] = MSR_VMX_EXIT,
		[EXISTS_ENTRY] = MSR_VMX_ENTRY};

	if (word == EXISTS_ALWAYS)
		return true;
	if (word == EXISTS_VMFUNC)
		return vmx_can(MSR_VMX_PROC2, PROC2_ENABLE_VMFUNC) && rdmsr(MSR_VMX_VMFUNC) & 1;
	return vmx_can(msr[word], BIT(bit));
}

static bool field_writable(uint32_t encoding)
{
	return vmcs_type(encoding) != VMCS_TYPE_INFO || rdmsr(MSR_VMX_MISC) & BIT64(29);
}

/* A field that is there: the value left by VMWRITE, also through the high half. */
static void field_round_trip(uint32_t e)
{
	uint64_t v = 0;

	vmx_vmread(e, &v);
	if (e >= VMCS_GUEST_ES_AR && e <= VMCS_GUEST_TR_AR)
		v &= 0x1f0ff; /* DEVIATIONS.md */
	print(" %lx", v);
	if (vmcs_width(e) != VMCS_WIDTH_64)
		return;
	vmx_vmread(e + 1, &v);
	print(" high %lx", v);
	vmx_vmwrite(e + 1, 0x1234567887654321ull);
	vmx_vmread(e, &v);
	print(" then %lx", v);
}

/*
 * What may differ between processors (optional fields, VMWRITE to read-only fields) is compared
 * with the capability MSRs instead of printed.
 */
static void field_access(unsigned i)
{
	uint32_t e = vmcs_fields[i].encoding;
	bool offered = field_offered(vmcs_fields[i].exists_word, vmcs_fields[i].exists_bit);
	enum vmx_status s;

	print("%s:", vmcs_fields[i].name);
	s = vmx_vmwrite(e, 0x5a5aa5a5c3c33c3cull);
	if (offered != (s == VMX_OK) && (offered == false || field_writable(e)))
		print(" write not as offered, %s", vmx_outcome(s));
	else if (offered && !field_writable(e) &&
		 (s != VMX_FAIL_VALID ||
			 vmread(VMCS_INSTRUCTION_ERROR) != VMERR_READ_ONLY_FIELD))
		print(" read-only, yet %s", vmx_outcome(s));
	s = vmx_vmread(e, &scratch);
	print(offered == (s == VMX_OK) ? " as offered" : " read not as offered");
	if (vmcs_fields[i].exists_word == EXISTS_ALWAYS && vmcs_type(e) != VMCS_TYPE_INFO)
		field_round_trip(e);
	print("\n");
}

static void every_field_access(void)
{
	vmx_vmclear(address_of(vmcs_a));
	vmx_vmptrld(address_of(vmcs_a));
	for (unsigned i = 0; i < FID_COUNT; i++)
		field_access(i);
}

static void bad_fields(void)
{
	static const uint64_t bad[] = {0x0006, 0x0816, 0x0c0e, 0x203c, 0x2dfe, 0x2402 + 0x10,
		0x4024, 0x4410, 0x4834, 0x4c02, 0x6010, 0x640c, 0x682a + 0x10, 0x6c1e, 0x7ffe,
		0x0001, 0x4001, 0x6801, 0x8000, 0x10000, 0xffffffff, 0x10000681eull, ~0ull};
	char name[40];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		format_text(name, sizeof(name), "vmread of field %lx", bad[i]);
		conf_status(name, vmx_vmread(bad[i], &scratch));
		format_text(name, sizeof(name), "vmwrite of field %lx", bad[i]);
		conf_status(name, vmx_vmwrite(bad[i], 0));
	}
}

static void vmread_memory(void)
{
	bool cf, zf;
	uint64_t v = 0xaaaaaaaaaaaaaaaaull;

	vmwrite(VMCS_GUEST_ES_SELECTOR, 0x38);
	vmwrite(VMCS_GUEST_RSP, 0x123456789abcdef0ull);
	__asm__ volatile(TRY_BEGIN "vmread %3, %2" TRY_END
			 : "=@ccc"(cf), "=@ccz"(zf), "+m"(v)
			 : "r"((uint64_t)VMCS_GUEST_ES_SELECTOR)
			 : "memory");
	print("vmread 16-bit field to memory: %lx\n", v);
	__asm__ volatile(TRY_BEGIN "vmread %3, %2" TRY_END
			 : "=@ccc"(cf), "=@ccz"(zf), "+m"(v)
			 : "r"((uint64_t)VMCS_GUEST_RSP)
			 : "memory");
	print("vmread natural field to memory: %lx\n", v);
	v = 0x77;
	__asm__ volatile(TRY_BEGIN "vmwrite %2, %3" TRY_END
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "m"(v), "r"((uint64_t)VMCS_GUEST_RSP)
			 : "memory");
	print("vmwrite from memory: %lx\n", vmread(VMCS_GUEST_RSP));
	__asm__ volatile(TRY_BEGIN "vmread %1, (%0)" TRY_END
			 :
			 : "r"(0xffff800000000000ull), "r"((uint64_t)VMCS_GUEST_RSP)
			 : "memory");
	print("vmread to unmapped memory: vector %d error %x cr2 %lx\n", trap.vector,
		trap.error, trap.cr2);
	__asm__ volatile(TRY_BEGIN "vmwrite (%0), %1" TRY_END
			 :
			 : "r"(0x8000000000000000ull), "r"((uint64_t)VMCS_GUEST_RSP)
			 : "memory");
	print("vmwrite from non-canonical address: vector %d error %x\n", trap.vector,
		trap.error);
	__asm__ volatile(TRY_BEGIN "vmptrld (%0)" TRY_END
			 :
			 : "r"(0xffff800000000008ull)
			 : "memory");
	print("vmptrld from unmapped memory: vector %d error %x cr2 %lx\n", trap.vector,
		trap.error, trap.cr2);
}

static void flags_after(void)
{
	uint64_t f;

	__asm__ volatile(
		"mov $0x8d5, %%eax\n\tpush %%rax\n\tpopf\n\tvmptrst %1\n\tpushf\n\tpop %0"
		: "=r"(f), "+m"(scratch)
		:
		: "rax", "memory", "cc");
	print("flags after success: %lx\n", f & 0x8d5);
	__asm__ volatile(
		"mov $0x8d5, %%eax\n\tpush %%rax\n\tpopf\n\tvmclear %1\n\tpushf\n\tpop %0"
		: "=r"(f), "+m"(operand[0])
		:
		: "rax", "memory", "cc");
	print("flags after vmclear of address 0: %lx\n", f & 0x8d5);
	operand[0] = 1;
	__asm__ volatile(
		"mov $0x895, %%eax\n\tpush %%rax\n\tpopf\n\tvmclear %1\n\tpushf\n\tpop %0"
		: "=r"(f), "+m"(operand[0])
		:
		: "rax", "memory", "cc");
	print("flags after VMfailValid: %lx\n", f & 0x8d5);
	vmx_vmclear(address_of(vmcs_a));
	__asm__ volatile(
		"mov $0x8d4, %%eax\n\tpush %%rax\n\tpopf\n\tvmclear %1\n\tpushf\n\tpop %0"
		: "=r"(f), "+m"(operand[0])
		:
		: "rax", "memory", "cc");
	print("flags after VMfailInvalid: %lx\n", f & 0x8d5);
	vmx_vmptrld(address_of(vmcs_a));
}

static void invalidations(void)
{
	uint64_t eptp = address_of(page_alloc()) | EPTP_WALK_4 | 6;

	for (uint64_t type = 0; type < 4; type++) {
		operand[0] = eptp;
		operand[1] = 0;
		print("invept type %lu: %s\n", type, vmx_outcome(vmx_invept(type, operand)));
	}
	operand[0] = eptp | 0x100;
	conf_status("invept reserved EPTP bit", vmx_invept(1, operand));
	operand[0] = eptp & ~EPTP_WALK_4;
	conf_status("invept bad walk length", vmx_invept(1, operand));
	conf_status("invept global ignores EPTP", vmx_invept(2, operand));
	operand[1] = 1;
	operand[0] = eptp;
	conf_status("invept reserved descriptor", vmx_invept(1, operand));
	__asm__ volatile(TRY_BEGIN "invept (%0), %1" TRY_END
			 :
			 : "r"(0xffff800000000000ull), "r"(1ull)
			 : "memory");
	print("invept unmapped descriptor: vector %d error %x\n", trap.vector, trap.error);
}

static void user_vmread(void)
{
	__asm__ volatile("vmread %%rax, %%rbx" : : : "rbx", "memory");
}

static void user_vmxon(void)
{
	__asm__ volatile("vmxon 0x1000" : : : "memory");
}

static void user_vmcall(void)
{
	__asm__ volatile("vmcall" : : : "memory");
}

static void user_vmlaunch(void)
{
	__asm__ volatile("vmlaunch" : : : "memory");
}

static void user_invept(void)
{
	__asm__ volatile("invept (0), %%rax" : : : "memory");
}

static void in_user_mode(const char *name, void (*fn)(void))
{
	user_call(fn);
	print("%s at CPL 3: vector %d error %x\n", name, trap.vector, trap.error);
}

static void all_in_user_mode(const char *when)
{
	print("user mode %s\n", when);
	in_user_mode("vmread", user_vmread);
	in_user_mode("vmxon", user_vmxon);
	in_user_mode("vmcall", user_vmcall);
	in_user_mode("vmlaunch", user_vmlaunch);
	in_user_mode("invept", user_invept);
}

int payload_main(void)
{
	if (!vmx_supported()) {
		print("no VT-x\n");
		return 1;
	}
	before_vmxon();
	all_in_user_mode("outside operation");
	vmxon_operands();
	all_in_user_mode("in operation");
	no_current_vmcs();
	vmcs_a = vmcs_alloc();
	vmcs_b = vmcs_alloc();
	pointers();
	two_vmcss();
	every_field_access();
	bad_fields();
	vmread_memory();
	flags_after();
	invalidations();
	l2_setup(&conf_l2, l2_done);
	launch_states();
	conf_status("vmxoff", vmx_vmxoff());
	conf_status("vmxoff again", vmx_vmxoff());
	return 0;
}
