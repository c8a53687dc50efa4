/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payload runtime: a small 64-bit or 32-bit environment that runs alike on the bare machine and
 * as an L1 under Nestor. A payload is one C file with `int payload_main(void)`; its result is
 * the exit value. Payloads named *_32.c are compiled for 32 bits and start with 32-bit paging.
 */
#ifndef NESTOR_GUESTS_RUNTIME_RT_H
#define NESTOR_GUESTS_RUNTIME_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Selectors of the runtime's GDT. */
#define SEL_CODE64 0x08
#define SEL_DATA   0x10
#define SEL_CODE32 0x18
#define SEL_TSS    0x30
#define SEL_CODE16 0x40
#define SEL_DATA16 0x48
#define SEL_TSS32A 0x50
#define SEL_TSS32B 0x58

/* Registers of interrupted code, in the order the stubs push them. */
#ifdef __x86_64__
#define SEL_CODE SEL_CODE64
struct trap_frame {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
#else
#define SEL_CODE SEL_CODE32
struct trap_frame {
	uint32_t rdi, rsi, rbp, rsp_of_stub, rbx, rdx, rcx, rax;
	uint32_t vector, error;
	uint32_t rip, cs, rflags, rsp, ss; /* the last two only from CPL 3 */
};
#endif

/* Whether the payload is a 64-bit one. */
#define RT_64BIT (sizeof(void *) == 8)

int payload_main(void);

/* IDT, GDT entries and TSS of the runtime (tables64.c, tables32.c). */
void tables_init(void);

/* Makes page tables like those the payload starts with, where .percpu is `copy`; for CR3. */
uint64_t percpu_tables(const void *copy);
extern char percpu_start[], percpu_end[];

/* Flushes the console, writes v to the debug-exit port, then ends a bare Bochs. */
_Noreturn void payload_exit(uint8_t v);

/* %c %s %d %u %x %lu %lx %% with zero padding and width. */
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);
__attribute__((format(printf, 3, 4))) void format_text(
	char *dst, size_t size, const char *format, ...);

/* The kernel command line of Multiboot 1, or "". */
const char *payload_cmdline(void);

/*
 * Zeroed pages from 8 MiB on; aligned to their own size. They are never freed. Any processor.
 */
void *page_alloc(void);
void *pages_alloc(unsigned count);
void *pages_alloc_2m(void);

/* Runs fn at CPL 3 until its first exception or INT 0x80; `trap` tells which. */
void user_call(void (*fn)(void));

/* When set, called, on any processor, for every exception and interrupt first; returns true
 * when it dealt with it. */
extern bool (*trap_hook)(struct trap_frame *f);

/* External and software interrupts of this processor since its start, by vector. */
extern volatile uint32_t interrupt_count[256];

/* IDT and task register of this processor. */
void trap_init(void);

extern uint64_t rt_gdt[];
extern char rt_gdt_end[];
extern uint64_t boot_pml4[]; /* 64-bit runtime */
extern uint32_t boot_pd32[]; /* 32-bit runtime: identity by 4 MiB pages that users may access */
extern uint64_t boot_pdpt32[]; /* and by PAE paging, 2 MiB pages */
extern char trap_stubs[];
extern uint8_t rt_tss[0x68];

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static inline uint64_t address_of(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif
