/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a further processor of a 64-bit payload starts: from ap_trampoline to long mode on page
 * tables of its own, ap_cr3. From then on the section .percpu is its own, too; see smp.c.
 */
#include "start.inc"

	AP_TRAMPOLINE
ap_start32:
	LOAD_DATA_SEGMENTS
	PAGING_ON cr4=PAE_SSE, cr3=ap_cr3, long=1
	ljmp	$8, $ap_start64

	.code64
ap_start64:
	movq	ap_stack, %rsp
	xorl	%ebp, %ebp
	call	ap_main
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
