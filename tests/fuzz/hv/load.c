/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the loaders: whatever the images hold, nothing outside of them is read, nothing
 * outside of the VM's RAM is written, the loader comes back, and the first vCPU starts in a
 * state that an entry accepts. RAM and images are allocated, so that the address sanitizer sees
 * their ends.
 */
#include "load/load.h"

#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "spec/addr.h"

#define RAM_SIZE  (2u << 20)
#define HIGH_SIZE (64u << 10)
#define HIGH_RAM  (1ull << 32)
#define RSDP      0xe0000u

bool load_ready(const struct load_target *t, uint64_t gpa, uint64_t size)
{
	(void)t;
	(void)gpa;
	(void)size;
	return true;
}

static void make_target(struct load_target *t)
{
	static uint8_t *low, *high;

	if (!low) {
		low = calloc(1, RAM_SIZE);
		high = calloc(1, HIGH_SIZE);
	}
	check(low && high);
	*t = (struct load_target){
		.ram = {{0, RAM_SIZE, low}, {HIGH_RAM, HIGH_SIZE, high}},
		.ram_count = 2,
		.map_count = LOAD_MAX_RANGES,
		.rsdp = RSDP,
	};
	for (unsigned i = 0; i < LOAD_MAX_RANGES; i++)
		t->map[i] = (struct load_range){(uint64_t)i << 20, 1 << 20, LOAD_RANGE_RAM};
}

static void check_entry(const struct entry_state *e)
{
	if (e->mode == ENTRY_MODE_REAL) {
		check(e->rip <= 0xffff && e->rsp <= 0xffff && e->rsp != 0);
		check(((uint32_t)e->code_selector << 4) + e->rip < 0xa0000);
		check(((uint32_t)e->data_selector << 4) + e->rsp < 0xa0000);
		return;
	}
	check(e->gdt_base + e->gdt_limit < RAM_SIZE && e->code_selector <= e->gdt_limit &&
		e->data_selector <= e->gdt_limit);
	check(e->mode == ENTRY_MODE_PROTECTED ? e->rip >> 32 == 0
					      : (e->cr3 & PAGE_MASK) == 0 && e->cr3 < RAM_SIZE);
	check((uint64_t)((int64_t)(e->rip << 16) >> 16) == e->rip);
}

/* Bytes: protocol and options, size of an initrd; the rest is the kernel, and its end the
 * initrd. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_request r = {.format = LOAD_AUTO};
	struct load_target target;
	struct entry_state entry;
	uint8_t *kernel;
	size_t initrd;

	if (size < 2)
		return 0;
	kernel = malloc(size - 2 ? size - 2 : 1);
	check(kernel != NULL);
	memcpy(kernel, data + 2, size - 2);
	make_target(&target);
	initrd = data[1] < size - 2 ? data[1] : 0;
	r.format = (enum load_format)(((data[0] & 0x1f) % 6));
	r.cmdline0 = data[0] & 0x80;
	target.vga = data[0] & 0x10;
	r.kernel = (struct load_image){kernel, size - 2, text_of((const char *)kernel, initrd)};
	if (data[0] & 0x40)
		r.initrd = (struct load_image){
			kernel + size - 2 - initrd, initrd, r.kernel.cmdline};
	for (unsigned i = 0; data[0] & 0x20 && i < LOAD_MAX_MODULES; i++)
		r.modules[r.module_count++] =
			(struct load_image){kernel, initrd, r.kernel.cmdline};
	if (load_images(&target, &r, &entry) == NULL)
		check_entry(&entry);
	free(kernel);
	return 0;
}
