/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Nestor builds on of a machine's VT-x, without an alternative. Shared by L0, which looks
 * at its start, and the host tool, which looks before.
 */
#ifndef NESTOR_SPEC_VMX_NEEDS_H
#define NESTOR_SPEC_VMX_NEEDS_H

#include <stdbool.h>

#include "spec/vmx_caps.h"

/*
 * Words for what is missing first, or NULL. The TRUE MSRs of the capabilities are there: where
 * the machine has none, they are as the plain ones.
 */
const char *vmx_needs_missing(const struct vmx_caps *c);

/* Where the machine has no TRUE MSRs, the plain ones are what they would be. */
void vmx_caps_complete(struct vmx_caps *c);

/*
 * Whether there is a VMX-preemption timer whose value exits save; and the capabilities without
 * one, for a machine on which it is not to be used. Complete ones.
 */
bool vmx_caps_has_timer(const struct vmx_caps *c);
void vmx_caps_drop_timer(struct vmx_caps *c);

#endif
