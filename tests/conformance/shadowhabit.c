/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that touches the same fields at each exit, over many exits, with two VMCSs in turn: all
 * fields come round, reading and writing, whole or by halves, in every order. What it sees goes
 * into digests, as differences from the values at the start, so that addresses do not count.
 * A VMM that has learned to serve some of them in another way must not be told by it.
 */
#include "cmdline.h"
#include "conf.h"
#include "random.h"

#define PHASES 12u
#define ROUNDS 40u

/* The fields that both processors have. */
#define ALWAYS             true
#define VMFUNC             false
#define CTL(word, control) vmx_can(MSR_VMX_##word, word##_##control)

static bool has[FID_COUNT];
static uint64_t at_start[2][FID_COUNT], seed = 1, digest;
static struct l2 two[2];
static unsigned now; /* the current one */

/* RBX: a value for two of SYSENTER's MSRs, R8: a selector for FS and ES. */
L2_CODE(c_loop,
	"1: mov %ebx, %eax\n\txor %edx, %edx\n\tmov $0x174, %ecx\n\twrmsr\n\t"
	"mov $0x176, %ecx\n\twrmsr\n\tmov %r8d, %fs\n\tmov %r8d, %es\n\tcpuid\n\tjmp 1b");

static void see(uint64_t value)
{
	digest = (digest ^ value) * 0x9e3779b97f4a7c15ull;
	digest ^= digest >> 29;
}

/* With "common" on the command line: not what only some machines have. */
static void leave_out_what_some_have(void)
{
	static const uint8_t some[] = {FID_POSTED_INTR_NV, FID_POSTED_INTR_DESC, FID_EPTP_INDEX,
		FID_VE_INFO_ADDRESS, FID_PLE_GAP, FID_PLE_WINDOW, FID_ENCLS_EXITING_BITMAP,
		FID_GUEST_BNDCFGS, FID_CR3_TARGET0, FID_CR3_TARGET1, FID_CR3_TARGET2,
		FID_CR3_TARGET3};

	for (size_t i = 0; i < sizeof(some); i++)
		has[some[i]] = false;
}

static void find_fields(void)
{
#define F(name, enc, exists, group, flags) has[FID_##name] = (exists);
#include "spec/vmcs_fields.def"
	/* Nestor does not offer them, or not always. */
	has[FID_GUEST_PERF_GLOBAL_CTRL] = has[FID_HOST_PERF_GLOBAL_CTRL] = false;
	has[FID_VMREAD_BITMAP] = has[FID_VMWRITE_BITMAP] = has[FID_PROC3_CONTROLS] = false;
	has[FID_SPEC_CTRL_MASK] = has[FID_SPEC_CTRL_SHADOW] = false;
	has[FID_LAST_PID_POINTER_INDEX] = has[FID_PID_POINTER_TABLE] = false;
	/* The exit does not define them, or they change by themselves. */
	has[FID_EXIT_INTR_ERROR_CODE] = has[FID_IDT_VECTORING_ERROR_CODE] = false;
	has[FID_EXIT_INSTRUCTION_INFO] = has[FID_GUEST_LINEAR_ADDRESS] = false;
	has[FID_GUEST_PHYSICAL_ADDRESS] = has[FID_EXIT_QUALIFICATION] = false;
	has[FID_IO_RCX] = has[FID_IO_RSI] = has[FID_IO_RDI] = has[FID_IO_RIP] = false;
	has[FID_GUEST_SMBASE] = has[FID_INSTRUCTION_ERROR] = false;
	has[FID_EXIT_INSTRUCTION_LENGTH] = false; /* the emulator's failed entries change it */
	if (cmdline_flag("common"))
		leave_out_what_some_have();
}

static uint32_t field_of(unsigned fid)
{
	static const uint16_t encodings[] = {
#define F(name, enc, exists, group, flags) enc,
#include "spec/vmcs_fields.def"
	};

	return encodings[fid];
}

static bool is_half(uint32_t encoding)
{
	return vmcs_width(encoding) == VMCS_WIDTH_64 && random_next(&seed) % 4 == 0;
}

static void look(unsigned fid)
{
	uint32_t encoding = field_of(fid);
	uint64_t value = 0, start = at_start[now][fid];

	if (is_half(encoding)) {
		see(vmx_vmread(encoding | 1, &value));
		see(value - (start >> 32));
	} else {
		see(vmx_vmread(encoding, &value));
		see(value - start);
	}
}

/* A value that makes a difference, but not for how L1 and L2 run. */
static uint64_t value_for(unsigned fid)
{
	uint64_t r = random_next(&seed) >> 32;

	switch (fid) {
	case FID_GUEST_SYSENTER_CS:
	case FID_HOST_SYSENTER_CS: /* the emulator's MSR may keep no more */
		return r & 0xffff;
	case FID_PF_ERROR_MASK:
	case FID_PF_ERROR_MATCH:
		return r;
	case FID_TSC_OFFSET:
		return r << 20;
	case FID_GUEST_FS_BASE:
	case FID_GUEST_GS_BASE:
	case FID_GUEST_LDTR_BASE:
	case FID_GUEST_SYSENTER_ESP:
	case FID_GUEST_SYSENTER_EIP:
	case FID_HOST_SYSENTER_ESP:
	case FID_HOST_SYSENTER_EIP:
	case FID_CR3_TARGET0:
	case FID_CR3_TARGET1:
	case FID_CR3_TARGET2:
	case FID_CR3_TARGET3:
		return r << 12;
	case FID_GUEST_RIP: /* L2 goes on where it is */
	case FID_GUEST_RSP:
	case FID_GUEST_RFLAGS:
		return vmread(field_of(fid));
	default:
		return at_start[now][fid];
	}
}

static void change(unsigned fid)
{
	uint32_t encoding = field_of(fid);
	uint64_t value = value_for(fid);

	if (vmcs_type(encoding) == VMCS_TYPE_INFO)
		return;
	if (is_half(encoding))
		see(vmx_vmwrite(encoding | 1, value >> 32));
	else
		see(vmx_vmwrite(encoding, value));
	if (random_next(&seed) % 4 == 0)
		look(fid);
}

/* One exit; and L1's registers as it loads them. */
static void enter(void)
{
	struct l2 *g = &two[now];

	g->rbx = random_next(&seed) & 0xffff;
	g->r8 = random_next(&seed) & 1 ? SEL_DATA : 0;
	see(l2_run(g));
	see(vmread(VMCS_EXIT_REASON));
	see(rdmsr(MSR_SYSENTER_CS));
	see(rdmsr(MSR_SYSENTER_ESP) ^ rdmsr(MSR_SYSENTER_EIP) << 20);
	if (vmread(VMCS_EXIT_REASON) == EXIT_CPUID)
		l2_skip();
}

/* An entry that fails, by a field that L1 has written so often; then it is right again. */
static void fail_by(uint32_t field, uint64_t bad)
{
	uint64_t good = vmread(field);
	enum vmx_status s;

	vmwrite(field, bad);
	s = l2_run(&two[now]);
	see(s);
	see(s == VMX_FAIL_VALID ? vmread(VMCS_INSTRUCTION_ERROR) : vmread(VMCS_EXIT_REASON));
	see(vmread(field) - bad);
	vmwrite(field, good);
}

static void use(unsigned which)
{
	now = which;
	see(vmx_vmptrld(address_of(two[which].vmcs)));
}

/* The VMCS leaves the processor. */
static void leave_and_return(void)
{
	see(vmx_vmclear(address_of(two[now].vmcs)));
	two[now].launched = 0;
	use(now);
}

static void round(unsigned phase)
{
	unsigned first = (unsigned)random_next(&seed) % FID_COUNT;

	for (unsigned i = 0; i < FID_COUNT; i++) {
		unsigned fid = (first + i) % FID_COUNT;

		if (!has[fid])
			continue;
		if (fid % 4 == phase % 4)
			look(fid);
		if (fid % 3 == phase % 3)
			change(fid);
	}
	see(vmx_vmread(0x6dfe, &(uint64_t){0})); /* no field */
	see(vmread(VMCS_INSTRUCTION_ERROR));
}

static void special(unsigned r)
{
	switch (r) {
	case ROUNDS - 4:
		fail_by(VMCS_HOST_TR_SELECTOR, 0);
		break;
	case ROUNDS - 8:
		fail_by(VMCS_GUEST_TR_AR, 0);
		break;
	case ROUNDS - 12:
		fail_by(VMCS_CR3_TARGET_COUNT, 5);
		break;
	case ROUNDS - 16:
	case ROUNDS - 20:
		leave_and_return();
		break;
	default:
		break;
	}
}

static void dump(unsigned which)
{
	use(which);
	for (unsigned fid = 0; fid < FID_COUNT; fid++)
		if (has[fid])
			look(fid);
}

static void run_phase(unsigned phase)
{
	digest = phase;
	for (unsigned r = 0; r < ROUNDS; r++) {
		/* In turn, or one more often than the other. */
		use(phase & 1 ? r & 1 : random_next(&seed) % 4 == 0);
		round(phase);
		special(r);
		enter();
	}
	print("phase %u: %lx", phase, digest);
	digest = 0;
	dump(0);
	dump(1);
	print(", all fields: %lx\n", digest);
}

static void start(unsigned which)
{
	struct l2 *g = &two[which];

	l2_setup(g, c_loop);
	now = which;
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	for (unsigned fid = 0; fid < FID_COUNT; fid++)
		if (has[fid] && vmcs_type(field_of(fid)) != VMCS_TYPE_INFO)
			at_start[which][fid] = vmread(field_of(fid));
}

int payload_main(void)
{
	unsigned fields = 0;

	conf_start();
	find_fields();
	start(0);
	start(1);
	for (unsigned fid = 0; fid < FID_COUNT; fid++)
		fields += has[fid];
	print("fields: %s\n", fields > 100 ? "more than 100" : "few");
	for (unsigned phase = 0; phase < PHASES; phase++)
		run_phase(phase);
	return 0;
}
