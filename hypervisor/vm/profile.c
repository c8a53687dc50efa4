/* SPDX-License-Identifier: Apache-2.0 */
/* Where a profiler outside L0 finds which level ran: data for it, no code. */
#include "lib/l0_profile.h"

#include <stddef.h>

#include "cpu/percpu.h"
#include "vm/vcpu.h"

extern const struct l0_profile_layout l0_profile_layout;

/* Nobody in L0 reads it. */
__attribute__((used)) const struct l0_profile_layout l0_profile_layout = {
	.current = offsetof(struct percpu, current),
	.in_l2 = offsetof(struct vcpu, nested.in_l2),
};

_Static_assert(
	sizeof(((struct vcpu *)0)->nested.in_l2) == 1, "the profiler reads this as a byte");
