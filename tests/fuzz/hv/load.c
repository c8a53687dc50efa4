/*
 * Fuzzer of the loaders: whatever the images hold, nothing outside of them is read, nothing outside of the
 * VM's RAM is written, the loader comes back, and the first vCPU starts at an address that an entry accepts.
 * RAM and images are allocated, so that the address sanitizer sees their ends.
 */
#include "load/load.h"

#include <stdlib.h>
#include <string.h>

#include "mm/layout.h"
#include "vm/vm_int.h"

#define RAM_SIZE (2u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vm vm;
static struct vcpu vcpu;
static uint64_t started_at;

void vcpu_set_protected_mode(struct vcpu *v, uint64_t rip)
{
	(void)v;
	started_at = rip;
	if (rip >> 32 != 0)
		abort();
}

void vcpu_set_long_mode(struct vcpu *v, uint64_t rip, uint64_t cr3)
{
	(void)v;
	started_at = rip;
	if (!vm_gpa_to_va(&vm, cr3, PAGE_SIZE) || rip << 16 >> 16 != rip)
		abort();
}

void vmcs_write_setup(uint32_t encoding, uint64_t v)
{
	(void)encoding;
	(void)v;
}

/* Where the direct map would have a pointer of this process. */
static uint64_t hpa(const void *p)
{
	return (uint64_t)(uintptr_t)p - DIRECT_BASE;
}

static struct vm_file file(const uint8_t *data, size_t size, struct text cmdline)
{
	return (struct vm_file){hpa(data), size, cmdline};
}

/* Bytes: protocol and options, size of an initrd; the rest is the kernel, and its end the initrd. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_images images;
	static uint8_t *ram;
	uint8_t *kernel;
	size_t initrd;

	if (size < 2)
		return 0;
	if (!ram)
		ram = calloc(1, RAM_SIZE);
	kernel = malloc(size - 2 ? size - 2 : 1);
	if (!ram || !kernel)
		abort();
	memcpy(kernel, data + 2, size - 2);
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&images, 0, sizeof(images));
	initrd = data[1] < size - 2 ? data[1] : 0;
	images.config.protocol = data[0] % 5;
	images.config.cpus = 1;
	images.config.memory = RAM_SIZE;
	images.config.cmdline0 = data[0] & 0x80;
	images.kernel = file(kernel, size - 2, text_of((const char *)kernel, initrd));
	if (data[0] & 0x40)
		images.initrd = file(kernel + size - 2 - initrd, initrd, images.kernel.cmdline);
	for (unsigned i = 0; data[0] & 0x20 && i < SCENARIO_MAX_MODULES; i++)
		images.modules[images.module_count++] =
			file(kernel, initrd, images.kernel.cmdline);
	vm.config = images.config;
	vm.vcpus[0] = &vcpu;
	vm.slots[0] = (struct mem_slot){.gpa = 0, .size = RAM_SIZE, .hpa = {hpa(ram)}};
	vm.slot_count = 1;
	vm_load(&vm, &images);
	free(kernel);
	return 0;
}
