/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMREAD and VMWRITE of L2, on the shadow VMCS that L1 gives it (SDM 24.10, 30.3). Hardware
 * serves those that succeed. The others exit, whatever L1's bitmaps say, and are completed here
 * as far as L1 wants no exit: what hardware would tell of a failure would not reach VMCS12, and
 * it knows fields that L1's virtual CPU does not have.
 */
#include "nested/nested_int.h"

/* ---- bitmaps ---- */

static struct nested_field_word *word_of(struct nested_vm *vm, unsigned word)
{
	struct nested_field_word *w = vm->field_words;

	for (; w < &vm->field_words[vm->field_word_count]; w++)
		if (w->word == word)
			return w;
	if (vm->field_word_count == NESTED_FIELD_WORDS)
		return NULL;
	vm->field_word_count++;
	*w = (struct nested_field_word){
		.word = (uint16_t)word, .keep_read = UINT64_MAX, .keep_write = UINT64_MAX};
	return w;
}

/* Not writes of read-only fields: the machine may refuse them, L1's virtual CPU does not. */
static void serve(struct nested_vm *vm, uint32_t encoding)
{
	struct nested_field_word *w = word_of(vm, encoding / 64);
	uint64_t bit = BIT64(encoding % 64);

	if (!w)
		return;
	w->keep_read &= ~bit;
	if (vmcs_type(encoding) != VMCS_TYPE_INFO)
		w->keep_write &= ~bit;
}

void insn_l2_find_fields(struct nested_vm *vm)
{
	vm->field_word_count = 0;
	for (unsigned fid = 0; fid < FID_COUNT; fid++) {
		uint32_t encoding = vmcs_fields[fid].encoding;

		if (!(vm->in_hardware[fid / 64] & BIT64(fid % 64)))
			continue;
		serve(vm, encoding);
		if (vmcs_width(encoding) == VMCS_WIDTH_64)
			serve(vm, encoding | 1); /* the high half */
	}
}

void insn_l2_merge_bitmaps(struct nested *n, const struct nvmcs *v)
{
	const struct nested_field_word *w = n->vm->field_words;
	const struct nested_field_word *end = w + n->vm->field_word_count;
	const uint64_t *read = seam_l1_page(n, (struct gpa_l1){v->f[FID_VMREAD_BITMAP]});
	const uint64_t *write = seam_l1_page(n, (struct gpa_l1){v->f[FID_VMWRITE_BITMAP]});
	const uint64_t *linked = n->vm->shadowing && v->link ? n->own[v->link->hw].write : NULL;
	uint64_t *read02 = n->vmread_bitmap02, *write02 = n->vmwrite_bitmap02;

	for (; read && write && linked && w != end; w++) {
		read02[w->word] = read[w->word] | w->keep_read;
		write02[w->word] = write[w->word] | w->keep_write | linked[w->word];
	}
	/* One that is no RAM reads as ones; without a link it is as if all were. */
	for (; w != end; w++) {
		read02[w->word] = read ? read[w->word] | w->keep_read : UINT64_MAX;
		write02[w->word] = UINT64_MAX;
	}
}

/* ---- what exits ---- */

static uint64_t encoding_operand(struct nested *n, const struct l1_mode *m)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);

	return insn_reg_get(n, m, INFO_REG2(info));
}

static struct l1_mode mode(void)
{
	return (struct l1_mode){
		.long64 = (seam_vmread(FID_GUEST_EFER) & EFER_LMA) &&
			  (seam_vmread(FID_GUEST_CS_AR) & SEG_AR_L),
		.cpl = (uint8_t)SEG_AR_DPL(seam_vmread(FID_GUEST_SS_AR)),
	};
}

/* 25.1.3 "Instructions That Cause VM Exits Conditionally", VMREAD and VMWRITE */
bool insn_l2_exits(struct nested *n, const struct nvmcs *v, enum vmcs_fid bitmap)
{
	struct l1_mode m = mode();
	uint64_t encoding;

	if (!(proc2_of(v) & PROC2_VMCS_SHADOWING))
		return true;
	encoding = encoding_operand(n, &m);
	if (encoding > 0x7fff)
		return true;
	return bitmap_byte(n, v->f[bitmap] + encoding / 8) & (1u << (encoding & 7));
}

/* The error is told in L2's own VMCS, which is L1's current one. */
static void fail(struct nested *n, struct nvmcs *v, uint32_t error)
{
	v->f[FID_INSTRUCTION_ERROR] = error;
	if (!n->vm->shadowing)
		return;
	shadow_write_field(n, v, FID_INSTRUCTION_ERROR);
	seam_use_vmcs02(n, v);
}

bool insn_l2_complete(struct nested *n, uint32_t reason)
{
	struct nvmcs *v = n->cur;
	struct l1_mode m = mode();
	int outcome;

	if (m.cpl > 0)
		outcome = insn_fault(n, INSN_GP, DENIAL_INSN_CPL, m.cpl);
	else if (reason == EXIT_VMREAD)
		outcome = insn_vmread_link(n, &m);
	else
		outcome = insn_vmwrite_link(n, &m);
	switch (outcome) {
	case INSN_SUCCEED:
		if (n->vm->shadowing) /* which the field was written to */
			seam_use_vmcs02(n, v);
		insn_finish(0);
		return true;
	case INSN_FAIL_INVALID:
		insn_finish(RFLAGS_CF);
		return true;
	case INSN_GP:
		insn_raise(n, VEC_GP);
		return false;
	case INSN_DONE:
		return false;
	default:
		fail(n, v, (uint32_t)outcome);
		insn_finish(RFLAGS_ZF);
		return true;
	}
}
