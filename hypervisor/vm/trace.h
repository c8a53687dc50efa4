/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of vCPUs (lib/trace.h). A vCPU that is traced has another function at its exits, and a
 * ring of its own, which only the CPU that runs it touches: one that is not traced pays nothing
 * (docs/decisions/0046-figures-and-traces.md).
 */
#ifndef NESTOR_VM_TRACE_H
#define NESTOR_VM_TRACE_H

#include "lib/trace.h"
#include "vm/vcpu.h"

struct vcpu_tracing {
	bool on;
	bool open;   /* L0 runs for the vCPU, and the entry is to be recorded */
	bool taken;  /* the exit went through the filter */
	bool was_l2; /* at the exit */
	uint8_t reason;
	uint64_t was_cur; /* L1's current VMCS at the exit */
	uint64_t begin;   /* host TSC of the exit, or since the vCPU runs again */
	uint64_t gone;    /* host TSC since when it does not run */
	struct trace_filter filter;
	struct trace_ring ring;
};

static inline bool vcpu_traced(const struct vcpu *vcpu)
{
	return vcpu->tracing != NULL && vcpu->tracing->on;
}

/*
 * The vCPU is current, or was not run yet. A trace that is under way begins anew. False: the
 * VM's pool has no room for the ring, which is taken once.
 */
bool vcpu_trace_on(struct vcpu *vcpu, const struct trace_filter *filter);
/* What was recorded stays. */
void vcpu_trace_off(struct vcpu *vcpu);

/* What a vCPU's exits call (vmx/stub.S): plain, and when it is traced. */
struct vcpu *vcpu_exit_traced(struct vcpu *vcpu);

/* For a vCPU that is traced and current: it is about to be entered; gives its CPU away; runs
 * again. */
void vcpu_trace_entry(struct vcpu *vcpu);
void vcpu_trace_out(struct vcpu *vcpu);
void vcpu_trace_in(struct vcpu *vcpu);

#endif
