/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vm/ gives the virtual EPT of a VM: memory for its tables, of zeros. vept_init or
 * nested_vm_init follows.
 */
#ifndef NESTOR_TESTS_FAKE_VEPT_H
#define NESTOR_TESTS_FAKE_VEPT_H

#include <stdlib.h>

#include "nested/vept.h"

#define FAKE_VEPT_VOID     0x7000ull            /* the void page */
#define FAKE_VEPT_SCRATCH  0x6000ull            /* what a vCPU may write */
#define FAKE_VEPT_OF(vcpu) ((vcpu)*0x100000ull) /* that of another vCPU is there */
#define FAKE_VEPT_APIC     0x5000ull            /* stands for an APIC-access page */

static inline void fake_vept_alloc(struct vept *e, uint32_t tables)
{
	e->pages = calloc(tables, sizeof(struct vept_pages));
	e->books = calloc(1, vept_books_size(tables));
	e->count = tables;
	e->pages_hpa = 0x40000000;
	e->void_hpa = FAKE_VEPT_VOID;
	e->apic_hpa = FAKE_VEPT_APIC;
	e->maxphyaddr = 46;
}

/* The page of the one vCPU whose L2 may write where nothing is. */
static inline void fake_scratch(struct vept_scratch *s)
{
	static uint64_t page[512];

	s->page = page;
	s->hpa = FAKE_VEPT_SCRATCH;
}

static inline void fake_vept_free(struct vept *e)
{
	free(e->pages);
	free(e->books);
}

#endif
