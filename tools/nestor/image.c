/* SPDX-License-Identifier: Apache-2.0 */
/* Bootable images; see image.h. */
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "firmware.h"
#include "host_disk.h"
#include "process.h"

/* The first line of a folder's grub.cfg. */
#define FOLDER_MENU "# made by `nestor image`: source it with $nestor set to this folder\n"

/* For firmware, GRUB and what both leave in pieces. */
#define FIRMWARE_MEMORY (128ULL << 20)

/* A folder under construction: what goes on the image. */
struct image {
	struct arena *a;
	const struct command *o;
	const char *folder; /* of the files */
	const char *prefix; /* what GRUB calls it */
	const char *menu;   /* GRUB's configuration */
	uint64_t size;      /* of all files, in whole pages */
	struct error *e;
};

/*
 * Quotes the words of @text for GRUB's shell one by one, because GRUB itself puts quotes around
 * an argument with spaces.
 */
static const char *quote(struct arena *a, const char *text)
{
	const char *out = "";

	while (*text) {
		size_t length = strcspn(text, " ");

		if (length)
			out = arena_format(a, "%s '%.*s'", out, (int)length, text);
		text += length + (text[length] == ' ');
	}
	return out;
}

/* GRUB puts a backslash before these characters, which no kernel takes away. */
static int check_cmdline(
	const struct vm_spec *vm, const char *key, const char *text, struct error *e)
{
	const char *bad = strpbrk(text, "'\"\\");

	if (!bad)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: %s: GRUB cannot pass the character %c of '%.60s'",
		vm->where, key, *bad, text);
}

/* A module of a file that is on the image. */
static void add_module(
	struct image *m, const char *name, const struct bytes *content, const char *line)
{
	m->size += (content->size + 4095) & ~4095ULL;
	m->menu = arena_format(
		m->a, "%s\tmodule2 %s/%s%s\n", m->menu, m->prefix, name, quote(m->a, line));
}

static int add_file(
	struct image *m, const char *name, const struct bytes *content, const char *line)
{
	add_module(m, name, content, line);
	return file_write(arena_format(m->a, "%s/%s", m->folder, name), content, m->e);
}

static int check_cmdlines(const struct vm_spec *vm, struct error *e)
{
	if (host_disks_refuse(vm, e))
		return e->status;
	if (vm->variables.path)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s': variables are kept in a file by `nestor run` only, not by "
			"an image: leave 'variables' out",
			vm->variables.where, vm->variables.path);
	if (check_cmdline(vm, "cmdline", vm->cmdline, e))
		return e->status;
	for (unsigned i = 0; i < vm->module_count; i++)
		if (check_cmdline(vm, "module", vm->modules[i].cmdline, e))
			return e->status;
	return 0;
}

/*
 * The name of the file that has the image of a disk or a CD-ROM: an image that several have is
 * there once.
 */
static const char *shared_name(
	const struct image *m, const struct vm_files *files, const struct bytes *content)
{
	const struct scenario_spec *s = &m->o->scenario;

	for (unsigned i = 0; i < s->vm_count; i++) {
		const char *vm = s->vms[i].config.name;

		for (unsigned k = 0; k < s->vms[i].disk_count; k++)
			if (files[i].disks[k].data == content->data)
				return arena_format(m->a, "%s.disk%u", vm, k);
		for (unsigned k = 0; k < s->vms[i].cdrom_count; k++)
			if (files[i].cdroms[k].data == content->data)
				return arena_format(m->a, "%s.cdrom%u", vm, k);
	}
	for (unsigned i = 0; i < s->image_count; i++)
		if (files[0].images[i].data == content->data)
			return arena_format(m->a, "image.%s", s->images[i].config.name);
	return NULL;
}

/* @own: its name, if it is the first with this content. */
static int add_shared(struct image *m, const struct vm_files *files, const char *own,
	const struct bytes *content, const char *line)
{
	const char *name = shared_name(m, files, content);

	if (strcmp(name, own) == 0)
		return add_file(m, name, content, line);
	add_module(m, name, content, line);
	return 0;
}

static int add_disks(struct image *m, const struct vm_files *files, unsigned vm)
{
	const struct vm_spec *v = &m->o->scenario.vms[vm];

	for (unsigned i = 0; i < v->disk_count; i++)
		if (add_shared(m, files, arena_format(m->a, "%s.disk%u", v->config.name, i),
			    &files[vm].disks[i], scenario_disk_line(m->a, v, &v->disks[i])))
			return m->e->status;
	for (unsigned i = 0; i < v->cdrom_count; i++)
		if (add_shared(m, files, arena_format(m->a, "%s.cdrom%u", v->config.name, i),
			    &files[vm].cdroms[i], scenario_cdrom_line(m->a, v, &v->cdroms[i])))
			return m->e->status;
	return 0;
}

static int add_images(struct image *m, const struct vm_files *files)
{
	const struct scenario_spec *s = &m->o->scenario;

	for (unsigned i = 0; i < s->image_count; i++)
		if (add_shared(m, files,
			    arena_format(m->a, "image.%s", s->images[i].config.name),
			    &files[0].images[i], scenario_image_line(m->a, &s->images[i])))
			return m->e->status;
	return 0;
}

/* Files are named VM.KIND, and modules are numbered. */
static int add_vm(struct image *m, const struct vm_spec *vm, const struct vm_files *f)
{
	struct boot_file of_vm[BOOT_VM_FILES];
	unsigned n = boot_vm_files(m->a, vm, f, of_vm), module = 0;

	if (check_cmdlines(vm, m->e))
		return m->e->status;
	for (unsigned i = 0; i < n; i++) {
		const char *name = arena_format(m->a, "%s.%s", vm->config.name, of_vm[i].kind);

		if (strcmp(of_vm[i].kind, "module") == 0)
			name = arena_format(m->a, "%s%u", name, module++);
		if (add_file(m, name, of_vm[i].content, of_vm[i].line))
			return m->e->status;
	}
	return 0;
}

static int make_folder(struct image *m, const char *path)
{
	if (mkdir(path, 0755) < 0)
		return fail(m->e, STATUS_HOST_ERROR, "cannot create '%s': %s", path,
			strerror(errno));
	return 0;
}

/* Nestor and all files, and in m->menu the commands that load them. */
static int fill(struct image *m, const struct place *l0, const struct vm_files *files)
{
	const struct scenario_spec *s = &m->o->scenario;
	struct bytes content;

	if (file_read(m->a, l0->path, l0->where, &content, m->e) ||
		file_write(arena_format(m->a, "%s/nestor.elf", m->folder), &content, m->e))
		return m->e->status;
	m->menu = arena_format(m->a, "\tmultiboot2 %s/nestor.elf %s\n", m->prefix,
		command_l0_line(m->a, m->o, &s->l0));
	for (unsigned i = 0; i < s->vm_count; i++)
		if (add_vm(m, &s->vms[i], &files[i]) || add_disks(m, files, i))
			return m->e->status;
	return add_images(m, files);
}

/* What grub-mkrescue makes an image of. */
static int fill_iso(
	struct image *m, const char *root, const struct place *l0, const struct vm_files *files)
{
	const char *grub;

	m->prefix = "/boot";
	m->folder = arena_format(m->a, "%s/boot", root);
	grub = arena_format(m->a, "%s/grub", m->folder);
	if (make_folder(m, root) || make_folder(m, m->folder) || make_folder(m, grub) ||
		fill(m, l0, files))
		return m->e->status;
	m->menu = arena_format(m->a,
		"serial --unit=0 --speed=115200\n"
		"terminal_input console serial\n"
		"terminal_output console serial\n"
		"insmod all_video\n"
		"set timeout=0\n"
		"menuentry Nestor {\n%s}\n",
		m->menu);
	return file_write_text(arena_format(m->a, "%s/grub.cfg", grub), m->menu, m->e);
}

/* Its path, and without slashes at its end. */
static const char *bare_path(const struct image *m)
{
	char *out = arena_copy(m->a, m->o->output);

	while (out[0] && out[1] && out[strlen(out) - 1] == '/')
		out[strlen(out) - 1] = 0;
	return out;
}

/*
 * A folder for a GRUB that is installed: its grub.cfg is to be read with $nestor set to where
 * GRUB finds the folder. The new folder takes the place of the old one at the end.
 */
static int make_directory(struct image *m, const struct place *l0, const struct vm_files *files)
{
	const char *out = bare_path(m), *old;
	int status;

	old = arena_format(m->a, "%s.old", out);
	m->folder = arena_format(m->a, "%s.partial", out);
	m->prefix = "$nestor";
	if (access(m->folder, F_OK) == 0)
		file_remove_tree(m->folder);
	if (make_folder(m, m->folder))
		return m->e->status;
	status = fill(m, l0, files);
	m->menu = arena_format(m->a, "%s%s", FOLDER_MENU, m->menu ? m->menu : "");
	if (status ||
		file_write_text(arena_format(m->a, "%s/grub.cfg", m->folder), m->menu, m->e)) {
		file_remove_tree(m->folder);
		return m->e->status;
	}
	if (access(old, F_OK) == 0)
		file_remove_tree(old);
	if ((rename(out, old) < 0 && errno != ENOENT) || rename(m->folder, out) < 0) {
		fail(m->e, STATUS_HOST_ERROR, "cannot create '%s': %s", out, strerror(errno));
		file_remove_tree(m->folder);
		return m->e->status;
	}
	file_remove_tree(old);
	return 0;
}

static void show_log(const char *path)
{
	char buffer[4096];
	size_t got;
	FILE *f = fopen(path, "re");

	while (f && (got = fread(buffer, 1, sizeof(buffer), f)) > 0)
		fwrite(buffer, 1, got, stderr);
	if (f)
		fclose(f);
}

static int refuse_input(
	const struct image *m, const struct place *input, const struct stat *output)
{
	struct stat in;

	if (!input->path || stat(input->path, &in) < 0 || in.st_dev != output->st_dev ||
		in.st_ino != output->st_ino)
		return 0;
	return fail(m->e, STATUS_BAD_INPUT,
		"'%s' goes into the image: name another output than '%s'", input->path,
		m->o->output);
}

/* The output is a folder: DIR/ */
static bool is_folder(const char *output)
{
	size_t length = strlen(output);

	return length && output[length - 1] == '/';
}

/* Only what an earlier run made is replaced: a folder whose grub.cfg begins as ours do. */
static bool is_ours(const struct image *m, const char *folder)
{
	FILE *f = fopen(arena_format(m->a, "%s/grub.cfg", folder), "re");
	char line[sizeof(FOLDER_MENU)] = "";
	bool ours = f && fgets(line, sizeof(line), f) && strcmp(line, FOLDER_MENU) == 0;

	if (f)
		fclose(f);
	return ours;
}

static int check_folder(const struct image *m)
{
	const char *out = bare_path(m);
	struct stat there;

	if (lstat(out, &there) == 0 && (!S_ISDIR(there.st_mode) || !is_ours(m, out)))
		return fail(m->e, STATUS_BAD_INPUT,
			"'%s' exists and is no folder that `nestor image` made: name another output",
			out);
	return 0;
}

/*
 * A new file takes the place of the output at the end, so that there is never half an image:
 * what is there already must be a file, and none that goes into the image.
 */
static int check_output(const struct image *m, const struct place *l0)
{
	const struct scenario_spec *s = &m->o->scenario;
	const char *out = m->o->output;
	struct stat there;

	if (is_folder(out))
		return check_folder(m);
	if (lstat(out, &there) < 0)
		return 0; /* whatever is wrong else, writing it tells */
	if (!S_ISREG(there.st_mode))
		return fail(m->e, STATUS_BAD_INPUT,
			"'%s' exists and is no regular file: name another output", out);
	if (refuse_input(m, l0, &there))
		return m->e->status;
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];

		struct place firmware = {
			vm->firmware.path ? firmware_path(&vm->firmware) : NULL, NULL};

		if (refuse_input(m, &firmware, &there) ||
			refuse_input(m, &vm->kernel, &there) ||
			refuse_input(m, &vm->initrd, &there))
			return m->e->status;
		for (unsigned k = 0; k < vm->module_count; k++)
			if (refuse_input(m, &vm->modules[k].file, &there))
				return m->e->status;
		for (unsigned k = 0; k < vm->disk_count; k++)
			if (refuse_input(m, &vm->disks[k].image, &there))
				return m->e->status;
		for (unsigned k = 0; k < vm->cdrom_count; k++)
			if (refuse_input(m, &vm->cdroms[k].image, &there))
				return m->e->status;
	}
	for (unsigned i = 0; i < s->image_count; i++)
		if (refuse_input(m, &s->images[i].file, &there))
			return m->e->status;
	return 0;
}

/* Runs grub-mkrescue on the folder. */
static int build(
	struct image *m, const char *root, const struct vm_files *files, const char *log)
{
	const char *program = file_find_program(m->a, "grub-mkrescue");
	const char *partial = arena_format(m->a, "%s.partial", m->o->output);
	const char *const argv[] = {program, "-o", partial, root, "--", "-volid", "NESTOR",
		"-application_id",
		boot_iso_label(m->a, &m->o->scenario, files, m->size + FIRMWARE_MEMORY), NULL};

	if (!program || !file_find_program(m->a, "xorriso") ||
		!file_find_program(m->a, "mformat"))
		return fail(m->e, STATUS_HOST_ERROR,
			"needs grub-mkrescue, xorriso and mtools: run `make setup`");
	if (file_write_text(partial, "", m->e))
		return m->e->status;
	if (process_run(argv, log, m->e)) {
		unlink(partial);
		show_log(log);
		return m->e->status;
	}
	if (m->o->verbose)
		show_log(log);
	if (rename(partial, m->o->output) < 0)
		return fail(m->e, STATUS_HOST_ERROR, "cannot create '%s': %s", m->o->output,
			strerror(errno));
	return 0;
}

int image_make(struct arena *a, const struct command *o, const struct place *l0,
	const struct vm_files *files, struct error *e)
{
	struct image m = {.a = a, .o = o, .e = e};
	const char *work, *root;
	int status;

	if (check_output(&m, l0))
		return e->status;
	process_hold_signals();
	if (is_folder(o->output))
		return make_directory(&m, l0, files);
	if (file_make_temporary(a, &work, e))
		return e->status;
	root = arena_format(a, "%s/iso", work);
	status = fill_iso(&m, root, l0, files);
	if (!status)
		status = build(&m, root, files, arena_format(a, "%s/log", work));
	file_remove_tree(work);
	return status;
}
