/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controls of VMCS02: what L1 asked for, plus what L0 requires.
 */
#include "nested/nested_int.h"
#include "spec/apic.h"

struct merge_policy {
	uint32_t from12, either, set, clear;
};

enum merge_word {
	WORD_PIN,
	WORD_PROC,
	WORD_PROC2,
	WORD_EXIT,
	WORD_ENTRY
};

#define CLASS_FROM12 0
#define CLASS_EITHER 1
#define CLASS_SET    2
#define CLASS_CLEAR  3

/* Bits of one class in one word: a sum over the rows, evaluated by the compiler. */
#define B(word, name, class, why) \
	+(WORD_##word == WANT_WORD && CLASS_##class == WANT_CLASS ? name : 0u)
static inline uint32_t class_bits(enum merge_word WANT_WORD, int WANT_CLASS)
{
	return 0u
#include "nested/merge_controls.def"
		;
}

static inline uint32_t merge_word(enum merge_word word, uint32_t c01, uint32_t c12)
{
	uint32_t from12 = class_bits(word, CLASS_FROM12);
	uint32_t either = class_bits(word, CLASS_EITHER);
	uint32_t set = class_bits(word, CLASS_SET);
	uint32_t clear = class_bits(word, CLASS_CLEAR);

	return set | (from12 & c12) | (either & (c01 | c12)) |
	       (~(set | from12 | either | clear) & c01);
}

/* The primary controls; `extra` is what L0 adds for reasons of this moment. */
static uint32_t merge_proc(const struct nested *n, const struct nvmcs *v)
{
	uint32_t c12 = (uint32_t)v->f[FID_PROC_CONTROLS];
	uint32_t c02 = merge_word(WORD_PROC, n->vm->l0.proc, c12);

	/* Without a TPR shadow CR8 is that of L1's APIC, which L0 emulates. */
	if (!(c12 & PROC_TPR_SHADOW) || v->no_virtual_apic)
		c02 = (c02 & ~PROC_TPR_SHADOW) | PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;
	return c02;
}

void merge_controls_hot(struct nested *n, struct nvmcs *v)
{
	v->proc_02 = merge_proc(n, v);
	seam_vmwrite(FID_PROC_CONTROLS, v->proc_02);
	seam_vmwrite(
		FID_EXCEPTION_BITMAP, v->f[FID_EXCEPTION_BITMAP] | n->vm->l0.exception_bitmap);
	seam_vmwrite(FID_CR0_READ_SHADOW, nested_cr0_shadow(n));
	seam_vmwrite(
		FID_CR4_READ_SHADOW, v->f[FID_CR4_READ_SHADOW] & v->f[FID_CR4_GUEST_HOST_MASK]);
	if (v->f[FID_PROC_CONTROLS] & PROC_TPR_SHADOW)
		seam_vmwrite(FID_TPR_THRESHOLD, v->f[FID_TPR_THRESHOLD]);
}

__extension__ typedef __int128 int128;

/* a * b >> 48, signed by unsigned, as the processor scales a TSC (SDM 25.3). */
static int64_t scale(int64_t a, uint64_t b)
{
	return (int64_t)(((int128)a * (int128)b) >> 48);
}

static void merge_tsc(struct nested *n, const struct nvmcs *v)
{
	uint64_t offset = n->tsc_offset;
	bool offsetting = v->f[FID_PROC_CONTROLS] & PROC_TSC_OFFSETTING;

	if (offsetting && (proc2_of(v) & PROC2_TSC_SCALING)) {
		offset = (uint64_t)scale((int64_t)offset, v->f[FID_TSC_MULTIPLIER]);
		seam_vmwrite(FID_TSC_MULTIPLIER, v->f[FID_TSC_MULTIPLIER]);
	} else if (proc2_of(v) & PROC2_TSC_SCALING) {
		seam_vmwrite(FID_TSC_MULTIPLIER, BIT64(48)); /* no offsetting, no scaling */
	}
	if (offsetting)
		offset += v->f[FID_TSC_OFFSET];
	seam_vmwrite(FID_TSC_OFFSET, offset);
}

void nested_tsc_changed(struct nested *n, bool in_02)
{
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		n->slot[i].dirty |= GROUP_CTL;
	if (in_02)
		merge_tsc(n, n->cur);
}

/* A page L1 names by its own physical address. False when that is no RAM. */
static bool write_page(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	struct hpa hpa;
	uint64_t size = PAGE_SIZE;

	if (!seam_l1_translate(n, (struct gpa_l1){v->f[fid]}, &hpa, &size))
		return false;
	seam_l1_pin(n, (struct gpa_l1){v->f[fid]});
	seam_vmwrite(fid, hpa.v);
	return true;
}

void nested_memory_lost(struct nested *n)
{
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		n->slot[i].dirty |= GROUP_CTL;
	/* If it is the one, the VM ends: L2 does not go on with what is there. */
	if (n->in_l2 && (n->cur->f[FID_PROC_CONTROLS] & PROC_TPR_SHADOW) &&
		!n->cur->no_virtual_apic)
		(void)write_page(n, n->cur, FID_VIRTUAL_APIC_ADDR);
}

static void merge_apic(struct nested *n, struct nvmcs *v, uint32_t *proc2)
{
	v->no_virtual_apic = (v->f[FID_PROC_CONTROLS] & PROC_TPR_SHADOW) &&
			     !write_page(n, v, FID_VIRTUAL_APIC_ADDR);
	/* Any address will do (24.6.8): one that is no RAM is a page of ours. */
	v->apic_in_ept01 = false;
	if ((*proc2 & PROC2_APIC_ACCESSES) && !write_page(n, v, FID_APIC_ACCESS_ADDR))
		seam_vmwrite(FID_APIC_ACCESS_ADDR, n->vm->vept.apic_hpa);
	else if ((*proc2 & PROC2_APIC_ACCESSES) && !v->root) {
		seam_l1_single_page(n, (struct gpa_l1){v->f[FID_APIC_ACCESS_ADDR]});
		v->apic_in_ept01 = true;
	}
	if (v->no_virtual_apic)
		*proc2 &= ~(PROC2_X2APIC_MODE | PROC2_APIC_REGISTER_VIRT |
			    PROC2_VIRT_INTR_DELIVERY);
	if (*proc2 & PROC2_VIRT_INTR_DELIVERY)
		for (unsigned i = 0; i < 4; i++) {
			enum vmcs_fid fid = (enum vmcs_fid)(FID_EOI_EXIT_BITMAP0 + i);

			seam_vmwrite(fid, v->f[fid]);
		}
}

/* L1's APIC-access page; 0: there is none. */
static uint64_t apic_page(const struct nvmcs *v)
{
	return proc2_of(v) & PROC2_APIC_ACCESSES ? v->f[FID_APIC_ACCESS_ADDR] : 0;
}

static bool is_ram(struct nested *n, uint64_t gpa)
{
	uint64_t size = PAGE_SIZE;
	struct hpa hpa;

	return seam_l1_translate(n, (struct gpa_l1){gpa}, &hpa, &size);
}

/* Only what L2 accesses is asked for: to ask for RAM that is wrong ends the VM. */
bool nested_apic_access(struct nested *n, uint64_t gpa, uint64_t q)
{
	struct nvmcs *v = n->cur;
	uint64_t type;

	if (v->root || !(proc2_of(v) & PROC2_APIC_ACCESSES) ||
		(gpa ^ v->f[FID_APIC_ACCESS_ADDR]) & ~PAGE_MASK || is_ram(n, gpa))
		return false;
	exit_no_info(v, EXIT_APIC_ACCESS);
	exit_save_vectoring(v);
	if (v->f[FID_IDT_VECTORING_INFO] & INTR_INFO_VALID)
		type = q & QUAL_TRANSLATION ? APIC_ACCESS_EVENT : APIC_ACCESS_PHYSICAL_EVENT;
	else if (!(q & QUAL_TRANSLATION))
		type = APIC_ACCESS_PHYSICAL;
	else if (q & QUAL_FETCH)
		type = APIC_ACCESS_FETCH;
	else
		type = q & QUAL_WRITE ? APIC_ACCESS_WRITE : APIC_ACCESS_READ;
	v->f[FID_EXIT_QUALIFICATION] = (gpa & PAGE_MASK) | type << APIC_ACCESS_TYPE_BIT;
	exit_to_l1(n);
	return true;
}

void merge_root(struct nested *n, struct nvmcs *v)
{
	bool apic = proc2_of(v) & PROC2_APIC_ACCESSES; /* bit 0: page 0 is one, too */

	v->root = vept_root_get(n, v->f[FID_EPT_POINTER], apic_page(v) | apic);
	v->root_generation = v->root->generation;
	seam_vmwrite(FID_EPT_POINTER, v->root->eptp02);
	if (v->root->spptp != 0)
		seam_vmwrite(FID_SPPTP, vept_spptp02(n, v->root));
}

static void merge_translation(struct nested *n, struct nvmcs *v)
{
	uint64_t vpid12 = proc2_of(v) & PROC2_ENABLE_VPID ? v->f[FID_VPID] : 0;

	v->vpid02 = nvmcs_vpid02(n, (uint16_t)vpid12);
	seam_vmwrite(FID_VPID, v->vpid02);
	if (uses_ept(v)) {
		merge_root(n, v);
	} else {
		v->root = NULL;
		seam_vmwrite(FID_EPT_POINTER, n->vm->l0.eptp01);
	}
}

/*
 * Hardware serves L2's VMREAD and VMWRITE from the shadow VMCS that L1 has linked, as the
 * bitmaps of VMCS02 allow (insn_l2.c).
 */
static void merge_link(struct nested *n, const struct nvmcs *v)
{
	bool linked = v->link && n->vm->shadowing;

	seam_vmwrite(
		FID_VMCS_LINK_POINTER, linked ? seam_shadow_hpa(n, v->link).v : UINT64_MAX);
}

static void copy(const struct nvmcs *v, enum vmcs_fid first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		seam_vmwrite((enum vmcs_fid)(first + i), v->f[first + i]);
}

/*
 * Words of the bitmap with the x2APIC MSRs, 800H to 8FFH. Their bits are never those of VMCS01:
 * what is let through there would reach another APIC than L2's.
 */
#define X2APIC_WORD (0x800 / 64)
#define WRITE_WORDS 256 /* from the bits of reads to those of writes */

#define X2APIC_TPR      BIT64(APIC_NUMBER(APIC_TPR))
#define X2APIC_EOI      BIT64(APIC_NUMBER(APIC_EOI))
#define X2APIC_SELF_IPI BIT64(APIC_NUMBER(APIC_SELF_IPI))

/*
 * SDM 29.5 "Virtualizing MSR-Based APIC Accesses": an access may go without an exit only where
 * the processor makes it one to the virtual-APIC page. All others would reach the machine's
 * APIC.
 */
static void find_x2apic_msrs(struct nvmcs *v)
{
	bool on = v->proc2_02 & PROC2_X2APIC_MODE;
	bool registers = on && (v->proc2_02 & PROC2_APIC_REGISTER_VIRT);
	bool delivery = on && (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY);
	uint64_t tpr = on ? X2APIC_TPR : 0;

	for (unsigned i = 0; i < NESTED_X2APIC_WORDS; i++)
		v->x2apic_keep[i] = registers ? 0 : i == 0 ? ~tpr : UINT64_MAX;
	v->x2apic_keep_writes = ~(tpr | (delivery ? X2APIC_EOI | X2APIC_SELF_IPI : 0));
}

void merge_controls_all(struct nested *n, struct nvmcs *v)
{
	const struct nested_l0_controls *l0 = &n->vm->l0;
	uint32_t proc2 = merge_word(WORD_PROC2, l0->proc2, proc2_of(v));

	merge_translation(n, v);
	merge_apic(n, v, &proc2);
	merge_link(n, v);
	if (!n->vm->shadowing) /* all exit */
		proc2 &= ~PROC2_VMCS_SHADOWING;
	merge_tsc(n, v);
	seam_vmwrite(FID_PIN_CONTROLS, merge_word(WORD_PIN, l0->pin, 0));
	v->proc2_02 = proc2;
	find_x2apic_msrs(v);
	seam_vmwrite(FID_PROC2_CONTROLS, proc2);
	seam_vmwrite(FID_EXIT_CONTROLS, merge_word(WORD_EXIT, l0->exit, 0));
	seam_vmwrite(FID_ENTRY_CONTROLS,
		merge_word(WORD_ENTRY, l0->entry, (uint32_t)v->f[FID_ENTRY_CONTROLS]));
	copy(v, FID_PF_ERROR_MASK, 2);
	copy(v, FID_CR3_TARGET_COUNT, 1);
	copy(v, FID_CR3_TARGET0, 4);
	seam_vmwrite(FID_CR0_GUEST_HOST_MASK, v->f[FID_CR0_GUEST_HOST_MASK] | CR0_CACHE);
	seam_vmwrite(FID_CR4_GUEST_HOST_MASK,
		v->f[FID_CR4_GUEST_HOST_MASK] | l0->cr4_hidden | CR4_MCE);
	mce_find(v);
	if (proc2 & PROC2_PAUSE_LOOP_EXITING)
		copy(v, FID_PLE_GAP, 2);
	if (proc2 & PROC2_ENABLE_VMFUNC)
		seam_vmwrite(FID_VMFUNC_CONTROLS, 0); /* every function exits */
	if (proc2 & PROC2_ENABLE_XSAVES)
		seam_vmwrite(FID_XSS_EXITING_BITMAP, v->f[FID_XSS_EXITING_BITMAP]);
	if (proc2 & PROC2_ENCLS_EXITING)
		seam_vmwrite(FID_ENCLS_EXITING_BITMAP,
			(proc2_of(v) & PROC2_ENCLS_EXITING ? v->f[FID_ENCLS_EXITING_BITMAP]
							   : 0) |
				(l0->proc2 & PROC2_ENCLS_EXITING ? UINT64_MAX : 0));
}

static inline void merge_x2apic_msrs(
	struct nested *n, const struct nvmcs *v, const uint64_t *l1)
{
	uint64_t *l0 = n->msr_bitmap02;

	l0[X2APIC_WORD] = l1[X2APIC_WORD] | v->x2apic_keep[0];
	l0[X2APIC_WORD + 1] = l1[X2APIC_WORD + 1] | v->x2apic_keep[1];
	l0[X2APIC_WORD + 2] = l1[X2APIC_WORD + 2] | v->x2apic_keep[2];
	l0[X2APIC_WORD + 3] = l1[X2APIC_WORD + 3] | v->x2apic_keep[3];
	l0[X2APIC_WORD + WRITE_WORDS] = l1[X2APIC_WORD + WRITE_WORDS] | v->x2apic_keep_writes;
	n->x2apic_open = v->proc2_02 & PROC2_X2APIC_MODE;
}

/* L1 has no bitmap, or none in RAM. */
static __attribute__((noinline)) void intercept_all_msrs(struct nested *n)
{
	uint64_t *l0 = n->msr_bitmap02;

	for (unsigned i = 0; i < n->vm->pass_count; i++)
		l0[n->vm->pass[i].word] = UINT64_MAX;
	for (unsigned i = 0; i < NESTED_X2APIC_WORDS; i++)
		l0[X2APIC_WORD + i] = UINT64_MAX;
	l0[X2APIC_WORD + WRITE_WORDS] = UINT64_MAX;
	n->x2apic_open = false;
}

/*
 * MSRs that L0 lets L1 reach without an exit. Only their bits can be clear in VMCS02's bitmap,
 * and those of x2APIC MSRs; all others are ones forever. SDM 24.6.9 "MSR-Bitmap Address": 1 KiB
 * each for reads of low and high MSRs, writes of low and high MSRs. In steps, since each entry
 * of an L2 comes by: L1 may have written its page.
 */
void merge_msr_bitmap(struct nested *n, const struct nvmcs *v)
{
	const struct nested_pass_word *p = n->vm->pass, *end = p + n->vm->pass_count;
	uint64_t *l0 = n->msr_bitmap02;
	const uint64_t *l1 = NULL;

	if (v->f[FID_PROC_CONTROLS] & PROC_USE_MSR_BITMAPS)
		l1 = seam_l1_page(n, (struct gpa_l1){v->f[FID_MSR_BITMAP]});
	if (!l1) {
		intercept_all_msrs(n);
		return;
	}
	for (; p < end; p += NESTED_PASS_STEP) {
		l0[p[0].word] = l1[p[0].word] | p[0].keep;
		l0[p[1].word] = l1[p[1].word] | p[1].keep;
		l0[p[2].word] = l1[p[2].word] | p[2].keep;
		l0[p[3].word] = l1[p[3].word] | p[3].keep;
	}
	if ((v->proc2_02 & PROC2_X2APIC_MODE) || n->x2apic_open)
		merge_x2apic_msrs(n, v, l1);
}

/* Word of the bitmap for reads, SDM 24.6.9. */
static unsigned word_of(uint32_t msr)
{
	return (msr & 0x1fff) / 64 + (msr >> 31 ? 1024 / (unsigned)sizeof(uint64_t) : 0);
}

/*
 * SYSENTER's MSRs, and the bases of FS and GS with what is beside them: L2s write them all the
 * time. The TSC and IA32_DEBUGCTL: only hardware knows L2's. IA32_PRED_CMD and IA32_FLUSH_CMD,
 * where they are: an L2 flushes at each switch of its programs. For the others (system calls,
 * IA32_EFER, IA32_PAT) an exit to L0 at a change of mode is cheaper than a merge at each entry.
 */
static bool worth_merging(unsigned w)
{
	static const uint32_t msrs[] = {MSR_TSC, MSR_PRED_CMD, MSR_FLUSH_CMD, MSR_SYSENTER_CS,
		MSR_DEBUGCTL, MSR_FS_BASE};

	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if ((w & ~(unsigned)WRITE_WORDS) == word_of(msrs[i]))
			return true;
	return false;
}

/* Whole steps: the last word is there again, if need be. */
void nested_pass_msrs(struct nested_vm *vm, const uint64_t *msr_bitmap01)
{
	vm->pass_count = 0;
	for (unsigned w = 0; w < PAGE_SIZE / sizeof(uint64_t); w++)
		if (~msr_bitmap01[w] && worth_merging(w) && vm->pass_count < NESTED_PASS_WORDS)
			vm->pass[vm->pass_count++] =
				(struct nested_pass_word){.keep = msr_bitmap01[w], .word = w};
	for (; vm->pass_count % NESTED_PASS_STEP != 0; vm->pass_count++)
		vm->pass[vm->pass_count] = vm->pass[vm->pass_count - 1];
}
