/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's plan of what memory holds when the machine starts. */
#include "tool_plan.h"

static void nestor_gets_its_modules_described(void **state)
{
	char path[] = "nestor-test-XXXXXX";
	struct place l0 = write_l0(path);
	uint64_t info, tag;

	(void)state;
	files[0].kernel = (struct kernel){
		.kind = KERNEL_MULTIBOOT1, .image = image_elf64(&arena, 0x100000, 0x3000)};
	scenario.vms[0].cmdline = "x y";
	scenario.vms[0].module_count = 1;
	scenario.vms[0].modules[0] = (struct module_spec){{"/m/extra", "test"}, "mod"};
	files[0].modules[0] = (struct bytes){arena_alloc(&arena, 5000), 5000};
	memcpy(files[0].modules[0].data, "content", 7);
	assert_int_equal(
		boot_plan_nestor(&arena, &scenario, files, &l0, "log=info", &plan, &error), 0);
	unlink(path);
	assert_int_equal(rom_value(0, 4), 0x36d76289);
	assert_int_equal(rom_value(16, 8), 0x200010);
	info = rom_value(4, 4);
	assert_int_equal(info, 0x205000);
	assert_string_equal(text_at(find_tag(info, 1, 0) + 8), "log=info");
	tag = find_tag(info, 3, 0);
	assert_string_equal(text_at(tag + 16),
		"kernel vm=a memory=64M protocol=mb1 cmdline0=off -- image.elf x y");
	assert_int_equal(value_at(tag + 8, 4) % 4096, 0);
	assert_int_equal(value_at(value_at(tag + 8, 4), 4), 0x464c457f);
	tag = find_tag(info, 3, 1);
	assert_string_equal(text_at(tag + 16), "module vm=a -- extra mod");
	assert_int_equal(value_at(tag + 12, 4) - value_at(tag + 8, 4), 5000);
	assert_string_equal(text_at(value_at(tag + 8, 4)), "content");
	assert_int_equal(find_tag(info, 3, 2), 0);
	assert_true(plan.memory >
			    64 * MIB + memory_pool_size(&scenario.vms[0].config) + MEMORY_L0 &&
		    plan.memory < 64 * MIB + memory_pool_size(&scenario.vms[0].config) +
					  MEMORY_L0 + 8 * MIB);
}

/* Two VMs with one image, and one with a scratch disk. */
static void an_image_of_several_disks_is_in_memory_once(void **state)
{
	char path[] = "nestor-test-XXXXXX", image[] = "nestor-disk-XXXXXX";
	struct place l0 = write_l0(path);
	struct kernel kernel = {
		.kind = KERNEL_MULTIBOOT1, .image = image_elf64(&arena, 0x100000, 0x3000)};
	uint64_t info, tag[3], without;
	int fd = mkstemp(image);

	(void)state;
	assert_int_equal(write(fd, "the image", 9), 9);
	close(fd);
	scenario.vms[0].kernel.path = scenario.vms[0].initrd.path = NULL;
	for (unsigned i = 0; i < 2; i++) {
		struct vm_spec *vm =
			i == 0 ? &scenario.vms[0] : scenario_add_vm(&scenario, "b");

		vm->config.name[0] = (char)('a' + i);
		vm->config.memory = 64 * MIB;
		vm->kernel = (struct place){path, "here"};
		scenario_add_disk(vm, "here")->image = (struct place){image, "there"};
	}
	scenario_add_disk(&scenario.vms[1], "here")->config.size = 200 * MIB;
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	files[0].kernel = files[1].kernel = kernel;
	assert_int_equal(boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error), 0);
	info = rom_value(4, 4);
	tag[0] = find_tag(info, 3, 1);
	tag[1] = find_tag(info, 3, 3);
	tag[2] = find_tag(info, 3, 4);
	assert_string_equal(text_at(tag[0] + 16), "disk vm=a");
	assert_string_equal(text_at(tag[1] + 16), "disk vm=b");
	assert_string_equal(text_at(tag[2] + 16), "disk vm=b size=200M");
	assert_int_equal(value_at(tag[0] + 8, 4), value_at(tag[1] + 8, 4));
	assert_int_equal(value_at(tag[1] + 12, 4) - value_at(tag[1] + 8, 4), 9);
	assert_string_equal(text_at(value_at(tag[0] + 8, 4)), "the image");
	assert_int_equal(value_at(tag[2] + 12, 4) - value_at(tag[2] + 8, 4), 1);
	without = plan.memory;
	scenario.vms[1].disk_count = 1;
	boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error);
	assert_in_range(without - plan.memory, 64 * MIB, 70 * MIB);
	assert_int_equal(truncate(image, 0), 0);
	assert_int_not_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	assert_non_null(strstr(error.text, "is empty"));
	unlink(image);
	unlink(path);
}

static void firmware_comes_before_its_kernel_and_has_the_settings(void **state)
{
	struct boot_file out[BOOT_VM_FILES];
	struct vm_spec *vm = &scenario.vms[0];

	(void)state;
	vm->firmware = (struct place){"ovmf", "here"};
	vm->initrd = (struct place){"i", "here"};
	vm->cmdline = "x y";
	files[0].kernel = (struct kernel){.kind = KERNEL_PACKED};
	assert_int_equal(boot_vm_files(&arena, vm, &files[0], out), 3);
	assert_string_equal(out[0].line, "firmware vm=a memory=64M");
	assert_ptr_equal(out[0].content, &files[0].firmware);
	assert_string_equal(out[1].line, "kernel vm=a -- x y");
	assert_string_equal(out[2].line, "initrd vm=a");
	vm->kernel.path = vm->initrd.path = NULL;
	assert_int_equal(boot_vm_files(&arena, vm, &files[0], out), 1);
}

static void the_kernel_line_tells_how_a_vm_lives(void **state)
{
	struct vm_spec *vm;
	struct kernel kernel = {.kind = KERNEL_MULTIBOOT2};

	(void)state;
	scenario_init(&scenario);
	vm = scenario_add_vm(&scenario, "here");
	strcpy(vm->config.name, "a");
	vm->kernel = (struct place){"k", "here"};
	vm->config.restart = RESTART_ON_FAILURE;
	vm->config.restart_limit = 5;
	vm->config.weight = 50;
	vm->config.allowed_cpus = (struct cpu_set){{0xd}};
	assert_non_null(strstr(boot_kernel_line(&arena, vm, &kernel),
		" restart=on-failure restart_limit=5 weight=50 pin=0,2-3 protocol="));
}

static void the_memory_map_covers_the_machine(void **state)
{
	char path[] = "nestor-test-XXXXXX";
	struct place l0 = write_l0(path);
	uint64_t tag;

	(void)state;
	files[0].kernel.image = image_elf64(&arena, 0x100000, 0x3000);
	scenario.machine.memory = 5120 * MIB;
	assert_int_equal(boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error), 0);
	unlink(path);
	tag = find_tag(rom_value(4, 4), 6, 0);
	assert_int_equal(value_at(tag + 8, 4), 24);
	assert_int_equal(value_at(tag + 16 + 48, 8), 0x100000);
	assert_int_equal(value_at(tag + 16 + 56, 8), 0xc0000000 - 0x100000);
	assert_int_equal(value_at(tag + 16 + 72, 8), 1ULL << 32);
	assert_int_equal(value_at(tag + 16 + 80, 8), 5120 * MIB - 0xc0000000);
	assert_int_equal(value_at(tag + 16 + 88, 4), 1);
}

static void a_machine_too_small_for_the_vms_is_refused(void **state)
{
	char path[] = "nestor-test-XXXXXX";
	struct place l0 = write_l0(path);

	(void)state;
	files[0].kernel.image = image_elf64(&arena, 0x100000, 0x3000);
	scenario.machine.memory = 64 * MIB;
	assert_int_equal(boot_plan_nestor(&arena, &scenario, files, &l0, "", &plan, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "too little for the VMs"));
	error = (struct error){0};
	scenario.machine.memory_where = "s.yaml:7: memory";
	assert_int_equal(
		boot_check_memory(&arena, &scenario, files, &l0, "", &error), STATUS_BAD_INPUT);
	unlink(path);
	assert_non_null(strstr(error.text, "s.yaml:7: memory: the machine's 64M of memory"));
}

static void without_nestor_the_memory_for_the_rest_is_judged(void **state)
{
	const struct place l0 = {"no-such-file", "--l0"};

	(void)state;
	files[0].kernel.image = image_elf64(&arena, 0x100000, 0x3000);
	scenario.machine.memory = 64 * MIB;
	assert_int_equal(
		boot_check_memory(&arena, &scenario, files, &l0, "", &error), STATUS_BAD_INPUT);
	error = (struct error){0};
	scenario.machine.memory = 5120 * MIB;
	assert_int_equal(boot_check_memory(&arena, &scenario, files, &l0, "", &error), 0);
	scenario.machine.memory = 0;
	assert_int_equal(boot_check_memory(&arena, &scenario, files, &l0, "", &error), 0);
}

/* A kernel of a unit, and a module that ends in the sixth; 12 are spare. */
static void a_reserve_must_hold_the_images_of_its_vm(void **state)
{
	char path[] = "nestor-test-XXXXXX", module[] = "nestor-module-XXXXXX";
	struct bytes elf = image_elf64(&arena, 0x100000, 0x3000);
	struct vm_spec *vm = &scenario.vms[0];
	int fd = mkstemp(path), fm = mkstemp(module);

	(void)state;
	image_put_multiboot1(&elf, 1200, 0);
	assert_int_equal(write(fd, elf.data, elf.size), elf.size);
	assert_int_equal(ftruncate(fm, 10 * MIB), 0);
	close(fd);
	close(fm);
	vm->kernel = (struct place){path, "s.yaml:4: kernel"};
	vm->module_count = 1;
	vm->modules[0].file = (struct place){module, "s.yaml:5: file"};
	vm->config.reserve = 34 * MIB;
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "s.yaml:4: kernel: 'nestor-test-"));
	assert_non_null(strstr(error.text, "need a 'reserve' of 36M, with 24M for L0's own "
					   "accesses, but the VM 'a' has one of 34M"));
	vm->config.reserve = 36 * MIB;
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	vm->config.reserve = 0;
	assert_int_equal(boot_read_files(&arena, &scenario, files, &error), 0);
	unlink(path);
	unlink(module);
}

static void the_largest_of_images_that_are_too_large_is_named(void **state)
{
	const struct place l0 = {"no-such-file", "--l0"};
	struct vm_spec *vm = &scenario.vms[0];
	uint8_t bytes[2];

	(void)state;
	files[0].kernel = (struct kernel){.image = image_elf64(&arena, 0x100000, 0x3000)};
	vm->initrd = (struct place){"initrd.cpio", "s.yaml:5: initrd"};
	files[0].initrd = (struct bytes){&bytes[0], 1024 * MIB};
	scenario_add_disk(vm, "here")->image = (struct place){"disk.img", "s.yaml:6: image"};
	files[0].disks[0] = (struct bytes){&bytes[1], 1023 * MIB};
	assert_int_equal(boot_check_memory(&arena, &scenario, files, &l0, "", &error), 0);
	files[0].disks[0].size = 1025 * MIB;
	assert_int_equal(
		boot_check_memory(&arena, &scenario, files, &l0, "", &error), STATUS_BAD_INPUT);
	assert_string_equal(error.text,
		"s.yaml:6: image: 'disk.img', of 1025M, is the largest image: those of all VMs "
		"must be less than 2048M together, with Nestor");
}

static void a_bare_multiboot_1_image_gets_its_information(void **state)
{
	uint64_t info, module;

	(void)state;
	files[0].kernel = (struct kernel){.kind = KERNEL_MULTIBOOT1,
		.image = image_elf64(&arena, 0x100000, 0x3000),
		.low = 0x100000,
		.high = 0x103000};
	image_put_multiboot1(&files[0].kernel.image, 1200, 0);
	scenario.vms[0].cmdline = "a=b";
	scenario.vms[0].module_count = 1;
	scenario.vms[0].modules[0] = (struct module_spec){{"/m/extra", "test"}, "first"};
	files[0].modules[0] = (struct bytes){(uint8_t *)arena_copy(&arena, "content"), 8};
	assert_int_equal(boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
	assert_int_equal(plan.memory, 64 * MIB);
	assert_int_equal(rom_value(0, 4), 0x2badb002);
	assert_int_equal(rom_value(16, 8), 0x100010);
	info = rom_value(4, 4);
	assert_int_equal(value_at(info, 4), 0x24d);
	assert_int_equal(value_at(info + 4, 4), 636); /* ACPI tables are behind */
	assert_int_equal(value_at(info + 8, 4), 63 * 1024);
	assert_string_equal(text_at(value_at(info + 16, 4)), "image.elf a=b");
	assert_int_equal(value_at(info + 20, 4), 1);
	module = value_at(info + 24, 4);
	assert_string_equal(text_at(value_at(module, 4)), "content");
	assert_string_equal(text_at(value_at(module + 8, 4)), "extra first");
	assert_int_equal(value_at(info + 44, 4), 3 * 24);
	scenario.vms[0].initrd.path = "ram.cpio";
	files[0].initrd = (struct bytes){(uint8_t *)arena_copy(&arena, "initrd"), 7};
	assert_int_equal(boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
	info = rom_value(4, 4);
	assert_int_equal(value_at(info + 20, 4), 2);
	module = value_at(info + 24, 4);
	assert_string_equal(text_at(value_at(module, 4)), "initrd");
	assert_string_equal(text_at(value_at(module + 8, 4)), "ram.cpio");
	assert_string_equal(text_at(value_at(module + 16, 4)), "content");
}

static void msrs_of_firmware_are_in_the_rom(void **state)
{
	static const char *const wrong[] = {"0x1b", "0x1b=", "=3", "1b=3", "0x100000000=1",
		"0x1b=0x10000000000000000", "0x1b=1;2=3", "0x1b=1,", "0x1b=-1", "0x1b= 1"};

	(void)state;
	plan.rom = (struct bytes){arena_alloc(&arena, 0x10000), 0x10000};
	assert_int_equal(boot_set_msrs(&plan, "0x1b=0xfee00d00,58=5", "here", &error), 0);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS, 4), 2);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS + 4, 4), 0x1b);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS + 8, 8), 0xfee00d00);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS + 16, 4), 58);
	assert_int_equal(bytes_value(&plan.rom, ROM_MSRS + 20, 8), 5);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		error = (struct error){0};
		assert_int_equal(
			boot_set_msrs(&plan, wrong[i], "here", &error), STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, wrong[i]));
		assert_true(strncmp(error.text, "here: ", 6) == 0);
	}
	error = (struct error){0};
	assert_int_equal(boot_set_msrs(&plan,
				 "1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,"
				 "1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1",
				 "here", &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "19"));
	error = (struct error){0};
	assert_int_equal(
		boot_set_msrs(NULL, "0x1b=1", "here", &error), 0); /* as `check` asks */
	assert_int_equal(boot_set_msrs(NULL, "0x1b", "here", &error), STATUS_BAD_INPUT);
	plan.rom = (struct bytes){0};
	assert_int_equal(boot_set_msrs(&plan, NULL, "here", &error), 0);
	assert_int_equal(boot_set_msrs(&plan, "0x1b=1", "here", &error), STATUS_BAD_INPUT);
}

static void entries_of_a_memory_map_are_before_the_machines_own(void **state)
{
	static const char *const wrong[] = {"", "0x1000", "1+2", "1+2=", "1+2=x", "1+2=3,",
		"1+2=3*4", "1+2=3*4/", "1+2=3*/4", "1+2=3 ", "+2=3", "1+2=0x100000000",
		"1+0x10000000000000000=1", "-1+2=3", "1+2=3;4+5=6"};
	static struct memory_range got[BOOT_MAP_MAX];

	(void)state;
	plan.rom = (struct bytes){arena_alloc(&arena, 0x10000), 0x10000};
	assert_int_equal(
		boot_check_map(&plan, "0x2000+0x1=2,16+0=77*3/0x1000", "here", &error), 0);
	assert_int_equal(boot_map_ranges("0x2000+0x1=2,16+0=77*3/0x1000", got), 4);
	assert_true(got[0].base == 0x2000 && got[0].size == 1 && got[0].type == 2);
	assert_true(got[3].base == 0x2010 && got[3].size == 0 && got[3].type == 77);
	assert_int_equal(boot_map_ranges(NULL, got), 0);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		error = (struct error){0};
		assert_int_equal(
			boot_check_map(&plan, wrong[i], "here", &error), STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, wrong[i]));
		(void)boot_map_ranges(wrong[i], got);
	}
	error = (struct error){0};
	assert_int_equal(boot_check_map(&plan, "1+1=1*2048/1", "here", &error), 0);
	assert_int_equal(boot_map_ranges("1+1=1*2048/1", got), 2048);
	assert_int_equal(
		boot_check_map(&plan, "1+1=1*2048/1,2+2=2", "here", &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "2048"));
	assert_int_equal(boot_map_ranges("1+1=1*2048/1,2+2=2", got), 2048);
	error = (struct error){0};
	assert_int_equal(
		boot_check_map(&plan, "1+1=1*0xffffffffffffffff/1,1+1=1", "here", &error),
		STATUS_BAD_INPUT);
	error = (struct error){0};
	assert_int_equal(
		boot_check_map(NULL, "1+1=1", "here", &error), 0); /* as `check` asks */
	plan.rom = (struct bytes){0};
	assert_int_equal(boot_check_map(&plan, NULL, "here", &error), 0);
	assert_int_equal(boot_check_map(&plan, "1+1=1", "here", &error), STATUS_BAD_INPUT);
}

static void a_bare_linux_starts_in_64_bit_mode(void **state)
{
	uint64_t parameters;

	(void)state;
	files[0].kernel = (struct kernel){.kind = KERNEL_LINUX,
		.image = image_elf64(&arena, 0x1000000, 0x3000),
		.low = 0x1000000,
		.high = 0x1003000};
	files[0].initrd = (struct bytes){(uint8_t *)arena_copy(&arena, "initrd"), 7};
	scenario.vms[0].cmdline = "quiet";
	assert_int_equal(boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
	parameters = rom_value(8, 4);
	assert_int_not_equal(rom_value(12, 4), 0);
	assert_int_equal(rom_value(16, 8), 0x1000010);
	assert_string_equal(text_at(value_at(parameters + 0x228, 4)), "quiet");
	assert_string_equal(text_at(value_at(parameters + 0x218, 4)), "initrd");
	assert_int_equal(value_at(parameters + 0x21c, 4), 7);
	assert_int_equal(value_at(parameters + 0x1e8, 1), 3);
}

static void a_bare_32_bit_linux_starts_without_paging(void **state)
{
	uint64_t parameters;

	(void)state;
	files[0].kernel = (struct kernel){.kind = KERNEL_LINUX,
		.image = image_elf32(&arena, 0x1000000, 0x3000),
		.low = 0x1000000,
		.high = 0x1003000};
	files[0].initrd = (struct bytes){(uint8_t *)arena_copy(&arena, "initrd"), 7};
	scenario.vms[0].config.memory = 1024 * MIB;
	assert_int_equal(boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
	parameters = rom_value(8, 4);
	assert_int_equal(rom_value(12, 4), 0);
	assert_int_equal(rom_value(16, 8), 0x1000010);
	assert_int_equal(value_at(parameters + 0x218, 4), 0x38000000 - 4096);
	assert_int_equal(value_at(parameters + 0x22c, 4), 0x37ffffff);
	files[0].initrd.size = 0x38000000 - 0x1003000;
	assert_int_equal(
		boot_plan_bare(&arena, &scenario, files, &plan, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "do not fit below 896M"));
}

/* Another value than the default of each setting of VMs; right: a bare machine has it, too. */
static const struct {
	const char *name, *value, *right;
} values[] = {
	{"name", "b", NULL},
	{"memory", "32M", NULL},
	{"cpus", "2", NULL},
	{"protocol", "linux", NULL},
	{"argv0", "off", NULL},
	{"nodes", "2", "--machine-nodes"},
	{"vmx", "off", "--machine-option"},
	{"shadow", "off", NULL},
	{"apicv", "off", NULL},
	{"cpu-features", "haswell", "--machine-option"},
	{"vmx-features", "-ept", "--machine-option"},
	{"start", "off", "Nestor's"},
	{"restart", "always", "Nestor's"},
	{"restart-limit", "3", "Nestor's"},
	{"background", "on", NULL},
	{"weight", "7", NULL},
	{"pin", "1", NULL},
	{"reserve", "32M", "Nestor's"},
	{"balloon", "on", "no such device"},
	{"rng", "off", "no such device"},
	{"virtio-console", "on", "UART"},
	{"hpet", "off", "its own one"},
	{"vsock", "on", "no such device"},
	{"root-ports", "1", "its own"},
	{"ports", "log", "UART"},
	{"firmware-log", "on", "no firmware"},
	{"boot", "disk", "no firmware"},
	{"display", "text", "none that is shown"},
	{"net", "lan", "--net-device"},
	{"devices", "pci:00:03.0", "are its own"},
	{"iommu", "vtd", "--machine-iommu"},
};

static void bare_refuses(const char *what, const char *right)
{
	char name[80];

	snprintf(name, sizeof(name), "'%s'", what);
	assert_int_equal(
		boot_plan_bare(&arena, &scenario, files, &plan, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "here: "));
	assert_non_null(strstr(error.text, name));
	assert_non_null(strstr(error.text, right));
	error = (struct error){0};
}

static void a_bare_machine_takes_no_settings_that_only_vms_have(void **state)
{
	const struct setting *s = vm_settings;
	struct vm_spec *vm = &scenario.vms[0];
	const struct vm_config config = vm->config;
	char must[SETTING_TEXT_SIZE];

	(void)state;
	files[0].kernel = (struct kernel){.kind = KERNEL_LINUX,
		.image = image_elf64(&arena, 0x1000000, 0x3000),
		.low = 0x1000000,
		.high = 0x1003000};
	vm->cmdline = "";
	for (; s->kind != SETTING_END; s++) {
		size_t i = 0;

		while (strcmp(values[i].name, s->name) != 0) /* a new one needs a row */
			assert_true(++i < sizeof(values) / sizeof(values[0]));
		assert_true(setting_parse(s,
			(struct text){values[i].value, strlen(values[i].value)}, &vm->config,
			must));
		assert_false(setting_is_default(s, &vm->config));
		if (values[i].right)
			bare_refuses(s->name, values[i].right);
		else
			assert_int_equal(
				boot_plan_bare(&arena, &scenario, files, &plan, &error), 0);
		vm->config = config;
	}
	vm->cdrom_count = 1;
	bare_refuses("cdroms", "--machine-disk");
	vm->disk_count = 1;
	bare_refuses("disks", "--machine-disk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			nestor_gets_its_modules_described, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_image_of_several_disks_is_in_memory_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			firmware_comes_before_its_kernel_and_has_the_settings, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			the_kernel_line_tells_how_a_vm_lives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_memory_map_covers_the_machine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_machine_too_small_for_the_vms_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_nestor_the_memory_for_the_rest_is_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reserve_must_hold_the_images_of_its_vm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_largest_of_images_that_are_too_large_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_bare_multiboot_1_image_gets_its_information, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			msrs_of_firmware_are_in_the_rom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			entries_of_a_memory_map_are_before_the_machines_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_bare_machine_takes_no_settings_that_only_vms_have, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_bare_linux_starts_in_64_bit_mode, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_bare_32_bit_linux_starts_without_paging, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("tool_boot", tests, NULL, NULL);
}
