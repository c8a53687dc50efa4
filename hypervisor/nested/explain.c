/* SPDX-License-Identifier: Apache-2.0 */
#include "nested/explain.h"

#include <stdarg.h>

#include "lib/fmt.h"

enum word {
	WORD_NONE,
	WORD_PIN,
	WORD_PROC,
	WORD_PROC2,
	WORD_EXIT,
	WORD_ENTRY,
	WORD_CR0,
	WORD_CR4,
	WORD_EFER,
	WORD_DEBUGCTL
};

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct out {
	char *buf;
	size_t size, used;
};

static void put(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct out *o, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	o->used += fmt_v(o->buf + o->used, o->size - o->used, format, args);
	va_end(args);
}

/* $ is the width of addresses. */
static void put_allowed(struct out *o, const char *text, unsigned width)
{
	for (; *text != '\0'; text++) {
		if (*text == '$' && width != 0)
			put(o, "%u", width);
		else if (*text == '$')
			put(o, "N");
		else
			put(o, "%c", *text);
	}
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
		return EXPLAIN_MSR_LOAD;
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
	if (name)
		return name;
	return rule == EXPLAIN_MSR_LOAD ? "ENTRY_MSR_LOAD" : "VMFAIL_INVALID";
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
	return r->kind == REPORT_CHECK && explain_error(r) == 0 ? EXIT_INVALID_GUEST_STATE : 0;
}

/* ---- checks ---- */

struct bit_limits {
	uint64_t must_be_1, may_be_1;
};

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

/* "; bit 5 (ENABLE_VPID) must be 0" for the first few, and how many more. */
static void put_bad_bits(struct out *o, enum word word, uint64_t value, struct bit_limits l)
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
		put(o, "%sbit %u (%s) must be %u", separator, bit, name_of_bit(word, bit),
			value >> bit & 1 ? 0u : 1u);
		separator = ", ";
	}
	if (more != 0)
		put(o, " and %u more", more);
}

/* "26.2.1.1 Title" as 26.2.1.1 "Title". */
static void put_section(struct out *o, const char *sdm)
{
	put(o, ". SDM ");
	while (*sdm != '\0' && *sdm != ' ')
		put(o, "%c", *sdm++);
	put(o, " \"%s\"", *sdm == ' ' ? sdm + 1 : sdm);
}

static void put_check(struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	const struct rule_text *t = &rule_texts[r->check];
	const struct check_row *row = &check_rows[r->check];
	enum word word = (enum word)t->word;

	if (row->vmfail == VMERR_ENTRY_CONTROLS)
		put(o, "error 7 (invalid control field): ");
	else if (row->vmfail != 0)
		put(o, "error %u (invalid host-state field): ", row->vmfail);
	else
		put(o, "exit reason 33 (invalid guest state): ");
	if (t->when && *t->when)
		put(o, "%s and ", t->when);
	put(o, "%s = 0x%lx", vmcs_fields[row->field].name, r->value);
	if (t->bits != 0)
		put(o, " has %s %lu", t->part,
			(uint64_t)(r->value >> t->shift & (BIT64(t->bits) - 1)));
	if (word != WORD_NONE) {
		put_bad_bits(o, word, r->value, limits_of(caps, word, r->found[0]));
	} else if (t->allowed) {
		put(o, "; allowed: ");
		put_allowed(o, t->allowed, caps_pointer_width(caps));
	}
	if (row->qualification != 0)
		put(o, "; qualification %u", row->qualification);
	put_section(o, row->sdm);
}

/* ---- instructions ---- */

static bool pointer_ok(const struct vmx_caps *caps, uint64_t address)
{
	return (address & PAGE_MASK) == 0 && address >> caps_pointer_width(caps) == 0;
}

static void put_revision(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	put(o,
		", whose revision identifier is 0x%lx; allowed: 0x%x (bits 30:0 of "
		"IA32_VMX_BASIC)",
		r->found[0], caps_revision(caps));
	if (r->found[0] >> 31)
		put(o, ", bit 31 only for shadow VMCSs, where VMCS_SHADOWING may be 1");
}

/* The control that a field exists for. */
static void put_exists(struct out *o, enum vmcs_fid fid)
{
	static const uint8_t words[] = {[EXISTS_ALWAYS] = WORD_NONE,
		[EXISTS_PIN] = WORD_PIN,
		[EXISTS_PROC] = WORD_PROC,
		[EXISTS_PROC2] = WORD_PROC2,
		[EXISTS_EXIT] = WORD_EXIT,
		[EXISTS_ENTRY] = WORD_ENTRY};
	const struct vmcs_field *f = &vmcs_fields[fid];

	if (f->exists_word == EXISTS_VMFUNC)
		put(o, "; it exists only where EPTP switching is offered");
	else if (f->exists_word != EXISTS_ALWAYS && f->exists_word < sizeof(words))
		put(o, "; it exists only where the control %s may be 1",
			name_of_bit((enum word)words[f->exists_word], f->exists_bit));
}

static void put_field_error(struct out *o, const struct nested_report *r)
{
	enum vmcs_fid fid = field_of(r->value);

	if (fid == FID_NONE) {
		put(o, ": no field has the encoding 0x%lx", r->value);
		return;
	}
	put(o, ": encoding 0x%lx is %s", r->value, vmcs_fields[fid].name);
	put_exists(o, fid);
}

/* The descriptor was read only if the type is one that L1 is offered. */
static void put_invalidation_error(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	uint64_t types = caps_msr(caps, MSR_VMX_EPT_VPID_CAP) >>
			 (r->instruction == EXIT_INVEPT ? 24 : 40);

	put(o, ": type %lu", r->value);
	if (r->value < 4 && (types >> r->value & 1))
		put(o, " with descriptor 0x%lx 0x%lx", r->found[0], r->found[1]);
	put(o, "; allowed: ");
	if (r->instruction == EXIT_INVEPT)
		put(o, "types 1 (a valid EPTP) and 2 as IA32_VMX_EPT_VPID_CAP offers them");
	else
		put(o, "types 0 to 3 as IA32_VMX_EPT_VPID_CAP offers them, VPID 1 to 0xffff "
		       "except for type 2, a canonical address for type 0");
}

static void put_error(struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	const struct error_text *t =
		&error_texts[r->error < COUNT(error_texts) ? r->error : VMERR_NONE];

	put(o, "error %u (%s)", r->error, t->meaning ? t->meaning : "unknown");
	if (r->no_vmcs)
		put(o, " as VMfailInvalid, since no VMCS is current to hold it");
	if (r->error == VMERR_BAD_FIELD)
		put_field_error(o, r);
	else if (r->error == VMERR_INVALID_INVEPT_INVVPID)
		put_invalidation_error(o, r, caps);
	else if (t->operand && *t->operand)
		put(o, ": %s 0x%lx", t->operand, r->value);
	if (r->error == VMERR_VMPTRLD_BAD_REVISION)
		put_revision(o, r, caps);
	if (t->allowed && *t->allowed) {
		put(o, "; allowed: ");
		put_allowed(o, t->allowed, caps_pointer_width(caps));
	}
	put_section(o, "30.4 VM Instruction Error Numbers");
}

static void put_fail_invalid(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps)
{
	put(o, "VMfailInvalid: ");
	if (r->instruction == EXIT_VMXON) {
		put(o, "the operand is 0x%lx", r->value);
		if (pointer_ok(caps, r->value))
			put_revision(o, r, caps);
		else
			put(o, "; allowed: a 4 KiB aligned address below 2^%u",
				caps_pointer_width(caps));
	} else if (r->no_vmcs) {
		put(o, "no VMCS is current; allowed: after VMPTRLD");
	} else {
		put(o, "the current VMCS is a shadow VMCS (bit 31 of its revision identifier); "
		       "allowed: an ordinary VMCS");
	}
	put_section(o, "30.3 VMX Instructions");
}

static void put_msr_load(struct out *o, const struct nested_report *r)
{
	put(o,
		"exit reason 34 (MSR loading): entry %lu of the VM-entry MSR-load list, MSR 0x%x = "
		"0x%lx, cannot be loaded",
		r->value, (uint32_t)r->found[0], r->found[1]);
	if (r->found[0] >> 32)
		put(o, "; its bits 63:32 must be 0 and are 0x%lx", r->found[0] >> 32);
	else
		put(o, "; allowed: an MSR that WRMSR may write, but FS_BASE, GS_BASE, x2APIC's");
	put_section(o, "26.4 Loading MSRs");
}

size_t explain_text(
	char *buf, size_t size, const struct nested_report *r, const struct vmx_caps *caps)
{
	struct out o = {buf, size, 0};

	buf[0] = '\0';
	put(&o, "%s at 0x%lx failed with ", exit_reason_name(r->instruction), r->l1_rip);
	switch (r->kind) {
	case REPORT_CHECK:
		if (r->check != CHECK_OK && r->check < CHECK_COUNT)
			put_check(&o, r, caps);
		break;
	case REPORT_VMFAIL:
		put_error(&o, r, caps);
		break;
	case REPORT_MSR_LOAD:
		put_msr_load(&o, r);
		break;
	default:
		put_fail_invalid(&o, r, caps);
	}
	put(&o, ", rule %s", explain_rule_name(explain_rule(r)));
	return o.used;
}

size_t explain_allowed(char *buf, size_t size, enum check_id id)
{
	const struct rule_text *t = &rule_texts[id < CHECK_COUNT ? id : CHECK_OK];
	struct out o = {buf, size, 0};

	buf[0] = '\0';
	if (t->when && *t->when)
		put(&o, "if %s: ", t->when);
	if (t->bits != 0)
		put(&o, "%s ", t->part);
	if (t->word >= WORD_CR0)
		put(&o, "the bits that L1's CPU fixes or reserves");
	else if (t->word != WORD_NONE)
		put(&o, "the bits that the capability MSR allows");
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
