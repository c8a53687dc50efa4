/*
 * Linux by its 64-bit boot protocol: bzImage, and vmlinux as ELF. boot_params is built from
 * nothing; of a bzImage only the setup header is kept.
 */
#include "load/load_int.h"

#include "cpu/mem.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* Offsets in struct boot_params, which is the protocol's "zero page". */
#define BP_ACPI_RSDP    0x070u
#define BP_E820_COUNT   0x1e8u
#define BP_HEADER       0x1f1u
#define BP_SETUP_SECTS  0x1f1u
#define BP_BOOT_FLAG    0x1feu
#define BP_JUMP_OFFSET  0x201u
#define BP_MAGIC        0x202u
#define BP_VERSION      0x206u
#define BP_LOADER_TYPE  0x210u
#define BP_LOADFLAGS    0x211u
#define BP_RAMDISK      0x218u
#define BP_RAMDISK_SIZE 0x21cu
#define BP_CMDLINE      0x228u
#define BP_INITRD_MAX   0x22cu
#define BP_XLOADFLAGS   0x236u
#define BP_CMDLINE_SIZE 0x238u
#define BP_PREF_ADDRESS 0x258u
#define BP_INIT_SIZE    0x260u
#define BP_E820         0x2d0u

#define MAGIC_HDRS     0x53726448u
#define BOOT_FLAG      0xaa55u
#define LOADED_HIGH    0x01u
#define XLF_KERNEL_64  0x01u
#define LOADER_OTHER   0xffu
#define VERSION        0x020fu
#define INITRD_LIMIT   0x7fffffffull
#define ENTRY64_OFFSET 0x200u

bool linux_is_bzimage(const struct image *i)
{
	uint32_t magic;
	uint16_t flag;

	return image_get16(i, BP_BOOT_FLAG, &flag) && flag == BOOT_FLAG &&
	       image_get32(i, BP_MAGIC, &magic) && magic == MAGIC_HDRS;
}

static void put(uint8_t *bp, unsigned at, uint64_t v, unsigned size)
{
	memcpy(bp + at, &v, size);
}

static void put_e820(struct vm *vm, uint8_t *bp)
{
	struct memory_range r[MEMORY_RANGES];
	unsigned n = load_memory_map(vm, r);

	bp[BP_E820_COUNT] = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		put(bp, BP_E820 + 20 * i, r[i].start, 8);
		put(bp, BP_E820 + 20 * i + 8, r[i].size, 8);
		put(bp, BP_E820 + 20 * i + 16, r[i].type, 4);
	}
}

/* As high as it may be, so that the kernel's own growth never reaches it. */
static const char *place_initrd(
	struct vm *vm, uint8_t *bp, const struct vm_file *f, uint64_t kernel_end)
{
	struct image i = load_image(f);
	uint64_t top = vm->slots[0].size, at;

	if (i.size == 0)
		return NULL;
	if (top > INITRD_LIMIT)
		top = INITRD_LIMIT;
	if (i.size > top)
		return "the initrd is larger than the VM's memory";
	at = (top - i.size) & ~PAGE_MASK;
	if (at < kernel_end || vm_write_gpa(vm, at, i.data, i.size) != 0)
		return "the VM's memory is too small for kernel and initrd";
	put(bp, BP_RAMDISK, at, 4);
	put(bp, BP_RAMDISK_SIZE, i.size, 4);
	return NULL;
}

static const char *finish(
	struct vm *vm, const struct vm_images *images, uint64_t entry, uint64_t kernel_end)
{
	uint8_t *bp = vm_gpa_to_va(vm, LOAD_INFO, PAGE_SIZE);
	struct vcpu *vcpu = vm->vcpus[0];
	const char *error;

	put(bp, BP_ACPI_RSDP, DEV_ACPI_BASE, 8);
	put(bp, BP_LOADER_TYPE, LOADER_OTHER, 1);
	put(bp, BP_CMDLINE, LOAD_CMDLINE, 4);
	put_e820(vm, bp);
	load_text(vm, LOAD_CMDLINE, images->kernel.cmdline, LOAD_CMDLINE_SIZE);
	error = place_initrd(vm, bp, &images->initrd, kernel_end);
	if (error != NULL)
		return error;
	vcpu->regs.r[REG_RSI] = LOAD_INFO;
	vcpu_set_long_mode(vcpu, entry, load_identity_map(vm));
	vmcs_write_setup(VMCS_GUEST_GDTR_BASE, LOAD_GDT);
	vmcs_write_setup(VMCS_GUEST_GDTR_LIMIT, 4 * 8 - 1);
	return NULL;
}

const char *load_linux_elf(struct vm *vm, const struct vm_images *images)
{
	struct image i = load_image(&images->kernel);
	uint8_t *bp = vm_gpa_to_va(vm, LOAD_INFO, PAGE_SIZE);
	struct elf_info info;
	const char *error = elf_load(vm, &i, &info);

	if (error != NULL)
		return error;
	if (!info.is64)
		return "a 32-bit Linux kernel: only 64-bit vmlinux files can be started";
	/* A VM entry at an address that is not canonical fails (SDM 26.3.1.4). */
	if (vm_gpa_to_va(vm, info.entry, 1) == NULL)
		return "the entry point lies outside the VM's memory";
	put(bp, BP_BOOT_FLAG, BOOT_FLAG, 2);
	put(bp, BP_MAGIC, MAGIC_HDRS, 4);
	put(bp, BP_VERSION, VERSION, 2);
	put(bp, BP_LOADFLAGS, LOADED_HIGH, 1);
	put(bp, BP_XLOADFLAGS, XLF_KERNEL_64, 2);
	put(bp, BP_INITRD_MAX, INITRD_LIMIT, 4);
	put(bp, BP_CMDLINE_SIZE, LOAD_CMDLINE_SIZE - 1, 4);
	return finish(vm, images, info.entry, info.end);
}

const char *load_linux_bzimage(struct vm *vm, const struct vm_images *images)
{
	struct image i = load_image(&images->kernel);
	uint8_t *bp = vm_gpa_to_va(vm, LOAD_INFO, PAGE_SIZE);
	uint16_t version, xloadflags;
	uint32_t init_size;
	uint64_t at, setup;

	if (!image_get16(&i, BP_VERSION, &version) || version < 0x020c ||
		!image_get16(&i, BP_XLOADFLAGS, &xloadflags) || !(xloadflags & XLF_KERNEL_64) ||
		!image_get64(&i, BP_PREF_ADDRESS, &at) ||
		!image_get32(&i, BP_INIT_SIZE, &init_size))
		return "a bzImage without a 64-bit entry point";
	setup = (i.data[BP_SETUP_SECTS] == 0 ? 4u : i.data[BP_SETUP_SECTS]) * 512u + 512u;
	if (setup >= i.size)
		return "the bzImage is cut";
	if (vm_gpa_to_va(vm, at, init_size) == NULL || i.size - setup > init_size)
		return "the VM's memory is too small for the kernel";
	vm_write_gpa(vm, at, i.data + setup, i.size - setup);
	/* the header ends where the jump at its start leads to */
	memcpy(bp + BP_HEADER, i.data + BP_HEADER,
		(uint64_t)BP_MAGIC + i.data[BP_JUMP_OFFSET] - BP_HEADER);
	return finish(vm, images, at + ENTRY64_OFFSET, at + init_size);
}
