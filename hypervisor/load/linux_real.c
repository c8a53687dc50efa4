/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux by its 16-bit boot protocol (boot.rst, "The Real-Mode Kernel Header" and "Running the
 * Kernel"): the file as it is, setup code and all, entered in real mode; it asks the BIOS
 * (bios.S) for the rest. For bzImages, zImages, and what has the form of kernels before
 * protocol 2.00, such as memtest86+ before 6.
 */
#include "load/linux_int.h"

/*
 * Setup code in conventional memory. Kernels that take the address of their command line may
 * have it anywhere; earlier ones, and those whose protected-mode part lies below, at 90000H.
 * Behind code and heap lies the command line.
 */
#define SETUP_HIGH    0x10000u
#define HEAP_END_HIGH 0xe000u
#define SETUP_OLD     0x90000u
#define HEAP_END_OLD  0x9800u
#define HEAP_LEAST    0x1000u /* with the stack */
#define HEAP_GAP      0x200u  /* which heap_end_ptr leaves out */

#define CODE_HIGH 0x100000u
#define CODE_LOW  0x10000u /* of a zImage */

#define OLD_CMDLINE_MAGIC  0xa33fu /* before protocol 2.02: at 20H, with its offset at 22H */
#define OLD_CMDLINE_AT     0x20u
#define OLD_CMDLINE_OFFSET 0x22u
#define OLD_CMDLINE_SIZE   255u

#define ENTRY_SEGMENTS 0x20u /* behind the start: the boot sector is left out */

_Static_assert(SETUP_OLD + HEAP_END_OLD + LIMIT_LINE < LOAD_EBDA, "the command line's end");

struct real_image {
	const struct load_image *file;
	uint16_t version;
	bool high;         /* a bzImage */
	uint32_t setup;    /* where the setup code is, */
	uint32_t heap_end; /* and from there what it may use */
	uint32_t cmdline_size;
	uint32_t initrd_max;
	uint64_t code, size; /* of the protected-mode part */
	uint64_t end;        /* of what the kernel needs when it runs */
};

/* What the header says, as far as its version has it. */
static const char *read_header(const struct load_image *i, struct real_image *k)
{
	uint32_t setup_size = linux_setup_size(i), init_size = 0;
	uint64_t at = 0;

	*k = (struct real_image){.file = i, .cmdline_size = OLD_CMDLINE_SIZE};
	if (setup_size >= i->size || i->size < BP_PREF_ADDRESS)
		return "the bzImage is cut";
	if (linux_is_bzimage(i))
		(void)image_get16(i, BP_VERSION, &k->version);
	k->high = k->version >= VERSION_HEADER && i->data[BP_LOADFLAGS] & LOADED_HIGH;
	k->setup = k->high && k->version >= VERSION_CMDLINE ? SETUP_HIGH : SETUP_OLD;
	k->heap_end = k->setup == SETUP_HIGH ? HEAP_END_HIGH : HEAP_END_OLD;
	if (setup_size > k->heap_end - HEAP_LEAST)
		return "the bzImage's setup code is too large";
	k->code = k->high ? CODE_HIGH : CODE_LOW;
	k->size = i->size - setup_size;
	k->end = k->code + k->size;
	if (!k->high && k->end > SETUP_OLD)
		return "the zImage is too large for its place below 576 KiB";
	k->initrd_max = INITRD_LIMIT32;
	if (k->version >= VERSION_INITRD_MAX)
		(void)image_get32(i, BP_INITRD_MAX, &k->initrd_max);
	if (k->version >= VERSION_CMDLINE_SIZE)
		(void)image_get32(i, BP_CMDLINE_SIZE, &k->cmdline_size);
	if (k->version >= VERSION_PLACE && image_get64(i, BP_PREF_ADDRESS, &at) &&
		image_get32(i, BP_INIT_SIZE, &init_size) && at <= UINT32_MAX &&
		at + init_size > k->end)
		k->end = at + init_size;
	return NULL;
}

static void put(uint8_t *to, uint32_t v, unsigned size)
{
	__builtin_memcpy(to, &v, size);
}

/* What the loader has to say, in the copy of the setup header. */
static void fill_header(const struct real_image *k, uint8_t *bp, uint32_t cmdline_size)
{
	if (k->version >= VERSION_HEADER)
		put(bp + BP_LOADER_TYPE, LOADER_OTHER, 1);
	if (k->version >= VERSION_HEAP) {
		put(bp + BP_LOADFLAGS, bp[BP_LOADFLAGS] | CAN_USE_HEAP, 1);
		put(bp + BP_HEAP_END, k->heap_end - HEAP_GAP, 2);
	}
	if (k->version >= VERSION_CMDLINE) {
		put(bp + BP_CMDLINE, k->setup + k->heap_end, 4);
		return;
	}
	put(bp + OLD_CMDLINE_AT, OLD_CMDLINE_MAGIC, 2);
	put(bp + OLD_CMDLINE_OFFSET, k->heap_end, 2);
	if (k->version >= VERSION_HEADER)
		put(bp + BP_MOVE_SIZE, k->heap_end + cmdline_size, 2);
}

static void enter(const struct real_image *k, struct entry_state *e)
{
	e->mode = ENTRY_MODE_REAL;
	e->data_selector = (uint16_t)(k->setup >> 4);
	e->code_selector = (uint16_t)((k->setup >> 4) + ENTRY_SEGMENTS);
	e->rip = 0;
	e->rsp = k->heap_end;
}

const char *linux_load_real(
	const struct load_target *t, const struct load_request *r, struct entry_state *e)
{
	const struct load_image *i = &r->kernel;
	struct real_image k;
	const char *error = read_header(i, &k);
	uint64_t at;
	uint8_t *bp;

	if (error != NULL)
		return error;
	if (i->cmdline.len > k.cmdline_size || i->cmdline.len > LIMIT_LINE)
		return "the command line is longer than the kernel takes";
	if (ram_at(t, k.code, k.end - k.code) == NULL ||
		!ram_write(t, k.code, i->data + (i->size - k.size), k.size))
		return "the VM's memory is too small for the kernel";
	bp = ram_at(t, k.setup, k.heap_end);
	__builtin_memcpy(bp, i->data, i->size - k.size);
	fill_header(&k, bp, (uint32_t)i->cmdline.len + 1);
	ram_put_text(t, k.setup + k.heap_end, i->cmdline, LOAD_CMDLINE_SIZE);
	enter(&k, e);
	if (r->initrd.size == 0)
		return NULL;
	if (k.version < VERSION_HEADER)
		return "a kernel older than boot protocol 2.00 takes no initrd";
	error = linux_place_initrd(t, &r->initrd, k.initrd_max, k.end, &at);
	if (error != NULL)
		return error;
	put(bp + BP_RAMDISK, (uint32_t)at, 4);
	put(bp + BP_RAMDISK_SIZE, (uint32_t)r->initrd.size, 4);
	return NULL;
}

/*
 * The protocol before 2.00 has no magic, but the flag at the end of the first sector, as disks
 * have it, too; the header says how long the file is.
 */
bool linux_is_old(const struct load_image *i)
{
	uint16_t flag, units;
	uint64_t size;

	if (!image_get16(i, BP_BOOT_FLAG, &flag) || flag != BOOT_FLAG || linux_is_bzimage(i) ||
		!image_get16(i, BP_SYS_SIZE, &units) || units == 0)
		return false;
	size = linux_setup_size(i) + 16ull * units;
	return i->size <= size && size - i->size < 16;
}

bool linux_is_real(const struct load_image *i)
{
	return linux_is_bzimage(i) || linux_is_old(i);
}
