/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations of refusals that have no number: faults, MSRs, EPT misconfigurations, VMX
 * aborts.
 */
#include "nested/explain_int.h"

/* What has no number; see spec/denials.def. */
struct denial_text {
	const char *name, *sdm, *what, *allowed;
};

static const struct denial_text denial_texts[DENIAL_COUNT] = {
	[DENIAL_NONE] = {"UNKNOWN", "", "by a rule that could not be found out", ""},
#define R(id, section, what, allowed) [DENIAL_##id] = {#id, section, what, allowed},
#include "spec/denials.def"
};

static const char *const abort_texts[] = {
	[VMX_ABORT_SAVE_MSRS] = "saving L2's MSRs failed",
	[VMX_ABORT_HOST_PDPTES] = "checking L1's PDPTEs failed",
	[VMX_ABORT_LOAD_MSRS] = "loading L1's MSRs failed",
};

static const struct denial_text *denial_of(const struct nested_report *r)
{
	return &denial_texts[r->why < DENIAL_COUNT ? r->why : DENIAL_NONE];
}

const char *explain_denial_name(enum denial why)
{
	return denial_texts[why].name;
}

static const char *exception_name(uint8_t vector)
{
	return vector == VEC_UD ? "#UD" : vector == VEC_SS ? "#SS" : "#GP";
}

/* The bits of CR0 or CR4 that are wrong for VMXON. */
static void put_fixed_bits(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	enum word word = r->why == DENIAL_INSN_CR0_FIXED ? WORD_CR0 : WORD_CR4;
	uint32_t fixed0 = word == WORD_CR0 ? MSR_VMX_CR0_FIXED0 : MSR_VMX_CR4_FIXED0;

	explain_put_bad_bits(o, word, r->value,
		(struct bit_limits){caps_msr(caps, fixed0), caps_msr(caps, fixed0 + 1)});
}

/* What is wrong, what is allowed, and where that is written. */
static void put_denial(struct out *o, const struct nested_report *r,
	const struct vmx_caps *caps, uint64_t value)
{
	const struct denial_text *t = denial_of(r);
	unsigned width = caps_pointer_width(caps);

	explain_put_words(o, t->what, width, value);
	if (r->why == DENIAL_INSN_CR0_FIXED || r->why == DENIAL_INSN_CR4_FIXED)
		put_fixed_bits(o, r, caps);
	if (*t->allowed != '\0') {
		explain_put(o, "; allowed: ");
		explain_put_words(o, t->allowed, width, value);
	}
	explain_put_section(o, t->sdm);
}

void explain_put_fault(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	explain_put(o, " raised %s: ", exception_name(r->error));
	put_denial(o, r, caps, r->value);
}

void explain_put_msr(struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	explain_put(o, " of MSR 0x%x", (uint32_t)r->found[0]);
	if (r->instruction == EXIT_WRMSR)
		explain_put(o, " with 0x%lx", r->value);
	explain_put(o, " raised #GP: ");
	put_denial(o, r, caps, r->value);
}

void explain_put_list_entry(struct out *o, const struct nested_report *r, const char *list,
	const struct vmx_caps *caps)
{
	explain_put(o, "entry %lu of the %s list", r->value, list);
	if (r->why != DENIAL_LIST_TOO_LONG && r->why != DENIAL_LIST_NOT_RAM)
		explain_put(o, ", MSR 0x%x = 0x%lx", (uint32_t)r->found[0], r->found[1]);
	explain_put(o, ": ");
	put_denial(o, r, caps, r->found[0]);
}

void explain_put_misconfig(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	static const char *const entries[] = {"PTE", "PDE", "PDPTE", "PML4E"};
	unsigned level = r->level >= 1 && r->level <= COUNT(entries) ? r->level : 1;

	explain_put(o,
		" met an EPT misconfiguration (exit reason 49): guest-physical address 0x%lx, EPT "
		"%s (level %u) = 0x%lx: ",
		r->found[0], entries[level - 1], level, r->value);
	put_denial(o, r, caps, r->value);
}

void explain_put_abort(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	const char *meaning = r->error < COUNT(abort_texts) ? abort_texts[r->error] : NULL;

	explain_put(o,
		" exited (%s) into VMX abort %u (%s): ", exit_reason_name(r->instruction),
		r->error, meaning ? meaning : "unknown");
	if (r->error == VMX_ABORT_HOST_PDPTES)
		put_denial(o, r, caps, r->value);
	else
		explain_put_list_entry(o, r,
			r->error == VMX_ABORT_SAVE_MSRS ? "VM-exit MSR-store"
							: "VM-exit MSR-load",
			caps);
}
