/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential test of the checks on guest state: thousands of pseudo-random guest states, each
 * entered with preemption timer 0, so that no instruction of L2 runs. A line is a round of 64
 * states: `o` entered, `E` entry failure, `X` another exit, `V` or `I` VMfail. The sequence is
 * the same in every run.
 */
#include "cmdline.h"
#include "conf.h"
#include "random.h"

#define ROUNDS 60
#define STATES 64

static struct ept ept;
static uint64_t *good_pdptes, *bad_pdptes;
static uint64_t seed = 0x9e3779b97f4a7c15ull;

/* xorshift64: the states that were always tried here, and avoid_deviations knows them. */
uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Access rights: from the plausible ones, sometimes with a bit wrong. */
static uint64_t random_rights(void)
{
	uint64_t v = PICK(0xa09b, 0xc09b, 0xc093, 0x93, 0x9b, 0xf3, 0xfb, 0xc0f3, 0xa0fb,
		0xc0fb, 0x10000, 0x8b, 0x83, 0x82, 0xc09f, 0xc097, 0xc091, 0x409b, 0x1c093);

	/* without the reserved bits: DEVIATIONS.md */
	return random64() % 3 ? v : (v ^ 1ull << random64() % 17) & 0x1f0ff;
}

static void change_segment(void)
{
	uint64_t i = 2 * (random64() % 8);

	switch (random64() % 4) {
	case 0:
		vmwrite(VMCS_GUEST_ES_SELECTOR + i,
			PICK(0, 3, 4, 8, 0xb, 0x10, 0x13, 0x23, 0x2b, 0x1000));
		break;
	case 1:
		vmwrite(VMCS_GUEST_ES_BASE + i,
			PICK(0, 0x80, 0x1000, 0x10000, 0xfffff000, 1ull << 32, 1ull << 63));
		break;
	case 2:
		vmwrite(VMCS_GUEST_ES_LIMIT + i,
			PICK(0, 0x67, 0xff, 0xfff, 0xffff, 0xfffff, 0x100000, 0xffffffff));
		break;
	default:
		vmwrite(VMCS_GUEST_ES_AR + i, random_rights());
	}
}

static void change_register(void)
{
	switch (random64() % 6) {
	case 0:
		vmwrite(VMCS_GUEST_CR0, vmread(VMCS_GUEST_CR0) ^ 1ull << random64() % 33);
		break;
	case 1:
		vmwrite(VMCS_GUEST_CR4,
			vmread(VMCS_GUEST_CR4) ^
				PICK(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x2000, 0x20000));
		break;
	case 2:
		vmwrite(VMCS_GUEST_RFLAGS,
			vmread(VMCS_GUEST_RFLAGS) ^
				PICK(1, 2, 8, 0x100, 0x200, 0x8000, 0x20000, 1ull << 32));
		break;
	case 3:
		vmwrite(VMCS_GUEST_EFER, PICK(0, 0x100, 0x400, 0x500, 0xd01, 0x501, 2, 0x800));
		ctl_set(VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
		break;
	case 4:
		vmwrite(VMCS_ENTRY_CONTROLS, vmread(VMCS_ENTRY_CONTROLS) ^ ENTRY_IA32E_GUEST);
		break;
	default:
		vmwrite(VMCS_GUEST_CR3,
			PICK(address_of(good_pdptes), address_of(bad_pdptes),
				0xfffull | address_of(good_pdptes), 1ull << 60));
	}
}

static void change_event(void)
{
	switch (random64() % 3) {
	case 0:
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, PICK(0, 0, 1, 2, 3, 8, 9, 0x10, 0x20));
		break;
	case 1:
		vmwrite(VMCS_ENTRY_INTR_INFO,
			PICK(0, 0x80000050, 0x80000202, 0x80000306, 0x80000b0d, 0x80000700,
				0x80000450, 0x80000603));
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, PICK(0, 1, 2, 15, 16));
		break;
	default:
		vmwrite(VMCS_GUEST_ACTIVITY_STATE, PICK(0, 0, 1, 4));
	}
}

/* One of the usual modes to start from. */
static void base(void)
{
	l2_restart(&conf_l2, l2_done);
	ctl_set(VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, 0);
	vmwrite(VMCS_GUEST_EFER, EFER_LME | EFER_LMA);
	switch (random64() % 4) {
	case 0:
		break;
	case 1:
		ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST);
		vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
		vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
		vmwrite(VMCS_GUEST_EFER, 0);
		break;
	case 2:
		ept_use(&ept);
		ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
		l2_protected_mode();
		vmwrite(VMCS_GUEST_EFER, 0);
		break;
	default:
		ept_use(&ept);
		ctl_set(VMCS_PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST);
		l2_real_mode(0x10000);
		vmwrite(VMCS_GUEST_EFER, 0);
	}
}

static char attempt(void)
{
	switch (l2_run(&conf_l2)) {
	case VMX_FAIL_INVALID:
		return 'I';
	case VMX_FAIL_VALID:
		return 'V';
	case VMX_OK:
		break;
	default:
		return '?';
	}
	if (vmread(VMCS_EXIT_REASON) & EXIT_REASON_ENTRY_FAILURE)
		return 'E';
	return vmread(VMCS_EXIT_REASON) == EXIT_PREEMPTION_TIMER ? 'o' : 'X';
}

/* States in which the emulator is known to be wrong (DEVIATIONS.md), or dies. */
static void avoid_deviations(void)
{
	if (vmread(VMCS_GUEST_ACTIVITY_STATE) == ACTIVITY_HLT) {
		ctl_clear(VMCS_GUEST_RFLAGS, RFLAGS_TF);
		if (INTR_INFO_TYPE(vmread(VMCS_ENTRY_INTR_INFO)) >= INTR_SW_INTERRUPT)
			vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	}
	if (conf_odd_error_code(vmread(VMCS_ENTRY_INTR_INFO), vmread(VMCS_GUEST_CR0)))
		vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	if (!(vmread(VMCS_GUEST_CR0) & CR0_PE))
		ctl_clear(VMCS_ENTRY_CONTROLS, ENTRY_IA32E_GUEST | ENTRY_LOAD_EFER);
}

/* With `show=N` on the command line, state N (round * 64 + position) is printed before its
 * entry. */
static void show_state(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (vmcs_type(vmcs_fields[i].encoding) != VMCS_TYPE_INFO)
			print("%s = %lx\n", vmcs_fields[i].name,
				vmread(vmcs_fields[i].encoding));
}

static char one_state(bool shown)
{
	base();
	for (uint64_t n = 1 + random64() % 3; n; n--) {
		uint64_t kind = random64() % 8;

		if (kind < 5)
			change_segment();
		else if (kind < 7)
			change_register();
		else
			change_event();
	}
	avoid_deviations();
	if (shown)
		show_state();
	return attempt();
}

/*
 * Interrupt table of real mode, in which some events are delivered: to where L2 is, since what
 * a machine has there differs, and not all of it is below a small limit of CS.
 */
static void own_vectors(void)
{
	uintptr_t at = 0;

	__asm__("" : "+r"(at));
	for (unsigned i = 0; i < 256; i++)
		((volatile uint32_t *)at)[i] = 0x1000u << 16;
}

int payload_main(void)
{
	uint64_t show = cmdline_number("show", ~0ull);

	conf_start();
	own_vectors();
	good_pdptes = page_alloc();
	bad_pdptes = page_alloc();
	bad_pdptes[2] = 0x1007;
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	for (int round = 0; round < ROUNDS; round++) {
		char line[STATES + 1];

		for (int i = 0; i < STATES; i++)
			line[i] = one_state((uint64_t)(round * STATES + i) == show);
		line[STATES] = 0;
		print("round %d: %s\n", round, line);
	}
	return 0;
}
