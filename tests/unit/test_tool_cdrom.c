/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CD-ROM drives and the order of boot devices: in scenario files, as options, and what L0 is
 * given of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "command.h"
#include "firmware.h"
#include "scenario.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static struct scenario_spec scenario;
static struct vm_files files[SCENARIO_MAX_VMS];
static struct error error;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int parse(const char *text)
{
	scenario_init(&scenario);
	error = (struct error){0};
	return scenario_parse(&scenario, "dir/s.yaml", text, strlen(text), &arena, &error);
}

static void expect_error(const char *text, const char *message)
{
	assert_int_equal(parse(text), STATUS_BAD_INPUT);
	if (!strstr(error.text, message))
		fail_msg("'%s' lacks '%s'", error.text, message);
}

static void drives_are_read_with_the_place_of_their_image(void **state)
{
	const struct vm_spec *vm = &scenario.vms[0];

	(void)state;
	assert_int_equal(parse("vms:\n"
			       "  - name: a\n"
			       "    kernel: k\n"
			       "    cdroms:\n"
			       "      - {image: tools.iso, name: tools}\n"
			       "      - image: /data/d.iso\n"),
		0);
	assert_int_equal(vm->cdrom_count, 2);
	assert_string_equal(vm->cdroms[0].image.path, "dir/tools.iso");
	assert_string_equal(vm->cdroms[0].image.where, "dir/s.yaml:5: image");
	assert_string_equal(
		scenario_cdrom_line(&arena, vm, &vm->cdroms[0]), "cdrom vm=a cdrom=tools");
	assert_string_equal(vm->cdroms[1].image.path, "/data/d.iso");
	assert_string_equal(scenario_cdrom_line(&arena, vm, &vm->cdroms[1]), "cdrom vm=a");
}

static void drives_that_cannot_be_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{"cdroms: d.iso", "dir/s.yaml:4: cdroms: must be a list of {image}"},
		{"cdroms: [d.iso]", "dir/s.yaml:4: cdroms: must be a mapping"},
		{"cdroms: [{name: x}]",
			"dir/s.yaml:4: cdroms: the CD-ROM drive has no 'image'"},
		{"cdroms: [{image: d, cow: 4K}]",
			"unknown key 'cow': must be one of image, name"},
		{"cdroms: [{image: d, name: a/b}]",
			"dir/s.yaml:4: name: 'a/b' is not allowed: must be 1 to 20"},
		{"cdroms: [{image: d, name: x}, {image: e, name: x}]",
			"dir/s.yaml:4: cdroms: the VM 'a': the VM has a CD-ROM drive of this name"},
		{"cdroms: [{image: a}, {image: a}, {image: a}, {image: a}, {image: a}]",
			"dir/s.yaml:4: cdroms: more than 4 CD-ROM drives"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(arena_format(&arena, "vms:\n  - name: a\n    kernel: k\n    %s\n",
				     wrong[i].text),
			wrong[i].message);
}

static void images_are_names_and_files_and_a_drive_may_be_empty(void **state)
{
	const struct vm_spec *vm = &scenario.vms[0];

	(void)state;
	assert_int_equal(parse("images: {debian: d.iso, other: /o.iso}\n"
			       "vms:\n"
			       "  - {name: a, firmware: f, cdroms: [{image: none}]}\n"),
		0);
	assert_int_equal(scenario.image_count, 2);
	assert_string_equal(scenario.images[0].file.path, "dir/d.iso");
	assert_string_equal(scenario.images[0].file.where, "dir/s.yaml:1: file");
	assert_string_equal(scenario.images[1].file.path, "/o.iso");
	assert_string_equal(
		scenario_image_line(&arena, &scenario.images[1]), "image image=other");
	assert_string_equal(
		scenario_cdrom_line(&arena, vm, &vm->cdroms[0]), "cdrom vm=a empty=on");
	expect_error("images: [d]\nvms: [{name: a, kernel: k}]", "images: must be a mapping");
	expect_error("images: {a b: d}\nvms: [{name: a, kernel: k}]",
		"dir/s.yaml:1: images: 'a b' is not allowed");
	expect_error("images: {own: d}\nvms: [{name: a, kernel: k}]",
		"dir/s.yaml:1: file: the image 'own': an image cannot have the name");
	expect_error("images: {a: d, a: e}\nvms: [{name: a, kernel: k}]",
		"a: the key is there twice");
}

static void an_order_is_a_list_or_a_text(void **state)
{
	const struct vm_config *c = &scenario.vms[0].config;
	static const char *const texts[] = {"[cdrom, disk]", "'cdrom,disk'"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(parse(arena_format(&arena,
					 "vms: [{name: a, firmware: ovmf, boot: %s,\n"
					 "  disks: [{image: d}], cdroms: [{image: c}]}]",
					 texts[i])),
			0);
		assert_int_equal(vm_boot_at(c, 0), VM_BOOT_CDROM);
		assert_int_equal(vm_boot_at(c, 1), VM_BOOT_DISK);
		assert_int_equal(vm_boot_at(c, 2), VM_BOOT_END);
		assert_true(vm_boot_names(c, VM_BOOT_DISK));
		assert_false(vm_boot_names(c, VM_BOOT_NETWORK));
	}
	assert_int_equal(parse("vms: [{name: a, firmware: ovmf}]"), 0);
	assert_int_equal(vm_boot_at(c, 0), VM_BOOT_DISK);
	assert_int_equal(vm_boot_at(c, 1), VM_BOOT_CDROM);
	assert_int_equal(vm_boot_at(c, 2), VM_BOOT_NETWORK);
	assert_int_equal(vm_boot_at(c, 3), VM_BOOT_END);
	assert_int_equal(vm_boot_at(c, 99), VM_BOOT_END);
	assert_false(vm_boot_names(c, VM_BOOT_NETWORK));
}

static void an_order_that_cannot_be_is_told(void **state)
{
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{"firmware: f, boot: floppy",
			"dir/s.yaml:3: boot: 'floppy' is not allowed: must be an order, with commas between, of "
			"disk, cdrom, network"},
		{"firmware: f, boot: [disk, disk]",
			"boot: 'disk,disk' is not allowed: must be an order"},
		{"firmware: f, boot: []", "boot: '' is not allowed: must be an order"},
		{"firmware: f, boot: ['disk,cdrom']", "boot: must be a list of words"},
		{"firmware: f, boot: {disk: 1}", "boot: must be a single value"},
		{"kernel: k, boot: disk, disks: [{image: d}]",
			"dir/s.yaml:3: vms: the VM 'a': 'boot' is for a VM with firmware"},
		{"firmware: f, boot: disk", "'boot' names disk, but the VM has no disk"},
		{"firmware: f, boot: cdrom",
			"'boot' names cdrom, but the VM has no CD-ROM drive"},
		{"firmware: f, boot: network",
			"'boot' names network, but the VM has no network device"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(arena_format(&arena, "networks: [lan]\nvms:\n  - {name: a, %s}\n",
				     wrong[i].text),
			wrong[i].message);
}

/* Words of a command line, with '|' between. */
static int options(struct command *o, const char *line)
{
	char *words = arena_copy(&arena, line), *argv[16], *save = NULL;
	int n = 0;

	for (char *w = strtok_r(words, "|", &save); w; w = strtok_r(NULL, "|", &save))
		argv[n++] = w;
	argv[n] = NULL;
	memset(o, 0, sizeof(*o));
	error = (struct error){0};
	return command_parse(o, n, argv, &arena, &error);
}

static void options_give_drives_and_order(void **state)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));
	const struct vm_spec *vm = &o->scenario.vms[0];

	(void)state;
	assert_int_equal(options(o, "nestor|run|--l1-firmware|seabios|--cd|a.iso|--cd=b.iso|"
				    "--disk|d|--boot|cdrom,disk"),
		0);
	assert_int_equal(vm->cdrom_count, 2);
	assert_string_equal(vm->cdroms[1].image.path, "b.iso");
	assert_int_equal(vm_boot_at(&vm->config, 0), VM_BOOT_CDROM);
	assert_int_equal(options(o, "nestor|run|--l1|k|--cd|a|--cd|a|--cd|a|--cd|a|--cd|a"),
		STATUS_USAGE);
	assert_non_null(strstr(error.text, "too many CD-ROM drives"));
	assert_int_equal(options(o, "nestor|run|--l1|k|--boot|tape"), STATUS_USAGE);
	assert_non_null(strstr(error.text, "--boot: 'tape' is not allowed: must be an order"));
	assert_int_not_equal(options(o, "nestor|run|--l1|k|--disk|d|--boot|disk"), 0);
	assert_non_null(strstr(error.text, "is for a VM with firmware"));
}

/* ---- files ---- */

static struct place write_file(char *path, const void *content, size_t size)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, size), size);
	close(fd);
	return (struct place){path, "there"};
}

static void start_scenario(void)
{
	scenario_init(&scenario);
	memset(files, 0, sizeof(files));
	error = (struct error){0};
}

static struct vm_spec *add_vm(const char *name, struct place firmware)
{
	struct vm_spec *vm = scenario_add_vm(&scenario, "here");

	strcpy(vm->config.name, name);
	vm->firmware = firmware;
	return vm;
}

static void an_image_of_several_drives_and_disks_is_read_once(void **state)
{
	static uint8_t content[256 << 10];
	char rom[] = "nestor-rom-XXXXXX", iso[] = "nestor-iso-XXXXXX";
	struct place firmware = write_file(rom, content, sizeof(content));
	struct place image = write_file(iso, content, 4096);

	(void)state;
	start_scenario();
	for (unsigned i = 0; i < 2; i++) {
		struct vm_spec *vm = add_vm(i == 0 ? "a" : "b", firmware);

		scenario_add_cdrom(vm, "here")->image = image;
		scenario_add_disk(vm, "here")->image = image;
	}
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	assert_int_equal(files[0].cdroms[0].size, 4096);
	assert_ptr_equal(files[0].cdroms[0].data, files[1].cdroms[0].data);
	assert_ptr_equal(files[0].cdroms[0].data, files[1].disks[0].data);
	assert_int_equal(truncate(iso, 4095), 0);
	assert_int_not_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	assert_non_null(strstr(error.text, "' has 4095 bytes: the image of a CD-ROM must be a "
					   "multiple of 2048 bytes long"));
	unlink(iso);
	unlink(rom);
}

/* SeaBIOS gets iPXE's option ROM, once for all; UEFI firmware has a driver. */
static void the_option_rom_is_for_firmware_that_needs_it(void **state)
{
	static uint8_t content[256 << 10];
	char bios[] = "nestor-rom-XXXXXX", uefi[] = "nestor-rom-XXXXXX";
	struct place seabios = write_file(bios, content, sizeof(content)), ovmf;
	struct boot_file out[BOOT_VM_FILES];

	(void)state;
	memcpy(content + 40, "_FVH", 4);
	ovmf = write_file(uefi, content, sizeof(content));
	start_scenario();
	add_vm("a", seabios)->config.boot = VM_BOOT_NETWORK;
	add_vm("b", seabios)->config.boot = VM_BOOT_DISK | VM_BOOT_NETWORK << 8;
	add_vm("c", ovmf)->config.boot = VM_BOOT_NETWORK;
	add_vm("d", seabios);
	add_vm("e", seabios);
	for (unsigned i = 0; i < 4; i++)
		scenario.vms[i].config.nets.count = 1;
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	assert_memory_equal(files[0].boot_rom.data, "\x55\xaa", 2);
	assert_ptr_equal(files[0].boot_rom.data, files[1].boot_rom.data);
	assert_int_equal(files[2].boot_rom.size, 0);
	assert_ptr_equal(files[3].boot_rom.data, files[0].boot_rom.data); /* for later */
	assert_int_equal(files[4].boot_rom.size, 0);
	assert_int_equal(boot_vm_files(&arena, &scenario.vms[0], &files[0], out), 2);
	assert_string_equal(out[1].line, "boot-rom vm=a");
	assert_int_equal(boot_vm_files(&arena, &scenario.vms[4], &files[4], out), 1);
	unlink(bios);
	unlink(uefi);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
	const struct CMUnitTest tests[] = {
		T(drives_are_read_with_the_place_of_their_image),
		T(drives_that_cannot_be_are_told_with_their_place),
		T(images_are_names_and_files_and_a_drive_may_be_empty),
		T(an_order_is_a_list_or_a_text),
		T(an_order_that_cannot_be_is_told),
		T(options_give_drives_and_order),
		T(an_image_of_several_drives_and_disks_is_read_once),
		T(the_option_rom_is_for_firmware_that_needs_it),
	};

	return cmocka_run_group_tests_name("tool_cdrom", tests, NULL, NULL);
}
