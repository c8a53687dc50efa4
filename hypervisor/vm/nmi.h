/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NMIs that the machine sends by itself: told, and what the option nmi= says is done.
 */
#ifndef NESTOR_VM_NMI_H
#define NESTOR_VM_NMI_H

/* Where a kick is looked at: were there some on this CPU? */
void nmi_work(void);

#endif
