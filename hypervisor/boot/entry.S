/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a Multiboot2 loader (32-bit protected mode, paging off, EAX magic, EBX information) or a
 * start-up IPI (real mode) to 64-bit C code in the upper half.
 */
#define IMAGE_BASE 0xffffffff80000000
#define PHYS(x)    ((x) - IMAGE_BASE)

#define MB2_MAGIC  0xe85250d6
#define CODE64     0x08
#define MSR_EFER   0xc0000080
#define EFER_LME   0x100
#define EFER_NXE   0x800
#define MSR_MISC_ENABLE  0x1a0
#define LIMIT_CPUID_LOG2 22
#define NO_XD_LOG2 34
#define CPUID_NX_LOG2 20
#define CR4_PAE    0x20
#define CR4_LA57   0x1000
#define CR4_MCE    0x40
#define MCE_MCA    0x4080		/* CPUID.1:EDX */
#define MSR_MCG_STATUS   0x17a
#define STAY_GATES 32
#define CR0_PG_PE  0x80000001
#define CR0_WP     0x10000

	.section .multiboot, "a"
	.balign	8
multiboot_header:
	.long	MB2_MAGIC
	.long	0			/* i386 protected mode */
	.long	multiboot_header_end - multiboot_header
	.long	-(MB2_MAGIC + (multiboot_header_end - multiboot_header))
	.balign	8
	.short	3, 0			/* entry address, physical */
	.long	12
	.long	PHYS(boot_entry)
	.balign	8
	.short	6, 0			/* page-aligned modules */
	.long	8
	.balign	8
	.short	0, 0
	.long	8
multiboot_header_end:

	.section .boot, "ax"
	.code32
	.globl	boot_entry
	.type	boot_entry, @function
boot_entry:
	cli
	cld
	mov	%eax, %edi
	mov	%ebx, %esi
	mov	$PHYS(boot_stack_top), %esp

	/* Long mode and NX: without long mode there is nothing to do but stop. */
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	stop32
	mov	$0x80000001, %eax
	cpuid
	bt	$29, %edx
	jnc	stop32
	xor	%ebp, %ebp
	bt	$CPUID_NX_LOG2, %edx
	jc	0f
	/* Firmware may have switched it off: SDM vol. 4, table 2-2, "XD Bit Disable". */
	xor	%eax, %eax
	cpuid
	cmp	$0x756e6547, %ebx	/* "Genu", "ntel" */
	jne	1f
	cmp	$0x6c65746e, %ecx
	jne	1f
	mov	$MSR_MISC_ENABLE, %ecx
	rdmsr
	btr	$NO_XD_LOG2 - 32, %edx
	jnc	1f
	wrmsr
	mov	$0x80000001, %eax
	cpuid
	bt	$CPUID_NX_LOG2, %edx
	jnc	1f
0:	or	$EFER_NXE, %ebp
1:	or	$EFER_LME, %ebp
	mov	%ebp, PHYS(boot_efer)

	/* As cpu/leaves.h, which has the reasons, for what is asked here. */
	xor	%eax, %eax
	cpuid
	cmp	$3, %eax
	ja	1f
	cmp	$0x756e6547, %ebx	/* "Genu", "ntel" */
	jne	1f
	cmp	$0x6c65746e, %ecx
	jne	1f
	mov	$MSR_MISC_ENABLE, %ecx
	rdmsr
	btr	$LIMIT_CPUID_LOG2, %eax
	jnc	1f
	wrmsr
1:
	/* Four page directories: 0 to 4 GiB in 2 MiB pages. */
	mov	$PHYS(boot_pd), %ebx
	mov	$0x83, %eax		/* present, writable, large */
	mov	$2048, %ecx
2:	mov	%eax, (%ebx)
	add	$0x200000, %eax
	add	$8, %ebx
	dec	%ecx
	jnz	2b

	/* The same four serve the identity map and the direct map; the first one the image. */
	mov	$PHYS(boot_pd) + 3, %eax
	mov	%eax, PHYS(boot_pdpt_image) + 510 * 8
	mov	$PHYS(boot_pdpt), %ebx
	mov	$4, %ecx
3:	mov	%eax, (%ebx)
	add	$0x1000, %eax
	add	$8, %ebx
	dec	%ecx
	jnz	3b
	movl	$PHYS(boot_pdpt) + 3, PHYS(boot_pml4)
	movl	$PHYS(boot_pdpt) + 3, PHYS(boot_pml4) + 256 * 8
	movl	$PHYS(boot_pdpt_image) + 3, PHYS(boot_pml4) + 511 * 8

	/* Five levels where the CPU has them: one table of four for both halves of 48 bits. */
	movl	$PHYS(boot_pml4), PHYS(boot_cr3)
	movl	$CR4_PAE, PHYS(boot_cr4)
	xor	%eax, %eax
	cpuid
	cmp	$7, %eax
	jb	4f
	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	bt	$16, %ecx
	jnc	4f
	movl	$PHYS(boot_pml4) + 3, PHYS(boot_pml5)
	movl	$PHYS(boot_pml4) + 3, PHYS(boot_pml5) + 511 * 8
	movl	$PHYS(boot_pml5), PHYS(boot_cr3)
	orl	$CR4_LA57, PHYS(boot_cr4)
4:
	lgdt	PHYS(boot_gdt_pointer)
	mov	PHYS(boot_cr4), %eax
	mov	%eax, %cr4
	mov	PHYS(boot_cr3), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	%ebp, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_PG_PE + CR0_WP, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $PHYS(entry64)

	/* There is no C without 64-bit mode: a line where mux.c would write it, and the end of
	 * the run. */
stop32:
	mov	$PHYS(no_long_mode), %esi
	mov	$no_long_mode_end - no_long_mode, %ecx
	mov	$0xe9, %edx
	in	%dx, %al
	cmp	$0xe9, %al
	je	1f
	mov	$0x3f8, %edx
	mov	$PHYS(no_long_mode_text), %esi
	mov	$no_long_mode_text_end - no_long_mode_text, %ecx
1:	lodsb
	out	%al, %dx
	loop	1b
	mov	$PHYS(no_long_mode_end), %esi
	mov	$8, %ecx
	mov	$0x8900, %edx
2:	lodsb
	out	%al, %dx
	loop	2b
	mov	$0x501, %edx
	out	%al, %dx
3:	hlt
	jmp	3b
no_long_mode:
	.ascii	"\377\000"
no_long_mode_text:
	.ascii	"nestor: error: this CPU has no 64-bit mode, and so no VT-x that Nestor can use\n"
no_long_mode_text_end:
	.ascii	"\377\001end kind=no-vtx value=0 tsc=0\n"
no_long_mode_end:
	.ascii	"Shutdown"
	.size	boot_entry, . - boot_entry

	.code64
	.type	entry64, @function
entry64:
	mov	$boot_stack_top, %rsp
	movabs	$1f, %rax
	jmp	*%rax
1:	xor	%ebp, %ebp
	push	%rbp
	push	%rbp
	mov	%edi, %edi
	mov	%esi, %esi
	call	nestor_main
	ud2
	.size	entry64, . - entry64

	.balign	8
boot_gdt_pointer:
	.short	3 * 8 - 1
	.long	PHYS(boot_gdt)
	.balign	8
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff

	/*
	 * The start of the other CPUs, copied to a page below 1 MiB, to one of its own for
	 * each purpose. The words behind the code are filled in by smp.c.
	 */
	.section .rodata
	.code16
	.balign	16
	.globl	trampoline_start, trampoline_end, trampoline_data
trampoline_start:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	trampoline_gdt_pointer - trampoline_start
	mov	trampoline_data - trampoline_start + 14, %eax
	mov	%eax, %cr4
	mov	trampoline_data - trampoline_start, %eax
	mov	%eax, %cr3
	/* NX of the boot CPU is the others', too, and may be off on each. */
	testl	$EFER_NXE, trampoline_data - trampoline_start + 4
	jz	1f
	mov	$0x80000001, %eax
	cpuid
	bt	$CPUID_NX_LOG2, %edx
	jc	1f
	mov	$MSR_MISC_ENABLE, %ecx
	rdmsr
	btr	$NO_XD_LOG2 - 32, %edx
	wrmsr
1:	mov	trampoline_data - trampoline_start + 18, %ebx	/* CPUID changes it */
	mov	$MSR_EFER, %ecx
	mov	trampoline_data - trampoline_start + 4, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_PG_PE + CR0_WP, %eax
	mov	%eax, %cr0
	ljmpl	*trampoline_data - trampoline_start + 8
	.balign	8
trampoline_gdt_pointer:
	.short	3 * 8 - 1
	.long	PHYS(boot_gdt)
	.balign	8
trampoline_data:
	.long	0			/* CR3 */
	.long	0			/* EFER */
	.long	PHYS(ap_entry64)
	.short	CODE64
	.long	0			/* CR4 */
	.long	0			/* EBX: not 0, it only tells its id */
trampoline_end:

	.text
	.code64
	.type	ap_entry64, @function
ap_entry64:
	movabs	$1f, %rax
	jmp	*%rax
1:	test	%ebx, %ebx
	jnz	ap_tell
	mov	$1, %edi
	lock xadd %edi, ap_next
	cmp	ap_limit, %edi
	jae	ap_stay
	mov	%edi, %eax
	mov	ap_stacks(, %rax, 8), %rsp
	xor	%ebp, %ebp
	push	%rbp
	push	%rbp
	call	ap_main
	ud2

	/* The id, as apic_initial_id() has it. */
ap_tell:
	xor	%eax, %eax
	cpuid
	cmp	$11, %eax
	jb	1f
	mov	$11, %eax
	xor	%ecx, %ecx
	cpuid
	test	%ebx, %ebx
	jnz	2f
1:	mov	$1, %eax
	cpuid
	mov	%ebx, %edx
	shr	$24, %edx
2:	mov	$1, %edi
	lock xadd %edi, ap_told
	cmp	ap_told_limit, %edi
	jae	ap_stay
	mov	%edx, ap_ids(, %rdi, 4)

	/*
	 * One that has no data, and perhaps never gets any. With CR4.MCE clear a machine check
	 * that all CPUs get would shut the machine down (SDM 15.10.4.1): so it takes them, and
	 * does nothing about them. All such CPUs share a stack, of which nothing is ever read.
	 */
ap_stay:
	lidt	stay_idt_pointer
	mov	$stay_stack_top, %rsp
	mov	$1, %eax
	cpuid
	and	$MCE_MCA, %edx
	cmp	$MCE_MCA, %edx
	jne	ap_stay_event
	mov	$MSR_MCG_STATUS, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	mov	%cr4, %rax
	or	$CR4_MCE, %rax
	mov	%rax, %cr4
	jmp	ap_stay_event

	/* MCIP: else the next one shuts the CPU down. */
	.globl	ap_stay_check, ap_stay_event
ap_stay_check:
	mov	$MSR_MCG_STATUS, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
ap_stay_event:
	mov	$stay_stack_top, %rsp
1:	cli
	hlt
	jmp	1b
	.size	ap_entry64, . - ap_entry64

	.section .rodata
	.balign	8
stay_idt_pointer:
	.short	STAY_GATES * 16 - 1
	.quad	ap_stay_gates

	.bss
	.balign	4096
boot_pml5:
	.skip	4096
	.globl	boot_pml4
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pdpt_image:
	.skip	4096
boot_pd:
	.skip	4 * 4096
boot_stack:
	.skip	8192
boot_stack_top:
stay_stack:
	.skip	256
stay_stack_top:
	.globl	ap_stay_gates
ap_stay_gates:
	.skip	STAY_GATES * 16
	.globl	boot_efer, boot_cr3, boot_cr4
boot_efer:
	.skip	8
boot_cr3:
	.skip	4
boot_cr4:
	.skip	4

	.section .note.GNU-stack, "", @progbits
