/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual VT-x of one L1 vCPU: public face towards vm/.
 *
 * Owns: VMX operation of L1 (VMXON to VMXOFF), the VMCS12s that are active on the vCPU, the
 * switch between L1 and L2, virtual EPT and VPID. Does not own: hardware VMCSs (seam.h), L1's
 * platform.
 *
 * Which hardware VMCS is current follows in_l2: VMCS01 while false, VMCS02 of `cur` while true.
 */
#ifndef NESTOR_NESTED_NESTED_H
#define NESTOR_NESTED_NESTED_H

#include <stdbool.h>
#include <stdint.h>

#include "nested/caps.h"
#include "nested/operand.h"
#include "nested/paging.h"
#include "nested/vept.h"
#include "spec/addr.h"
#include "spec/vmcs.h"
#include "spec/vmx.h"

#define NVMCS_SLOTS  8
#define NVMCS_FREE   UINT64_MAX /* also the architectural "no current VMCS" */
#define VPID02_SLOTS 7

/* VMREAD and VMWRITE bitmaps of VMCS01, a page each: a zero leaves the field to hardware. */
struct nested_bitmaps {
	uint64_t *read, *write;
};

#define NESTED_FIELD_SET ((FID_COUNT + 63) / 64)

/*
 * What L1 touches again and again by exits in the VMCSs of a slot, and what of it is open: left
 * to hardware as the fields are whose rows say SR or SW (learn.c). [0]: reads, [1]: writes.
 */
struct nested_habit {
	uint32_t turn;                      /* VM entries of the slot, a clock */
	uint32_t round;                     /* the turn of the last touch */
	uint32_t epoch;                     /* the turn from which on touches are counted */
	uint32_t since;                     /* the first field was opened in this turn */
	bool ready;                         /* the slot's bitmaps are filled */
	uint8_t touched[2][FID_COUNT];      /* in so many turns */
	uint64_t now[2][NESTED_FIELD_SET];  /* and in this one */
	uint64_t open[2][NESTED_FIELD_SET]; /* writes only where reads are */
	uint8_t write_count, rare_count, moved_count;
	uint8_t write[FID_COUNT]; /* fids: those open for writes ... */
	uint8_t rare[FID_COUNT];  /* ... for reads, of GROUP_RARE ... */
	uint8_t moved[FID_COUNT]; /* ... and others that L2 or its exit may change */
};

/* Fields of GROUP_RARE that an MSR list may change in VMCS02: msrlist.c has their names. */
#define NESTED_LIST_FIELDS 3

#define NESTED_X2APIC_WORDS 4 /* of the MSR bitmap, for 800H to 8FFH */

/* A VMCS12 that is active on the vCPU, with its hardware VMCSs. */
struct nvmcs {
	uint64_t head;         /* launched, where it is written to the region with ... */
	uint64_t f[FID_COUNT]; /* ... the fields; see rare_in_02 for the exception */
	uint64_t stamp;    /* what the region got behind them when they were written there */
	uint64_t gpa;      /* region in L1's memory, NVMCS_FREE when the slot is unused */
	uint64_t kept;     /* unused: f is still of this region, if that has the stamp */
	uint64_t last_use; /* for eviction */
	bool launched;
	bool just_loaded;   /* no VMCS02 links to it yet */
	bool is_shadow;     /* L1 set the shadow-VMCS indicator */
	bool all_in_shadow; /* ... and hardware serves it: its shadow VMCS has all fields */
	bool serves_writes; /* own bitmaps of the slot are those of such a VMCS: */
	bool in_region;     /* of such a VMCS: the region is as f was before what is `stored` */
	bool as_before;  /* the slot, its shadow VMCS too, has what it had before a VMCLEAR */
	bool rare_in_02; /* GROUP_RARE of f is stale: L2 ran, VMCS02 has the values */
	/*
	 * What seldom makes entries and exits do more is looked at together: while VMCS02 is
	 * current, by these masks ...
	 */
	union {
		struct {
			bool learned;        /* fields are open, see habit */
			bool cet : 1;        /* as nested_vm.cet */
			bool bus_locked : 1; /* by L2: the next exit to L1 tells */
			bool mce_clear; /* CR4.MCE of L2, which VMCS02 has set: see mce.c */
			bool mce_shown; /* it is set, and not L1's: VMCS02's shadow has it */
		};
		uint32_t more_in_02;
	};
#define MORE_AT_ENTRY 0xffffff00u
#define MORE_AT_EXIT  0x00ffffffu
	/* ... and when VMCS01 is. */
	union {
		struct {
			bool pml_moved;     /* PML_INDEX of f has not reached the shadow VMCS */
			bool cet_loads;     /* as cet */
			bool apic_in_ept01; /* L2 without EPT: its APIC-access page is there */
			bool none;
		};
		uint32_t more_in_01;
	};
	bool no_virtual_apic; /* L1's virtual-APIC page is no RAM: no TPR shadow in VMCS02 */
	bool timer_on;        /* L1's preemption timer was armed at the last entry */
	uint8_t dirty;        /* groups whose values in f have not reached VMCS02 */
	uint8_t unchecked;    /* CHK_* groups of entry checks that must run */
	uint32_t merged_proc; /* primary controls that VMCS02 was merged for */
	uint32_t proc_02; /* primary controls of VMCS02; vm/ opens and closes windows in both */
	uint32_t proc2_02; /* secondary controls of VMCS02 */
	/* Ones where an access to an x2APIC MSR exits in any case, by proc2_02. */
	uint64_t x2apic_keep[NESTED_X2APIC_WORDS], x2apic_keep_writes;
	uint16_t vpid02;
	uint64_t check_context; /* of the last entry, see nested_check_context */
	uint32_t timer02;       /* what VMCS02 was loaded with */
	/* What is left of L1's preemption timer, in the machine's units: timer12, and pieces of
	 * TIMER_PIECE. Of its own unit timer_phase had passed when it was saved. */
	uint32_t timer12;
	uint16_t timer_pieces;
	uint32_t timer_phase;
	struct nvmcs *link;     /* shadow VMCS that L2's VMREAD and VMWRITE reach, or NULL */
	struct vept_root *root; /* NULL without EPT12; may be gone, see root_generation */
	uint32_t root_generation;
	bool missed; /* the last exit was an EPT violation of L1's, at this address: */
	struct gpa_l2 missed_gpa;
	uint32_t hw; /* index of the hardware VMCSs, for the seam */
	uint64_t before_list[NESTED_LIST_FIELDS]; /* at the last entry with such a list */
	struct nested_habit habit;                /* of the slot: it outlives the VMCS12 */
	uint64_t written[NESTED_FIELD_SET]; /* with serves_writes: fields that hardware lets L1
					     * and L2 write; likewise */
	uint64_t stored[NESTED_FIELD_SET];  /* with in_region: fields that the region lacks */
};

/* What L0 requires while L2 runs, constant for a VM. */
struct nested_l0_controls {
	uint32_t pin, proc, proc2, exit, entry, exception_bitmap;
	uint64_t cr4_hidden; /* CR4 bits the machine has and L1 does not */
	uint64_t eptp01;
	bool split_locks; /* #AC tells L0 of them: L1 has not asked for that */
};

/* A word of the MSR bitmap in which L0 passes MSRs through to L1. */
struct nested_pass_word {
	uint64_t keep; /* ones where L0 intercepts */
	uint64_t word; /* index of the 64-bit word in the page */
};

#define NESTED_PASS_WORDS 12
#define NESTED_PASS_STEP  4 /* merged at once */

/*
 * A word of the VMREAD and VMWRITE bitmaps that has fields which hardware serves L2, if L1
 * allows it; the bits of all other words are ones.
 */
struct nested_field_word {
	uint64_t keep_read, keep_write; /* ones where L0 completes the instruction */
	uint16_t word;                  /* index of the 64-bit word */
};

#define NESTED_FIELD_WORDS 40

/* State shared by the vCPUs of a VM. */
struct nested_vm {
	struct vmx_caps caps; /* what L1 sees */
	uint64_t exists[(FID_COUNT + 63) / 64];
	uint64_t in_hardware[(FID_COUNT + 63) / 64]; /* those that the machine has, too */
	bool shadowing; /* hardware VMCS shadowing is used for L1's VMREAD/VMWRITE */
	bool cet;       /* guests have CET: VM entries load their state of it */
	/* L1's preemption timer counts once in 2^n units of the machine's: caps_timer_shift. */
	uint8_t timer_shift;
	/* What L1 may do often and on purpose is reported, too: faults, malformed EPT12s. */
	bool explaining;
	struct nested_l0_controls l0;
	unsigned pass_count;
	struct nested_pass_word pass[NESTED_PASS_WORDS];
	unsigned field_word_count;
	struct nested_field_word field_words[NESTED_FIELD_WORDS];
	/* With shadowing; pages, set before nested_vm_init: what the field table says, and for
	 * VMCSs that L1 itself uses as shadows every field. */
	struct nested_bitmaps usual, all;
	/* A field that L1 touched in so many turns of an epoch is opened, and all are closed
	 * after so many turns; nested_vm_init sets what is good on hardware. */
	uint32_t learn_touches, learn_writes, learn_keep; /* writes: of shadow VMCSs of L1 */
	uint64_t stamps; /* another number in each run of L0: see new_stamp() */
	struct vept vept;
};

/* What was refused, for seam_report: see struct nested_report. */
struct nested_refusal {
	uint8_t why;   /* enum denial */
	uint8_t level; /* of an EPT12 entry */
	uint64_t value;
	uint64_t found[2];
};

#define NESTED_TO_L1 128u /* a power of two above all exit reasons */

struct nested_stats {
	uint64_t to_l1[NESTED_TO_L1]; /* exits that L1 got, by the reason that it sees */
	uint64_t entries, failed_entries, exits_kept, vmcs_loads, vmcs_switches, vept_fills,
		vept_syncs, vept_zaps, vept_evictions, posted, ipis;
};

/* All exits that L1 got. */
static inline uint64_t nested_exits_to_l1(const struct nested_stats *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NESTED_TO_L1; i++)
		sum += s->to_l1[i];
	return sum;
}

struct nested {
	struct nested_vm *vm;
	unsigned vcpu; /* index, below VEPT_VCPUS */
	uint64_t *gpr; /* L1's or L2's registers in encoding order; RSP is in the VMCS */
	bool vmxon;
	bool in_l2;
	bool run_pending; /* L2 has been entered by L1 but not yet by hardware */
	/* L2 entered in the wait-for-SIPI activity state: no hardware entry */
	bool l2_wait_sipi;
	bool locks_pass; /* no #AC since the last entry is for a split lock */
	uint64_t vmxon_gpa;
	struct nvmcs *cur; /* current VMCS of L1, or NULL */
	uint64_t use_counter;
	uint64_t feature_control; /* IA32_FEATURE_CONTROL of L1 */
	uint64_t tsc_offset;      /* of L1 on this vCPU: its TSC minus the host's */
	uint64_t cr0_cache;       /* CR0.CD and CR0.NW of the virtual CPU, of L1 and L2 alike */
	uint16_t vpid01; /* VPIDs vpid01 + 1 .. vpid01 + VPID02_SLOTS are this vCPU's */
	uint16_t vpid12[VPID02_SLOTS];
	uint8_t vpid_next;
	uint64_t *msr_bitmap02;
	/* Pages, set before nested_reset; with nested_vm.shadowing. */
	uint64_t *vmread_bitmap02, *vmwrite_bitmap02;
	struct nested_bitmaps own[NVMCS_SLOTS]; /* likewise; of each slot's habits */
	const struct nested_bitmaps *bitmaps;   /* those that VMCS01 has */
	struct vept_scratch scratch; /* page and hpa are set before nested_reset, too */
	uint8_t touched;             /* fid of the last VMREAD or VMWRITE that exited */
	bool x2apic_open;            /* msr_bitmap02 has zeros for x2APIC MSRs */
	struct vept_foreign foreign;
	struct gpa_l1 no_ram; /* with EPT12: what L2's EPT violation of L0 is about */
	/*
	 * Behind an EPT violation of a write that L1's sub-page permissions allow: its address
	 * plus 1; else 0. And whether SPPT02 was changed for the last one.
	 */
	uint64_t spp_allowed;
	bool spp_changed;
	struct nested_refusal refused; /* set where something is refused */
	uint16_t view;                 /* of L2's memory, vept_root.view; nested_set_view */
	bool view_opens;               /* fills make this page executable: */
	struct gpa_l2 view_code;
	struct paging_code code;
	struct operand_page operand[OPERAND_PAGES]; /* of L1 */
	struct nested_stats stats;
	struct nvmcs slot[NVMCS_SLOTS];
};

/*
 * Power-on state. `vm` must be initialised by nested_vm_init; `vcpu` is the index of the vCPU
 * in its VM; gpr has 16 entries; msr_bitmap02 is a page that the hardware VMCS02s use. Called
 * at reset, too.
 */
void nested_reset(struct nested *n, struct nested_vm *vm, unsigned vcpu, uint64_t *gpr,
	uint16_t vpid01, uint64_t *msr_bitmap02);

/* Derives what follows from vm->caps. vept and l0 are set by the caller. */
void nested_vm_init(struct nested_vm *vm);
/* The machine lacks a field; before L1 runs. L1 may have it. */
void nested_field_absent(struct nested_vm *vm, enum vmcs_fid fid);
/* Tells which MSRs L1 reaches without an exit (a page, the bitmap of VMCS01). */
void nested_pass_msrs(struct nested_vm *vm, const uint64_t *msr_bitmap01);

/* A VMX instruction of L1 exited (VMCLEAR to VMXON, INVEPT, INVVPID, VMCALL, VMFUNC). */
void nested_vmx_insn(struct nested *n, uint32_t exit_reason);

/*
 * L0 has completed an instruction of this length, or the one that exited: RIP of the current
 * VMCS, of whatever level, is behind it, blocking by STI and MOV SS ends, and so does
 * RFLAGS.RF; a trap by RFLAGS.TF is pending.
 */
void nested_step_over(uint64_t length);
void nested_skip(void);
/*
 * After an EPT violation with this qualification, the instruction is to be tried again: the
 * blocking by NMI that an IRET has ended before it failed is there again (SDM 27.2.1).
 */
void nested_block_nmis_again(uint64_t qualification);
/*
 * The exit of L2 under way, for another reason, tells that L2 has locked the bus (SDM 27.2.1
 * "Basic VM-Exit Information": bit 26). If L1 asks for such exits, the next one that it gets
 * tells so, too: this one, or a later one where this is L0's.
 */
void nested_bus_locked(struct nested *n);
/*
 * Has the guest of the current VMCS, of whatever level, alignment checks on, as CPL 3, CR0.AM
 * and EFLAGS.AC together say (SDM vol. 3A, 6.15 "Interrupt 17")?
 */
bool nested_checks_alignment(void);
/*
 * #AC met that guest, on a processor that raises it for split locks: has L0 to get it past one?
 * With alignment checks on #AC may be for either, since no processor checks the alignment of
 * descriptors, whose accessed flag is set by a lock. Then the first one counts as L0's: by the
 * next, with locks_pass, the processor tells of the guest's own.
 */
bool nested_ac_of_split_lock(const struct nested *n);

/* Who goes on after an exit of L2. */
enum nested_verdict {
	NESTED_L1,    /* delivered to L1: VMCS01 is current, with L1's state loaded */
	NESTED_L0,    /* L0 has to handle it for L2; VMCS02 is current */
	NESTED_RESUME /* handled: deliver an interrupted event again and resume L2 */
};

/* VMCS02 is current and L2 exited. */
enum nested_verdict nested_l2_exit(struct nested *n, uint32_t exit_reason);

/*
 * For a debugger outside the VM, with VMCS02 current. An exit that is L0's in any case, and
 * that neither L1 nor L2 knows of: in place of nested_l2_exit.
 */
void nested_l2_exit_of_l0(struct nested *n);
/*
 * L2 has EPT02s of this vCPU alone from now on (1 + its number), or those of all (0). Seldom.
 */
void nested_set_view(struct nested *n, uint16_t view);
/* Has L1 asked for this exit by the monitor trap flag, or injected it? Before that. */
bool nested_mtf_of_l1(const struct nested *n);
/*
 * What tells L2s of L1 apart: the EPT pointer of the current VMCS12, which all vCPUs of an L2
 * have, or without EPT its address, with bit 0 set. Not 0.
 */
uint64_t nested_l2_name(const struct nested *n);

/* An event that arrives, or that L0 raises, while L2 runs. */
enum nested_event_kind {
	NESTED_INTERRUPT, /* L1's local APIC signals one */
	NESTED_NMI,
	NESTED_INIT,
	NESTED_SIPI,
	NESTED_MTF, /* L0 completed an instruction of L2 (SDM 25.5.2) */
	NESTED_EXCEPTION,
	NESTED_TRIPLE_FAULT
};

struct nested_event {
	enum nested_event_kind kind;
	bool queued;            /* an event for the next entry is in VMCS02 */
	uint8_t sipi_vector;    /* NESTED_SIPI */
	uint32_t info;          /* NESTED_EXCEPTION: as in SDM 24.8.3 */
	uint32_t error_code;    /* likewise */
	uint64_t qualification; /* likewise: the linear address of #PF, 0 for others */
};

/* Who takes an event. */
enum nested_taker {
	TAKER_L2, /* L2, as without a hypervisor, when its state allows it */
	TAKER_L1, /* L1, as a VM exit: nested_deliver */
	/* L2 has to be entered first: ask again after its exit, which shall be at once */
	TAKER_ENTRY_FIRST,
	/* nobody before L2's next exit: blocked until then, by NMI or by the shutdown state */
	TAKER_EXIT_FIRST
};

/* The one question about events: in_l2 is set. Changes nothing. */
enum nested_taker nested_who_takes(const struct nested *n, const struct nested_event *e);

/*
 * L1 takes the event: VMCS01 is current afterwards, with L1's state loaded. An interrupt that
 * notifies of posted ones, or that has gone meanwhile, is settled, too, and L2 goes on (in_l2
 * is still set).
 */
void nested_deliver(struct nested *n, const struct nested_event *e);

/*
 * An exception that L0 raises in L2, as in SDM 24.8.3; qualification: as in struct
 * nested_event. True: L1 got it as an exit.
 */
bool nested_exception(
	struct nested *n, uint32_t info, uint32_t error_code, uint64_t qualification);

/*
 * Some of L1's memory is wrong, or elsewhere: pages of it that VMCS02s name are looked up anew.
 * In L2 VMCS02 is current.
 */
void nested_memory_lost(struct nested *n);

/* tsc_offset changed: VMCS02s follow. in_02: that of `cur` is current. */
void nested_tsc_changed(struct nested *n, bool in_02);

/*
 * How an L2 that rests goes on: it is in the HLT or the shutdown state, which the hardware is
 * not to enter, and no event is queued that would end it.
 */
enum nested_rest {
	NESTED_RESTS,     /* until an event of nested_event_kind, or nested_rest_limit */
	NESTED_WAKES,     /* it is to be entered: an interrupt or exception of its own waits */
	NESTED_REST_ENDED /* by an exit: VMCS01 is current, with L1's state loaded */
};
/* L1 has entered it so, VMCS02 is current: what hardware does as it loads such a state. */
void nested_entered_resting(void);
/* nmi: one is pending, and comes before what is left to an interrupt. */
enum nested_rest nested_rest(struct nested *n, bool nmi);

/* Of its rest so much time has passed, in units of the machine's preemption timer ... */
void nested_rested(struct nested *n, uint64_t elapsed);
/* ... and at most so much is left until L1's preemption timer ends it; UINT64_MAX: no end. */
uint64_t nested_rest_limit(const struct nested *n);

/*
 * EPT12 forbids an access that L0 makes for an instruction of L2: L1 gets the exit, or L2 is to
 * try again. The instruction must not have had an effect.
 */
struct paging_fault;
void nested_deliver_ept_fault(struct nested *n, const struct paging_fault *fault);

/*
 * An access of an L2 without EPT12 with this EPT-violation qualification: whether it is one to
 * L1's APIC-access page, which is no RAM, and became L1's exit (29.4 "Virtualizing
 * Memory-Mapped APIC Accesses").
 */
bool nested_apic_access(struct nested *n, uint64_t gpa, uint64_t qualification);

/* The hardware refused VMCS02, which is current: a bug of ours, answered as L1's own. */
void nested_entry_failed(struct nested *n, uint32_t exit_reason);
/*
 * It did so by a VMfail with this VM-instruction error. L1 can be why: its other vCPUs may have
 * changed VTPR since the checks. VMCS01 is current afterwards.
 */
void nested_entry_vmfailed(struct nested *n, uint32_t error);

/*
 * Preemption-timer value for VMCS02 given L0's own need (both in units of the machine's timer,
 * SDM 25.5.1); keeps the books.
 */
uint32_t nested_timer_value(struct nested *n, uint32_t l0_value);

/* Nobody else sees what the only vCPU of a VM without tables does. */
static inline bool nested_writes_alone(const struct nested *n)
{
	return n->vm->vept.vcpus <= 1 && !n->vm->vept.watch_count;
}

/*
 * Around each write of L0's to L1's memory (at most a page) on behalf of L1 or L2: EPT12 may
 * change by it, and what a vCPU has seen of the write, its INVEPT knows of. begun: what the
 * first returned. In between the VM's lock may be held: only memory is written.
 */
static inline enum vept_write nested_write_begins(
	struct nested *n, struct gpa_l1 a, uint32_t len)
{
	return nested_writes_alone(n) ? VEPT_WRITE_PLAIN : vept_write_begins(n, a, len);
}

static inline void nested_write_ends(
	struct nested *n, struct gpa_l1 a, uint32_t len, enum vept_write begun)
{
	if (begun != VEPT_WRITE_PLAIN)
		vept_write_ends(n, a, len, begun);
}

/* L0 writes L1's memory: seam_l1_write, and virtual EPT hears of it. */
int nested_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len);

/* VMX MSRs and IA32_FEATURE_CONTROL. False: #GP. */
bool nested_rdmsr(const struct nested *n, uint32_t msr, uint64_t *value);
bool nested_wrmsr(struct nested *n, uint32_t msr, uint64_t value);

/* Whether CR0/CR4 have the values that VMX operation fixes (SDM 23.8); in VMX operation L1's
 * attempt at another value is a #GP. */
bool nested_cr0_fits(const struct nested *n, uint64_t cr0);
bool nested_cr4_fits(const struct nested *n, uint64_t cr4);
/* The same for CR0 while L2 runs; an unrestricted guest may clear PE and PG. */
bool nested_l2_cr0_fits(const struct nested *n, uint64_t cr0);

/*
 * VM entries and exits leave CR0.CD and CR0.NW alone (SDM 26.3.2.1, 27.5.1), so the real ones
 * stay clear only if L2 cannot reach them: the mask of VMCS02 has them always. L2 reads
 * cr0_cache where L1 does not own them.
 */
#define CR0_CACHE (CR0_CD | CR0_NW)
uint64_t nested_cr0_shadow(const struct nested *n);

/* CR0 and CR4 as L1 sees them; VMCS01 is current. */
uint64_t nested_l1_cr0(void);
uint64_t nested_l1_cr4(void);
/* CR4 of L2, without what the masks show instead of it: VMCS02, which is current, has MCE set
 * always. */
uint64_t nested_l2_cr4(const struct nested *n);
void nested_set_l2_cr4(struct nested *n, uint64_t cr4);

#endif
