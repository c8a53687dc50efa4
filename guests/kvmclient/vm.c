/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CPUID       100
#define HUGE_PAGE       (2ull << 20)
#define CR0_PG_WP_NE_PE 0x80010031ull
#define CR0_NE_PE       0x31ull
#define CR4_PAE         0x20ull
#define EFER_LME_LMA    0x500ull
#define ECX_HYPERVISOR  (1u << 31)
#define ECX_DEADLINE    (1u << 24)
#define ECX_X2APIC      (1u << 21)

_Noreturn void fatal(const char *what)
{
	fprintf(stderr, "kvmclient: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int control(int fd, unsigned long request, void *argument, const char *what)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		fatal(what);
	return result;
}

/*
 * What KVM supports, with what it leaves to the VMM: APIC id, hypervisor bit, deadline timer.
 */
static void set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2));

	if (!cpuid)
		fatal("memory");
	cpuid->nent = MAX_CPUID;
	control(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffff) | 1u << 16;
			e->ecx |= ECX_HYPERVISOR | ECX_X2APIC;
			if (vm->irqchip)
				e->ecx |= ECX_DEADLINE;
		}
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = 0;
	}
	control(vm->vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

static void create_irqchip(struct vm *vm)
{
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};

	control(vm->fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	control(vm->fd, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
}

/*
 * Guest memory in large pages, which only an area that begins at a multiple of their size has:
 * the rest of what is taken for that is never touched.
 */
static uint8_t *huge_memory(size_t size)
{
	uint8_t *area = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *memory;

	if (area == MAP_FAILED)
		fatal("guest memory");
	memory = area + (-(uintptr_t)area & (HUGE_PAGE - 1));
	madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

void vm_create(struct vm *vm, size_t memory, bool irqchip)
{
	struct kvm_userspace_memory_region region = {.memory_size = memory};
	int map_size;

	vm->irqchip = irqchip;
	vm->size = memory;
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		fatal("/dev/kvm");
	vm->fd = control(vm->kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	control(vm->fd, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
	if (irqchip)
		create_irqchip(vm);
	vm->memory = huge_memory(memory);
	region.userspace_addr = (uintptr_t)vm->memory;
	control(vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	vm->vcpu = control(vm->fd, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	map_size = control(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run = mmap(NULL, (size_t)map_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		fatal("vCPU");
	set_cpuid(vm);
}

static void put64(struct vm *vm, uint32_t address, uint64_t value)
{
	memcpy(vm->memory + address, &value, sizeof(value));
}

static void write_tables(struct vm *vm)
{
	const uint32_t pml4 = GUEST_PAGE_TABLES, pdpt = pml4 + 0x1000, pd = pdpt + 0x1000;

	put64(vm, pml4, pdpt | 3);
	for (uint32_t i = 0; i < 4; i++)
		put64(vm, pdpt + i * 8, (pd + i * 0x1000) | 3);
	for (uint32_t i = 0; i < 2048; i++)
		put64(vm, pd + i * 8, (uint64_t)i << 21 | 0x83);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool long_mode)
{
	struct kvm_segment s = {.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1};

	s.l = long_mode && type == 0xb;
	s.db = !s.l;
	return s;
}

void vm_set_mode(struct vm *vm, bool long_mode, uint64_t rip, uint64_t rsi)
{
	struct kvm_regs regs = {.rip = rip, .rsi = rsi, .rsp = GUEST_STACK, .rflags = 2};
	struct kvm_sregs sregs;

	put64(vm, GUEST_GDT + 0x10, long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
	put64(vm, GUEST_GDT + 0x18, 0x00cf93000000ffff);
	control(vm->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = segment(0x10, 0xb, long_mode);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = segment(0x18, 3, long_mode);
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = 0x1f;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_NE_PE;
	if (long_mode) {
		write_tables(vm);
		sregs.cr0 = CR0_PG_WP_NE_PE;
		sregs.cr3 = GUEST_PAGE_TABLES;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME_LMA;
	}
	control(vm->vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	control(vm->vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

void vm_irq(struct vm *vm, unsigned line, bool level)
{
	struct kvm_irq_level irq = {.irq = line, .level = level};

	control(vm->fd, KVM_IRQ_LINE, &irq, "KVM_IRQ_LINE");
}

static bool handle_io(struct vm *vm)
{
	uint8_t *data = (uint8_t *)vm->run + vm->run->io.data_offset;

	for (unsigned i = 0; i < vm->run->io.count; i++, data += vm->run->io.size)
		if (!vm->io(vm, vm->run->io.port, vm->run->io.direction == KVM_EXIT_IO_OUT,
			    vm->run->io.size, data))
			return false;
	return true;
}

uint32_t vm_run(struct vm *vm)
{
	bool more = true;

	while (more) {
		if (ioctl(vm->vcpu, KVM_RUN, NULL) < 0 && errno != EINTR)
			fatal("KVM_RUN");
		switch (vm->run->exit_reason) {
		case KVM_EXIT_IO:
			more = handle_io(vm);
			break;
		case KVM_EXIT_MMIO:
			more = vm->mmio(vm, vm->run->mmio.phys_addr, vm->run->mmio.is_write,
				vm->run->mmio.len, vm->run->mmio.data);
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			return vm->run->exit_reason;
		}
	}
	return KVM_EXIT_UNKNOWN;
}
