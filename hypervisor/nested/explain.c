/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/explain.h"

#include "nested/explain_int.h"

/* What is allowed; see explain_rules.def. */
struct rule_text {
	const char *when;
	const char *part;
	const char *allowed;
	uint8_t shift, bits;
	uint8_t word; /* enum word */
};

static const struct rule_text rule_texts[CHECK_COUNT] = {
/* clang-format off */
#define W(id, when, allowed)                    [CHECK_##id] = {when, "", allowed, 0, 0, WORD_NONE},
#define P(id, when, part, shift, bits, allowed) [CHECK_##id] = {when, part, allowed, shift, bits, WORD_NONE},
#define B(id, when, word)                       [CHECK_##id] = {when, "", "", 0, 0, WORD_##word},
/* clang-format on */
#include "nested/explain_rules.def"
};

struct bit_name {
	uint8_t word, bit;
	const char *name;
};

static const struct bit_name bit_names[] = {
#define N(word, bit, name) {WORD_##word, bit, #name},
#include "spec/control_bits.def"
};

/* The instruction errors; see explain_errors.def. */
struct error_text {
	const char *name, *meaning, *operand, *allowed;
};

static const struct error_text error_texts[VMERR_INVALID_INVEPT_INVVPID + 1] = {
#define E(id, meaning, operand, allowed) [VMERR_##id] = {#id, meaning, operand, allowed},
#include "nested/explain_errors.def"
};

static void put_allowed(struct out *o, const char *text, unsigned width)
{
	explain_put_words(o, text, width, 0);
}

/* ---- names ---- */

unsigned explain_rule(const struct nested_report *r)
{
	switch (r->kind) {
	case REPORT_CHECK:
		return r->check < CHECK_COUNT ? r->check : CHECK_OK;
	case REPORT_VMFAIL:
		return EXPLAIN_ERROR + (r->error < COUNT(error_texts) ? r->error : 0);
	case REPORT_MSR_LOAD:
	case REPORT_FAULT:
	case REPORT_MSR:
	case REPORT_EPT_MISCONFIG:
	case REPORT_ABORT:
		return EXPLAIN_DENIAL + (r->why < DENIAL_COUNT ? r->why : DENIAL_NONE);
	default:
		return EXPLAIN_INVALID;
	}
}

const char *explain_rule_name(unsigned rule)
{
	const char *name = NULL;

	if (rule < CHECK_COUNT)
		return check_rows[rule].name;
	if (rule - EXPLAIN_ERROR < COUNT(error_texts))
		name = error_texts[rule - EXPLAIN_ERROR].name;
	else if (rule - EXPLAIN_DENIAL < DENIAL_COUNT)
		name = explain_denial_name((enum denial)(rule - EXPLAIN_DENIAL));
	return name ? name : "VMFAIL_INVALID";
}

/* The field of an encoding that L1 gave, FID_NONE when there is none. */
static enum vmcs_fid field_of(uint64_t encoding)
{
	return encoding >> 32 ? FID_NONE : vmcs_fid_of((uint32_t)encoding);
}

const char *explain_field(const struct nested_report *r)
{
	enum vmcs_fid fid = FID_NONE;

	if (r->kind == REPORT_CHECK && r->check < CHECK_COUNT)
		fid = (enum vmcs_fid)check_rows[r->check].field;
	else if (r->kind == REPORT_VMFAIL &&
		 (r->error == VMERR_BAD_FIELD || r->error == VMERR_READ_ONLY_FIELD))
		fid = field_of(r->value);
	return fid < FID_COUNT ? vmcs_fields[fid].name : "";
}

unsigned explain_error(const struct nested_report *r)
{
	if (r->no_vmcs)
		return 0;
	if (r->kind == REPORT_CHECK && r->check < CHECK_COUNT)
		return check_rows[r->check].vmfail;
	return r->kind == REPORT_VMFAIL ? r->error : 0;
}

unsigned explain_exit_reason(const struct nested_report *r)
{
	if (r->kind == REPORT_MSR_LOAD)
		return EXIT_MSR_LOADING;
	if (r->kind == REPORT_EPT_MISCONFIG)
		return EXIT_EPT_MISCONFIG;
	return r->kind == REPORT_CHECK && explain_error(r) == 0 ? EXIT_INVALID_GUEST_STATE : 0;
}

/* ---- checks ---- */

static struct bit_limits control_limits(const struct vmx_caps *c, uint32_t msr)
{
	uint32_t cap = caps_control_msr(c, msr);

	return (struct bit_limits){caps_fixed1(c, cap), caps_allowed1(c, cap)};
}

/* @free: bits of CR0 that are not checked. */
static struct bit_limits limits_of(const struct vmx_caps *c, enum word word, uint64_t free)
{
	static const uint32_t msr[] = {[WORD_PIN] = MSR_VMX_PIN,
		[WORD_PROC] = MSR_VMX_PROC,
		[WORD_PROC2] = MSR_VMX_PROC2,
		[WORD_EXIT] = MSR_VMX_EXIT,
		[WORD_ENTRY] = MSR_VMX_ENTRY};

	switch (word) {
	case WORD_CR0:
		free |= CR0_NW | CR0_CD;
		return (struct bit_limits){caps_msr(c, MSR_VMX_CR0_FIXED0) & ~free,
			caps_msr(c, MSR_VMX_CR0_FIXED1) | free};
	case WORD_CR4:
		return (struct bit_limits){
			caps_msr(c, MSR_VMX_CR4_FIXED0), caps_msr(c, MSR_VMX_CR4_FIXED1)};
	case WORD_EFER:
		return (struct bit_limits){0, c->efer_valid};
	case WORD_DEBUGCTL:
		return (struct bit_limits){0, c->debugctl_valid};
	case WORD_PROC3:
		return (struct bit_limits){0, caps_msr(c, MSR_VMX_PROC3)};
	case WORD_NONE:
		return (struct bit_limits){0, UINT64_MAX};
	default:
		return control_limits(c, msr[word]);
	}
}

static const char *name_of_bit(enum word word, unsigned bit)
{
	for (size_t i = 0; i < COUNT(bit_names); i++)
		if (bit_names[i].word == word && bit_names[i].bit == bit)
			return bit_names[i].name;
	return "reserved";
}

#define BITS_NAMED 4

void explain_put_bad_bits(struct out *o, enum word word, uint64_t value, struct bit_limits l)
{
	uint64_t bad = (l.must_be_1 & ~value) | (value & ~l.may_be_1);
	const char *separator = "; ";
	unsigned more = 0;

	for (unsigned bit = 0, named = 0; bit < 64; bit++) {
		if (!(bad >> bit & 1))
			continue;
		if (named++ >= BITS_NAMED) {
			more++;
			continue;
		}
		explain_put(o, "%sbit %u (%s) must be %u", separator, bit,
			name_of_bit(word, bit), value >> bit & 1 ? 0u : 1u);
		separator = ", ";
	}
	if (more != 0)
		explain_put(o, " and %u more", more);
}

static void put_check(struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	const struct rule_text *t = &rule_texts[r->check];
	const struct check_row *row = &check_rows[r->check];
	enum word word = (enum word)t->word;

	if (row->vmfail == VMERR_ENTRY_CONTROLS)
		explain_put(o, "error 7 (invalid control field): ");
	else if (row->vmfail != 0)
		explain_put(o, "error %u (invalid host-state field): ", row->vmfail);
	else
		explain_put(o, "exit reason 33 (invalid guest state): ");
	if (t->when && *t->when)
		explain_put(o, "%s and ", t->when);
	explain_put(o, "%s = 0x%lx", vmcs_fields[row->field].name, r->value);
	if (t->bits != 0)
		explain_put(o, " has %s %lu", t->part,
			(uint64_t)(r->value >> t->shift & (BIT64(t->bits) - 1)));
	if (word != WORD_NONE) {
		explain_put_bad_bits(o, word, r->value, limits_of(caps, word, r->found[0]));
	} else if (t->allowed) {
		explain_put(o, "; allowed: ");
		put_allowed(o, t->allowed, caps_pointer_width(caps));
	}
	if (row->qualification != 0)
		explain_put(o, "; qualification %u", row->qualification);
	explain_put_section(o, row->sdm);
}

/* ---- instructions ---- */

static bool pointer_ok(const struct vmx_caps *caps, uint64_t address)
{
	return (address & PAGE_MASK) == 0 && address >> caps_pointer_width(caps) == 0;
}

static void put_revision(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	explain_put(o,
		", whose revision identifier is 0x%lx; allowed: 0x%x (bits 30:0 of "
		"IA32_VMX_BASIC)",
		r->found[0], caps_revision(caps));
	if (r->found[0] >> 31)
		explain_put(o, ", bit 31 only for shadow VMCSs, where VMCS_SHADOWING may be 1");
}

/* The control that a field exists for. */
static void put_exists(struct out *o, enum vmcs_fid fid)
{
	static const uint8_t words[] = {[EXISTS_ALWAYS] = WORD_NONE,
		[EXISTS_PIN] = WORD_PIN,
		[EXISTS_PROC] = WORD_PROC,
		[EXISTS_PROC2] = WORD_PROC2,
		[EXISTS_PROC3] = WORD_PROC3,
		[EXISTS_EXIT] = WORD_EXIT,
		[EXISTS_ENTRY] = WORD_ENTRY};
	const struct vmcs_field *f = &vmcs_fields[fid];

	if (f->exists_word == EXISTS_VMFUNC)
		explain_put(o, "; it exists only where EPTP switching is offered");
	else if (f->exists_word != EXISTS_ALWAYS && f->exists_word < sizeof(words))
		explain_put(o, "; it exists only where the control %s may be 1",
			name_of_bit((enum word)words[f->exists_word], f->exists_bit));
}

static void put_field_error(struct out *o, const struct nested_report *r)
{
	enum vmcs_fid fid = field_of(r->value);

	if (fid == FID_NONE) {
		explain_put(o, ": no field has the encoding 0x%lx", r->value);
		return;
	}
	explain_put(o, ": encoding 0x%lx is %s", r->value, vmcs_fields[fid].name);
	put_exists(o, fid);
}

/* The descriptor was read only if the type is one that L1 is offered. */
static void put_invalidation_error(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	uint64_t types = caps_msr(caps, MSR_VMX_EPT_VPID_CAP) >>
			 (r->instruction == EXIT_INVEPT ? 24 : 40);

	explain_put(o, ": type %lu", r->value);
	if (r->value < 4 && (types >> r->value & 1))
		explain_put(o, " with descriptor 0x%lx 0x%lx", r->found[0], r->found[1]);
	explain_put(o, "; allowed: ");
	if (r->instruction == EXIT_INVEPT)
		explain_put(
			o, "types 1 (a valid EPTP) and 2 as IA32_VMX_EPT_VPID_CAP offers them");
	else
		explain_put(o,
			"types 0 to 3 as IA32_VMX_EPT_VPID_CAP offers them, VPID 1 to 0xffff "
			"except for type 2, a canonical address for type 0");
}

static void put_error(struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	const struct error_text *t =
		&error_texts[r->error < COUNT(error_texts) ? r->error : VMERR_NONE];

	explain_put(o, "error %u (%s)", r->error, t->meaning ? t->meaning : "unknown");
	if (r->no_vmcs)
		explain_put(o, " as VMfailInvalid, since no VMCS is current to hold it");
	if (r->error == VMERR_BAD_FIELD)
		put_field_error(o, r);
	else if (r->error == VMERR_INVALID_INVEPT_INVVPID)
		put_invalidation_error(o, r, caps);
	else if (t->operand && *t->operand)
		explain_put(o, ": %s 0x%lx", t->operand, r->value);
	if (r->error == VMERR_VMPTRLD_BAD_REVISION)
		put_revision(o, r, caps);
	if (t->allowed && *t->allowed) {
		explain_put(o, "; allowed: ");
		put_allowed(o, t->allowed, caps_pointer_width(caps));
	}
	explain_put_section(o, "30.4 VM Instruction Error Numbers");
}

static void put_fail_invalid(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	explain_put(o, "VMfailInvalid: ");
	if (r->instruction == EXIT_VMXON) {
		explain_put(o, "the operand is 0x%lx", r->value);
		if (pointer_ok(caps, r->value))
			put_revision(o, r, caps);
		else
			explain_put(o, "; allowed: a 4 KiB aligned address below 2^%u",
				caps_pointer_width(caps));
	} else if (r->no_vmcs) {
		explain_put(o, "no VMCS is current; allowed: after VMPTRLD");
	} else {
		explain_put(o,
			"the current VMCS is a shadow VMCS (bit 31 of its revision identifier); "
			"allowed: an ordinary VMCS");
	}
	explain_put_section(o, "30.3 VMX Instructions");
}

/* ---- all ---- */

/* "VMXON at 0x1234", "RDMSR of L2 at 0x1234", "L2 at 0x1234" */
static void put_place(struct out *o, const struct nested_report *r, bool mark)
{
	if (r->kind == REPORT_EPT_MISCONFIG || r->kind == REPORT_ABORT)
		explain_put(o, "L2");
	else
		explain_put(o, "%s%s", exit_reason_name(r->instruction), r->l2 ? " of L2" : "");
	explain_put(o, " at %s%lx", mark && !r->l2 ? "@" : "0x", r->rip);
}

static void put_failed(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	explain_put(o, " failed with ");
	switch (r->kind) {
	case REPORT_CHECK:
		if (r->check != CHECK_OK && r->check < CHECK_COUNT)
			put_check(o, r, caps);
		break;
	case REPORT_VMFAIL:
		put_error(o, r, caps);
		break;
	case REPORT_MSR_LOAD:
		explain_put(o, "exit reason 34 (MSR loading): ");
		explain_put_list_entry(o, r, "VM-entry MSR-load", caps);
		break;
	default:
		put_fail_invalid(o, r, caps);
	}
}

size_t explain_text(char *buf, size_t size, const struct nested_report *r,
	const struct vmx_caps *caps, bool mark)
{
	struct out o = {buf, size, 0};

	buf[0] = '\0';
	put_place(&o, r, mark);
	switch (r->kind) {
	case REPORT_FAULT:
		explain_put_fault(&o, r, caps);
		break;
	case REPORT_MSR:
		explain_put_msr(&o, r, caps);
		break;
	case REPORT_EPT_MISCONFIG:
		explain_put_misconfig(&o, r, caps);
		break;
	case REPORT_ABORT:
		explain_put_abort(&o, r, caps);
		break;
	default:
		put_failed(&o, r, caps);
	}
	explain_put(&o, ", rule %s", explain_rule_name(explain_rule(r)));
	return o.used;
}

size_t explain_allowed(char *buf, size_t size, enum check_id id)
{
	const struct rule_text *t = &rule_texts[id < CHECK_COUNT ? id : CHECK_OK];
	struct out o = {buf, size, 0};

	buf[0] = '\0';
	if (t->when && *t->when)
		explain_put(&o, "if %s: ", t->when);
	if (t->bits != 0)
		explain_put(&o, "%s ", t->part);
	if (t->word >= WORD_CR0)
		explain_put(&o, "the bits that L1's CPU fixes or reserves");
	else if (t->word != WORD_NONE)
		explain_put(&o, "the bits that the capability MSR allows");
	else if (t->allowed)
		put_allowed(&o, t->allowed, 0);
	return o.used;
}

/* ---- ring ---- */

const struct explain_record *explain_add(
	struct explain_ring *ring, const struct nested_report *r, uint32_t vcpu, uint64_t tsc)
{
	uint32_t *count = &ring->count[explain_rule(r)];
	struct explain_record *record = &ring->last[ring->total % EXPLAIN_RING];

	if (*count != UINT32_MAX)
		++*count;
	ring->total++;
	*record =
		(struct explain_record){.report = *r, .tsc = tsc, .vcpu = vcpu, .nth = *count};
	return record;
}
