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
#include "process.h"

/* For firmware, GRUB and what both leave in pieces. */
#define FIRMWARE_MEMORY (128ULL << 20)

/* A folder under construction: what goes on the image. */
struct image {
	struct arena *a;
	const struct command *o;
	const char *folder;
	const char *menu; /* GRUB's configuration */
	uint64_t size;    /* of all files, in whole pages */
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
		m->a, "%s\tmodule2 /boot/%s%s\n", m->menu, name, quote(m->a, line));
}

static int add_file(
	struct image *m, const char *name, const struct bytes *content, const char *line)
{
	add_module(m, name, content, line);
	return file_write(arena_format(m->a, "%s/boot/%s", m->folder, name), content, m->e);
}

static int check_cmdlines(const struct vm_spec *vm, struct error *e)
{
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

static int make_folders(struct image *m)
{
	static const char *const names[] = {"", "/boot", "/boot/grub"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = arena_format(m->a, "%s%s", m->folder, names[i]);

		if (mkdir(path, 0755) < 0)
			return fail(m->e, STATUS_HOST_ERROR, "cannot create '%s': %s", path,
				strerror(errno));
	}
	return 0;
}

static int fill(struct image *m, const struct place *l0, const struct vm_files *files)
{
	const struct scenario_spec *s = &m->o->scenario;
	struct bytes content;
	const char *path = arena_format(m->a, "%s/boot/grub/grub.cfg", m->folder);

	if (make_folders(m) || file_read(m->a, l0->path, l0->where, &content, m->e))
		return m->e->status;
	if (file_write(arena_format(m->a, "%s/boot/nestor.elf", m->folder), &content, m->e))
		return m->e->status;
	m->menu = arena_format(m->a,
		"serial --unit=0 --speed=115200\n"
		"terminal_input console serial\n"
		"terminal_output console serial\n"
		"insmod all_video\n"
		"set timeout=0\n"
		"menuentry Nestor {\n"
		"\tmultiboot2 /boot/nestor.elf %s\n",
		command_l0_line(m->a, m->o, &s->l0));
	for (unsigned i = 0; i < s->vm_count; i++)
		if (add_vm(m, &s->vms[i], &files[i]) || add_disks(m, files, i))
			return m->e->status;
	m->menu = arena_format(m->a, "%s}\n", m->menu);
	return file_write_text(path, m->menu, m->e);
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

/*
 * A new file takes the place of the output at the end, so that there is never half an image:
 * what is there already must be a file, and none that goes into the image.
 */
static int check_output(const struct image *m, const struct place *l0)
{
	const struct scenario_spec *s = &m->o->scenario;
	const char *out = m->o->output;
	struct stat there;

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
	return 0;
}

/* Runs grub-mkrescue on the folder. */
static int build(struct image *m, const struct vm_files *files, const char *log)
{
	const char *program = file_find_program(m->a, "grub-mkrescue");
	const char *partial = arena_format(m->a, "%s.partial", m->o->output);
	const char *const argv[] = {program, "-o", partial, m->folder, "--", "-volid", "NESTOR",
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
	const char *work;
	int status;

	if (check_output(&m, l0))
		return e->status;
	process_hold_signals();
	if (file_make_temporary(a, &work, e))
		return e->status;
	m.folder = arena_format(a, "%s/iso", work);
	status = fill(&m, l0, files);
	if (!status)
		status = build(&m, files, arena_format(a, "%s/log", work));
	file_remove_tree(work);
	return status;
}
