/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a further processor of a 32-bit payload starts: from ap_trampoline to 32-bit paging
 * with page tables of its own, ap_cr3. From then on the section .percpu is its own, too; see
 * smp.c.
 */
#include "start.inc"

	AP_TRAMPOLINE
ap_start32:
	LOAD_DATA_SEGMENTS
	PAGING_ON cr4=PSE_SSE, cr3=ap_cr3
	movl	ap_stack, %esp
	xorl	%ebp, %ebp
	call	ap_main
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
