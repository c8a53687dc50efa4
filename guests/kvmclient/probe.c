/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kvmclient cpuid`: what a guest pays for CPUID (handled by KVM itself), port I/O and device
 * memory (handled here). The guest measures in its own TSC and reports through ports.
 */
#include "vm.h"

#include <stdio.h>
#include <string.h>

#define CODE_AT     0x100000u
#define PORT_RESULT 0x10
#define PORT_EMPTY  0x20
#define PORT_END    0x30

extern const uint8_t probe_guest[], probe_guest_end[];

/* In the order of the guest's reports: one port each from PORT_RESULT on. */
static const char *const names[] = {"rdtsc", "cpuid", "port", "mmio"};

static bool probe_io(struct vm *vm, uint16_t port, bool write, unsigned size, uint8_t *data)
{
	uint32_t value = 0;

	(void)vm;
	if (port == PORT_END)
		return false;
	if (write && port >= PORT_RESULT &&
		port < PORT_RESULT + sizeof(names) / sizeof(*names)) {
		memcpy(&value, data, size);
		printf("kvm_%s %u\n", names[port - PORT_RESULT], value);
	}
	return true;
}

static bool probe_mmio(
	struct vm *vm, uint64_t address, bool write, unsigned size, uint8_t *data)
{
	(void)vm;
	(void)address;
	if (!write)
		memset(data, 0x5a, size);
	return true;
}

int probe_main(void)
{
	struct vm vm = {.io = probe_io, .mmio = probe_mmio};
	uint32_t reason;

	vm_create(&vm, 4 << 20, false);
	memcpy(vm.memory + CODE_AT, probe_guest, (size_t)(probe_guest_end - probe_guest));
	vm_set_mode(&vm, GUEST_LONG_MODE, CODE_AT, 0);
	reason = vm_run(&vm);
	if (reason == KVM_EXIT_UNKNOWN)
		return 0;
	printf("kvmclient: the guest ended with KVM exit %u\n", reason);
	return 1;
}
