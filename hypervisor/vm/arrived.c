/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that units of the machine post for vCPUs which are not loaded (passed.h): who halts
 * is woken.
 */
#include "vm/sched.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "vm/vm_int.h"

void sched_arrived(struct sched_node *n)
{
	__atomic_fetch_or(&n->posted, EVENT_IRQ, __ATOMIC_SEQ_CST);
	if (!sched_is_runnable(n))
		sched_begin_wait(n);
	__atomic_store_n(&n->runnable, true, __ATOMIC_SEQ_CST);
}

/*
 * VECTOR_ARRIVED. A vCPU that is loaded has VECTOR_POSTED, and looks when it is loaded. In any
 * address space; descriptors are in their VMs'.
 */
void fault_arrived(void)
{
	struct sched_cpu *c = sched_this_cpu();
	uint64_t cr3 = read_cr3();
	bool any = false;

	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next) {
		if (!n->direct || n == c->node || sched_is_runnable(n))
			continue;
		sched_use_address_space(n->cr3);
		if (!vcpu_listens(n->vcpu) || !apicv_has_posted(n->vcpu))
			continue;
		sched_arrived(n);
		any = true;
	}
	sched_use_address_space(cr3);
	if (any)
		sched_notify(this_cpu()->index);
}
