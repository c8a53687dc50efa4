/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kvmclient boot VMLINUX INITRD CMDLINE [MEBIBYTES]`: boots an uncompressed Linux kernel by
 * its 64-bit entry, or a 32-bit one in protected mode, with a 16550 as console, until it
 * restarts (reboot=k or reboot=t) or halts.
 */
#include "vm.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_PARAMS    0x10000u
#define COMMAND_LINE   0x20000u
#define DEFAULT_MEMORY 128
#define E820_RAM       1

#define UART_BASE    0x3f8
#define UART_IRQ     4
#define UART_IER     1
#define UART_IIR     2
#define UART_LCR     3
#define UART_MCR     4
#define UART_LSR     5
#define UART_MSR     6
#define UART_SCR     7
#define IER_THRI     2
#define IIR_NONE     1
#define IIR_THRI     2
#define LCR_DLAB     0x80
#define LSR_TX_EMPTY 0x60
#define MSR_READY    0xb0
#define KEYBOARD     0x64
#define RESET_LINE   0xfe
#define CMOS_DATA    0x71

/* The transmitter is always ready: raising THRI at once is all there is to interrupts. */
static struct {
	uint8_t ier, lcr, mcr, scr, divisor[2];
	bool thri;
} uart;

static void uart_update(struct vm *vm)
{
	vm_irq(vm, UART_IRQ, uart.thri && uart.ier & IER_THRI);
}

static void uart_write(struct vm *vm, unsigned reg, uint8_t v)
{
	if (reg <= UART_IER && uart.lcr & LCR_DLAB) {
		uart.divisor[reg] = v;
		return;
	}
	switch (reg) {
	case 0:
		putchar(v);
		if (v == '\n')
			fflush(stdout);
		uart.thri = true;
		break;
	case UART_IER:
		uart.thri |= v & ~uart.ier & IER_THRI;
		uart.ier = v;
		break;
	case UART_LCR:
		uart.lcr = v;
		return;
	case UART_MCR:
		uart.mcr = v;
		return;
	case UART_SCR:
		uart.scr = v;
		return;
	default:
		return;
	}
	uart_update(vm);
}

static uint8_t uart_read(struct vm *vm, unsigned reg)
{
	bool pending = uart.thri && uart.ier & IER_THRI;

	if (reg <= UART_IER && uart.lcr & LCR_DLAB)
		return uart.divisor[reg];
	switch (reg) {
	case UART_IER:
		return uart.ier;
	case UART_IIR:
		uart.thri = false;
		uart_update(vm);
		return pending ? 0xc0 | IIR_THRI : 0xc0 | IIR_NONE;
	case UART_LCR:
		return uart.lcr;
	case UART_MCR:
		return uart.mcr;
	case UART_LSR:
		return LSR_TX_EMPTY;
	case UART_MSR:
		return MSR_READY;
	case UART_SCR:
		return uart.scr;
	default:
		return 0;
	}
}

static bool linux_io(struct vm *vm, uint16_t port, bool write, unsigned size, uint8_t *data)
{
	if (port >= UART_BASE && port < UART_BASE + 8) {
		if (write)
			uart_write(vm, port - UART_BASE, *data);
		else
			*data = uart_read(vm, port - UART_BASE);
		return true;
	}
	if (write)
		return port != KEYBOARD || *data != RESET_LINE;
	/* A CMOS that reads 0 is no update in progress, for which Linux would wait a second. */
	memset(data, port == CMOS_DATA ? 0 : 0xff, size);
	return true;
}

static bool linux_mmio(
	struct vm *vm, uint64_t address, bool write, unsigned size, uint8_t *data)
{
	(void)vm;
	(void)address;
	if (!write)
		memset(data, 0xff, size);
	return true;
}

static uint8_t *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		fatal(path);
	*size = (size_t)st.st_size;
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		fatal(path);
	return data;
}

_Noreturn static void refuse(const char *path, const char *why)
{
	fprintf(stderr, "kvmclient: %s: %s\n", path, why);
	exit(1);
}

struct kernel_segment {
	uint32_t type;
	uint64_t offset, file_size, address, size;
};

/* Of a program header of the kind. False: it lies outside the file. */
static bool read_segment(
	const uint8_t *file, size_t size, bool is64, uint64_t at, struct kernel_segment *s)
{
	Elf64_Phdr p64;
	Elf32_Phdr p32;
	size_t length = is64 ? sizeof(p64) : sizeof(p32);

	if (at > size - length)
		return false;
	if (is64) {
		memcpy(&p64, file + at, length);
		*s = (struct kernel_segment){
			p64.p_type, p64.p_offset, p64.p_filesz, p64.p_paddr, p64.p_memsz};
	} else {
		memcpy(&p32, file + at, length);
		*s = (struct kernel_segment){
			p32.p_type, p32.p_offset, p32.p_filesz, p32.p_paddr, p32.p_memsz};
	}
	return true;
}

struct kernel {
	bool is64;
	uint64_t entry; /* physical */
	uint64_t headers;
	unsigned header_count, header_size;
};

static struct kernel read_header(const uint8_t *file, const char *path, size_t size)
{
	Elf64_Ehdr h64;
	Elf32_Ehdr h32;

	if (size < sizeof(h64) || memcmp(file, ELFMAG, SELFMAG) != 0)
		refuse(path, "not an ELF file");
	memcpy(&h64, file, sizeof(h64));
	memcpy(&h32, file, sizeof(h32));
	if (file[EI_CLASS] == ELFCLASS64)
		return (struct kernel){
			true, h64.e_entry, h64.e_phoff, h64.e_phnum, sizeof(Elf64_Phdr)};
	return (struct kernel){
		false, h32.e_entry, h32.e_phoff, h32.e_phnum, sizeof(Elf32_Phdr)};
}

/* Loads the segments at their physical addresses. */
static struct kernel load_kernel(struct vm *vm, const char *path)
{
	size_t size;
	const uint8_t *file = map_file(path, &size);
	struct kernel k = read_header(file, path, size);

	for (unsigned i = 0; i < k.header_count; i++) {
		struct kernel_segment s;

		if (!read_segment(file, size, k.is64, k.headers + i * k.header_size, &s))
			refuse(path, "program headers beyond its end");
		if (s.type != PT_LOAD)
			continue;
		if (s.offset > size || s.file_size > size - s.offset || s.address > vm->size ||
			s.size > vm->size - s.address || s.file_size > s.size)
			refuse(path, "a segment lies outside the file or guest memory");
		memcpy(vm->memory + s.address, file + s.offset, (size_t)s.file_size);
	}
	return k;
}

static uint32_t load_initrd(struct vm *vm, const char *path, uint32_t *length)
{
	size_t size;
	const uint8_t *file = map_file(path, &size);
	size_t at = (vm->size - size) & ~(size_t)0xfff;

	if (size > vm->size / 2)
		refuse(path, "too large for guest memory");
	memcpy(vm->memory + at, file, size);
	*length = (uint32_t)size;
	return (uint32_t)at;
}

/* Linux' Documentation/arch/x86/boot.rst "64-bit Boot Protocol". */
static void write_boot_params(struct vm *vm, const char *initrd, const char *cmdline)
{
	struct boot_params *b = (void *)(vm->memory + BOOT_PARAMS);
	uint32_t length;

	b->hdr.boot_flag = 0xaa55;
	b->hdr.header = 0x53726448;
	b->hdr.version = 0x20f;
	b->hdr.type_of_loader = 0xff;
	b->hdr.loadflags = LOADED_HIGH;
	b->hdr.cmd_line_ptr = COMMAND_LINE;
	b->hdr.cmdline_size = 2047;
	b->hdr.ramdisk_image = load_initrd(vm, initrd, &length);
	b->hdr.ramdisk_size = length;
	b->e820_entries = 2;
	b->e820_table[0] = (struct boot_e820_entry){0, 0x9fc00, E820_RAM};
	b->e820_table[1] = (struct boot_e820_entry){0x100000, vm->size - 0x100000, E820_RAM};
	snprintf((char *)vm->memory + COMMAND_LINE, 2048, "%s", cmdline);
}

int linux_main(int argc, char **argv)
{
	struct vm vm = {.io = linux_io, .mmio = linux_mmio};
	size_t memory = DEFAULT_MEMORY;
	struct kernel kernel;
	uint32_t reason;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "kvmclient: boot needs VMLINUX INITRD CMDLINE [MEBIBYTES]\n");
		return 64;
	}
	if (argc == 6)
		memory = strtoul(argv[5], NULL, 10);
	if (memory < 64 || memory > 2048) {
		fprintf(stderr, "kvmclient: memory is 64 to 2048 (MiB), not '%s'\n", argv[5]);
		return 64;
	}
	vm_create(&vm, memory << 20, true);
	kernel = load_kernel(&vm, argv[2]);
	write_boot_params(&vm, argv[3], argv[4]);
	vm_set_mode(&vm, kernel.is64, kernel.entry, BOOT_PARAMS);
	reason = vm_run(&vm);
	fflush(stdout);
	if (reason == KVM_EXIT_UNKNOWN || reason == KVM_EXIT_SHUTDOWN)
		return 0;
	fprintf(stderr, "kvmclient: the guest ended with KVM exit %u (%llx)\n", reason,
		(unsigned long long)vm.run->fail_entry.hardware_entry_failure_reason);
	return 1;
}
