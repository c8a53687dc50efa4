/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware of VMs; see firmware.h. */
#include "firmware.h"

#include <string.h>
#include <unistd.h>

#include "file.h"

#define SEABIOS_PACKAGE "seabios"

/* By display: where Debian has the BIOS of one. */
static const char *const vgabioses[] = {
	[DISPLAY_RAMFB] = "/usr/share/seabios/vgabios-ramfb.bin",
	[DISPLAY_TEXT] = "/usr/share/seabios/vgabios-isavga.bin",
};

const char *const firmware_words[] = {FIRMWARE_SEABIOS, "ovmf", NULL};

/* In the order of the words: where Debian has it. */
static const struct {
	const char *path, *package;
} packaged[] = {
	{"/usr/share/seabios/bios-256k.bin", SEABIOS_PACKAGE},
	{"/usr/share/ovmf/OVMF.fd", "ovmf"},
};

/* The index of the word, or -1 for a file. */
static int find_word(const struct place *from)
{
	for (int i = 0; firmware_words[i]; i++)
		if (strcmp(firmware_words[i], from->path) == 0)
			return i;
	return -1;
}

const char *firmware_path(const struct place *from)
{
	int i = find_word(from);

	return i < 0 ? from->path : packaged[i].path;
}

/* It begins with a firmware volume (UEFI PI, volume 3, EFI_FIRMWARE_VOLUME_HEADER): its
 * signature is at 40. */
bool firmware_is_uefi(const struct bytes *firmware)
{
	static const char signature[] = {'_', 'F', 'V', 'H'};

	return firmware->size >= 44 &&
	       memcmp(firmware->data + 40, signature, sizeof(signature)) == 0;
}

int firmware_load(struct arena *a, const struct place *from, struct bytes *out, struct error *e)
{
	const char *path = firmware_path(from), *problem;
	int i = find_word(from);

	if (i >= 0 && access(path, R_OK) < 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is not there: install the package %s", from->where, path,
			packaged[i].package);
	if (file_read(a, path, from->where, out, e))
		return e->status;
	problem = firmware_size_error(out->size);
	if (problem)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", from->where, path, problem);
	return 0;
}

int firmware_load_vgabios(struct arena *a, const struct place *from, enum vm_display display,
	struct bytes *out, struct error *e)
{
	const char *path = vgabioses[display];
	bool there = access(path, R_OK) == 0;
	bool needed = strcmp(from->path, FIRMWARE_SEABIOS) == 0;

	if (!there && needed)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s', for its display, is not there: install the package %s",
			from->where, path, SEABIOS_PACKAGE);
	if (!there || (!needed && find_word(from) >= 0))
		return 0;
	if (file_read(a, path, from->where, out, e))
		return e->status;
	if (out->size && out->size <= VGABIOS_MAX)
		return 0;
	return fail(
		e, STATUS_BAD_INPUT, "%s: '%s' must be up to 64 KiB long", from->where, path);
}
