/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMs that boot modules describe, and the settings of one.
 */
#include "scenario_world.h"

#include "policy/memory.h"
#include "spec/vmx_features.h"

static void a_vm_of_which_nothing_is_said_has_the_defaults(void **state)
{
	const struct vm_config *c = &s.vms[0].config;

	(void)state;
	assert_true(add("kernel vm=a"));
	assert_string_equal(c->name, "a");
	assert_int_equal(c->memory, 512 << 20);
	assert_int_equal(c->cpus, 1);
	assert_true(c->vmx && c->shadow && c->apicv && c->cmdline0);
	assert_int_equal(c->protocol, PROTOCOL_AUTO);
	assert_int_equal(c->weight, WEIGHT_NORMAL);
	assert_int_equal(c->restart, RESTART_NEVER);
	assert_int_equal(c->restart_limit, 0);
	assert_true(cpu_set_is_full(&c->allowed_cpus));
	assert_true(c->vmx_features == caps_features_default());
}

static void a_kernel_module_makes_a_vm(void **state)
{
	(void)state;
	assert_true(scenario_add(&s,
		t("kernel vm=a memory=768M cpus=2 vmx=off protocol=linux --  console=ttyS0 x=--"),
		0x1000, 10));
	assert_true(scenario_add(&s, t("initrd vm=a"), 0x2000, 20));
	assert_true(scenario_add(&s, t("module vm=a -- hello"), 0x3000, 30));
	assert_int_equal(s.vm_count, 1);
	assert_int_equal(s.vms[0].config.memory, 768 << 20);
	assert_int_equal(s.vms[0].config.cpus, 2);
	assert_false(s.vms[0].config.vmx);
	assert_true(s.vms[0].config.shadow);
	assert_int_equal(s.vms[0].config.protocol, PROTOCOL_LINUX);
	assert_int_equal(s.vms[0].kernel.start, 0x1000);
	assert_true(text_is(s.vms[0].kernel.cmdline, " console=ttyS0 x=--"));
	assert_int_equal(s.vms[0].initrd.size, 20);
	assert_int_equal(s.vms[0].module_count, 1);
	assert_true(text_is(s.vms[0].modules[0].cmdline, "hello"));
}

static void firmware_makes_a_vm_and_may_be_given_a_kernel(void **state)
{
	(void)state;
	assert_true(scenario_add(
		&s, t("firmware vm=a memory=64M firmware_log=on"), 0x1000, 256 << 10));
	assert_int_equal(s.vms[0].config.memory, 64 << 20);
	assert_true(s.vms[0].config.firmware_log);
	assert_int_equal(s.vms[0].firmware.size, 256 << 10);
	assert_false(s.vms[0].has_kernel);
	expect_refusal(
		"initrd vm=a", "initrd vm=a", "there is no kernel for this VM before it");
	assert_true(scenario_add(&s, t("kernel vm=a -- x y"), 0x2000, 7));
	assert_true(scenario_add(&s, t("initrd vm=a"), 0x3000, 8));
	assert_int_equal(s.vm_count, 1);
	assert_true(s.vms[0].has_kernel);
	assert_true(text_is(s.vms[0].kernel.cmdline, "x y"));
	assert_int_equal(s.vms[0].initrd.size, 8);
	expect_refusal("kernel vm=a", "kernel vm=a", "there is a VM of this name already");
	assert_false(scenario_add(&s, t("firmware vm=a"), 0, 64 << 10));
	assert_non_null(strstr(s.refusal.why, "there is a VM of this name already"));
}

static void a_display_comes_with_firmware_and_brings_its_bios(void **state)
{
	(void)state;
	expect_refusal("kernel vm=a display=ramfb", "kernel vm=a display=ramfb",
		"'display: ramfb' needs 'firmware'");
	expect_refusal("vgabios vm=a", "vgabios vm=a", "no firmware for this VM before it");
	assert_true(scenario_add(&s, t("firmware vm=a display=ramfb"), 0x1000, 256 << 10));
	assert_true(scenario_add(&s, t("firmware vm=b display=none"), 0x1000, 256 << 10));
	assert_true(scenario_add(&s, t("kernel vm=c display=text"), 0x1000, 9));
	expect_refusal("vgabios vm=b", "vgabios vm=b", "the VM has no display");
	expect_refusal("vgabios vm=c", "vgabios vm=c", "no firmware for this VM before it");
	assert_false(scenario_add(&s, t("vgabios vm=a"), 0x2000, 0));
	assert_false(scenario_add(&s, t("vgabios vm=a"), 0x2000, (64 << 10) + 1));
	assert_non_null(strstr(s.refusal.why, "64 KiB at most"));
	assert_int_equal(s.vms[0].vgabios.size, 0);
	assert_true(scenario_add(&s, t("vgabios vm=a"), 0x2000, 64 << 10));
	assert_int_equal(s.vms[0].vgabios.start, 0x2000);
	assert_int_equal(s.vms[0].config.display, DISPLAY_RAMFB);
	expect_refusal("firmware vm=d display=vga", "display=vga", "none, ramfb, text");
}

static void firmware_of_an_impossible_size_is_refused(void **state)
{
	static const uint64_t bad[] = {
		0, 1, (64 << 10) - 4096, (64 << 10) + 1, (16 << 20) + 4096, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(scenario_add(&s, t("firmware vm=a"), 0, bad[i]));
		assert_non_null(strstr(s.refusal.why, "from 64 KiB to 16 MiB"));
	}
	assert_true(scenario_add(&s, t("firmware vm=a"), 0, 16 << 20));
	assert_true(scenario_add(&s, t("firmware vm=b"), 0, 64 << 10));
}

static void settings_say_how_a_vm_lives(void **state)
{
	const struct vm_config *c = &s.vms[0].config;

	(void)state;
	assert_true(add(
		"kernel vm=a restart=on-failure restart_limit=3 weight=250 pin=0,2-3,63-64,1022-1023"));
	assert_int_equal(c->restart, RESTART_ON_FAILURE);
	assert_int_equal(c->restart_limit, 3);
	assert_int_equal(c->weight, 250);
	assert_true(c->allowed_cpus.word[0] == (1ull << 63 | 0xd));
	assert_true(c->allowed_cpus.word[1] == 1);
	assert_true(c->allowed_cpus.word[15] == 3ull << 62);
}

static void vmx_features_are_chosen_by_name(void **state)
{
	(void)state;
	assert_true(add("kernel vm=b vmx_features=-ept,-vpid"));
	assert_true((caps_features_default() & ~s.vms[0].config.vmx_features) ==
		    (caps_feature_by_name("ept", 3) | caps_feature_by_name("vpid", 4)));
	expect_refusal("kernel vm=c vmx_features=-ept,-epd", "vmx_features=-ept,-epd",
		"'-epd' is not one of presets: nehalem");
	assert_non_null(strstr(s.refusal.why, " unrestricted "));
	assert_non_null(strstr(s.refusal.why, " bndcfgs")); /* the last one: nothing is cut */
}

static void more_vcpus_than_xapic_mode_has_ids_for_need_interrupt_remapping(void **state)
{
	(void)state;
	expect_refusal("kernel vm=a cpus=256", "kernel vm=a cpus=256", "more than 255 'cpus'");
	assert_true(add("kernel vm=a cpus=255"));
	assert_true(add("kernel vm=b cpus=288 iommu=vtd"));
}

static void what_cannot_be_a_vm_is_refused_with_the_word_at_fault(void **state)
{
	static const struct {
		const char *line, *where, *why;
	} bad[] = {
		{"kernel vm=a memory=2M", "memory=2M",
			"memory must be a size such as 512M or 2G, from 4M to 1T, a multiple of 2M"},
		{"kernel vm=a memory=5M", "memory=5M", "a multiple of 2M"},
		{"kernel vm=a memory=2T", "memory=2T", "to 1T"},
		{"kernel vm=a cpus=0", "cpus=0", "cpus must be a number from 1 to 288"},
		{"kernel vm=a cpus=289", "cpus=289", "cpus must be a number from 1 to 288"},
		{"kernel vm=a cpus=9 nodes=9", "nodes=9", "nodes must be a number from 1 to 8"},
		{"kernel vm=a cpus=2 nodes=3", "kernel vm=a cpus=2 nodes=3",
			"each of its 'nodes' needs a virtual CPU"},
		{"kernel vm=", "vm=", "1 to 31 letters, digits"},
		{"kernel vm=a/b", "vm=a/b", "1 to 31 letters, digits"},
		{"kernel vm=a2345678901234567890123456789012",
			"vm=a2345678901234567890123456789012", "1 to 31 letters"},
		{"kernel vm=a vmx=maybe", "vmx=maybe", "vmx must be on or off"},
		{"kernel vm=a vmx", "vmx", "vmx must be on or off"},
		{"kernel vm=a restart=often", "restart=often",
			"one of never, on-reset, on-failure, always"},
		{"kernel vm=a protocol=pvh", "protocol=pvh",
			"one of auto, linux, linux16, elf, mb1, mb2"},
		{"kernel vm=a weight=0", "weight=0", "from 1 to 10000"},
		{"kernel vm=a pin=0,0", "pin=0,0", "each once"},
		{"kernel vm=a pin=1,0-2", "pin=1,0-2", "each once"},
		{"kernel vm=a pin=1024", "pin=1024",
			"CPU numbers from 0 to 1023, each once, as in 0,2-3; 32 pieces at most"},
		{"kernel vm=a pin=0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,"
		 "46,48,50,52,54,56,58,60,62,64",
			"pin=0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44,46,48,"
			"50,52,54,56,58,60,62,64",
			"32 pieces at most"},
		{"kernel vm=a pin=3-2", "pin=3-2", "CPU numbers"},
		{"kernel vm=a pin=1,", "pin=1,", "CPU numbers"},
		{"kernel vm=a pin=", "pin=", "CPU numbers"},
		{"kernel vm=a restart_limit=4294967296", "restart_limit=4294967296",
			"4294967295"},
		{"kernel vm=a color=red", "color=red", "one of vm, memory, cpus, nodes, vmx"},
		{"kernel memory=64M", "kernel memory=64M", "no name"},
		{"kernel vm=a restart_limit=2", "kernel vm=a restart_limit=2",
			"needs a choice of when to restart"},
		{"initrd vm=nobody", "initrd vm=nobody", "no kernel for this VM"},
		{"disc vm=a", "disc vm=a", "module, disk, cdrom or image"},
		{"disk vm=a", "disk vm=a", "no kernel for this VM"},
		{"", "", "no name"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refusal(bad[i].line, bad[i].where, bad[i].why);
}

static void there_are_limits_of_vms_and_modules(void **state)
{
	char line[32];

	(void)state;
	for (int i = 0; i < SCENARIO_MAX_VMS; i++) {
		snprintf(line, sizeof(line), "kernel vm=a%d", i);
		assert_true(add(line));
	}
	expect_refusal("kernel vm=a3", "kernel vm=a3", "of this name already");
	expect_refusal("kernel vm=one-more", "kernel vm=one-more", "too many VMs");
	for (int i = 0; i < SCENARIO_MAX_MODULES; i++)
		assert_true(add("module vm=a3"));
	expect_refusal("module vm=a3", "module vm=a3", "too many modules of this VM");
	assert_true(add("module vm=a4"));
}

static void there_is_a_limit_of_vms_with_memory_that_moves(void **state)
{
	char line[64];

	(void)state;
	for (int i = 0; i < LIMIT_RESERVES; i++) {
		snprintf(line, sizeof(line), "kernel vm=a%d memory=128M reserve=64M", i);
		assert_true(add(line));
	}
	expect_refusal("kernel vm=b memory=128M reserve=64M",
		"kernel vm=b memory=128M reserve=64M", "63 VMs at most");
	assert_true(add("kernel vm=b memory=128M"));
}

static void a_disk_line_gives_a_vm_a_disk(void **state)
{
	const struct vm_images *vm = &s.vms[0];
	uint64_t pages = 2 * 256; /* that may be written */

	(void)state;
	assert_true(add("kernel vm=a"));
	assert_true(scenario_add(&s, t("disk vm=a cow=2M"), 0x100000, 3000000));
	assert_true(scenario_add(
		&s, t("disk vm=a disk=twenty-characters-no readonly=on"), 0x200000, 5));
	assert_true(scenario_add(&s, t("disk vm=a size=1G"), 0x300000, 1));
	assert_int_equal(vm->disk_count, 3);
	assert_string_equal(vm->disks[0].config.name, "disk0");
	assert_string_equal(vm->disks[1].config.name, "twenty-characters-no");
	assert_string_equal(vm->disks[2].config.name, "disk2");
	assert_int_equal(vm->disks[0].image.start, 0x100000);
	assert_int_equal(disk_config_size(&vm->disks[0].config, 3000000), 3000320);
	assert_int_equal(disk_config_size(&vm->disks[1].config, 5), 512);
	assert_int_equal(disk_config_size(&vm->disks[2].config, 1), 1 << 30);
	assert_int_equal(disk_config_pages(&vm->disks[0].config, 3000000), pages);
	assert_int_equal(disk_config_pages(&vm->disks[1].config, 5), 0);
	assert_int_equal(disk_config_pages(&vm->disks[2].config, 1), DISK_COW_DEFAULT / 4096);
	/* pages, links, a map; a map; the same of the third */
	assert_int_equal(vm->config.disk_memory,
		pages * 4096 + 4096 + 4096 + 4096 + DISK_COW_DEFAULT + 65536 + 1048576);
}

static void a_disk_that_cannot_be_is_refused_with_the_word_at_fault(void **state)
{
	static const struct {
		const char *line, *where, *why;
	} bad[] = {
		{"disk vm=a cow=5000", "cow=5000", "a multiple of 4K"},
		{"disk vm=a size=600", "size=600", "a multiple of 512"},
		{"disk vm=a disk=a/b", "disk=a/b", "1 to 20 letters"},
		{"disk vm=a disk=twenty-characters-no1", "disk=twenty-characters-no1",
			"1 to 20 letters"},
		{"disk vm=a color=red", "color=red",
			"one of vm, disk, size, nbd, export, port, host, cow, readonly"},
		{"disk", "disk", "no kernel for this VM"},
		{"disk vm=b", "disk vm=b", "no kernel for this VM"},
		{"disk vm=a size=512", "disk vm=a size=512", "smaller than its image"},
		{"disk vm=a readonly=on cow=4K", "disk vm=a readonly=on cow=4K",
			"nothing to write to"},
		{"disk vm=a disk=x", "disk vm=a disk=x", "a disk of this name already"},
	};

	(void)state;
	assert_true(add("kernel vm=a"));
	assert_true(add("disk vm=a disk=x"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(scenario_add(&s, t(bad[i].line), 0, 1024));
		if (!text_is(s.refusal.where, bad[i].where))
			fail_msg("'%s': '%.*s' is named", bad[i].line, (int)s.refusal.where.len,
				s.refusal.where.s);
		if (strstr(s.refusal.why, bad[i].why) == NULL)
			fail_msg("'%s': '%s'", bad[i].line, s.refusal.why);
		assert_int_equal(s.vms[0].disk_count, 1);
	}
	for (int i = 1; i < SCENARIO_MAX_DISKS; i++)
		assert_true(add("disk vm=a"));
	expect_refusal("disk vm=a", "disk vm=a", "too many disks of this VM");
}

static void a_disk_may_be_another_vms(void **state)
{
	const struct vm_disk *d = s.vms[0].disks;

	(void)state;
	assert_true(add("kernel vm=a"));
	assert_true(add("disk vm=a size=1G nbd=store"));
	assert_true(add("disk vm=a size=1M nbd=store disk=home export=a.home-2 port=7 "
			"readonly=on"));
	assert_string_equal(d[0].config.server, "store");
	assert_string_equal(disk_config_export(&d[0].config), "disk0");
	assert_int_equal(d[0].config.port, 10809);
	assert_string_equal(disk_config_export(&d[1].config), "a.home-2");
	assert_int_equal(d[1].config.port, 7);
	assert_int_equal(disk_config_pages(&d[0].config, 0), 0);
	assert_int_equal(s.vms[0].config.remote_disks, 2);
	assert_int_equal(s.vms[0].config.disk_memory, 2 * MEMORY_REMOTE_DISK);
	expect_refusal("disk vm=a nbd=store", "disk vm=a nbd=store", "needs its size");
	expect_refusal("disk vm=a nbd=store size=1M cow=1M",
		"disk vm=a nbd=store size=1M cow=1M", "written there, not to copies");
	expect_refusal("disk vm=a size=1M export=x", "disk vm=a size=1M export=x",
		"for a disk that another VM serves");
	expect_refusal("disk vm=a size=1M port=8", "disk vm=a size=1M port=8",
		"for a disk that another VM serves");
	expect_refusal("disk vm=a size=1M nbd=store port=0", "port=0", "1");
	assert_int_equal(s.vms[0].disk_count, 2);
}

/* One line after the other; whose disk is at fault in the end, and why. */
static void expect_incomplete(
	const char *const *lines, unsigned bad_vm, unsigned bad_disk, const char *why)
{
	unsigned vm = 99, disk = 99;

	memset(&s, 0, sizeof(s));
	for (unsigned i = 0; lines[i] != NULL; i++)
		assert_true(add(lines[i]));
	if (why == NULL) {
		assert_true(scenario_complete(&s, &vm, &disk));
		return;
	}
	assert_false(scenario_complete(&s, &vm, &disk));
	assert_int_equal(vm, bad_vm);
	assert_int_equal(disk, bad_disk);
	if (strstr(s.refusal.why, why) == NULL)
		fail_msg("'%s'", s.refusal.why);
}

#define VMS(...)                                                                            \
	(const char *const[])                                                               \
	{                                                                                   \
		"kernel vm=a", "kernel vm=store vsock=on", "kernel vm=b", __VA_ARGS__, NULL \
	}

static void the_servers_of_disks_must_be_there(void **state)
{
	(void)state;
	expect_incomplete(VMS("disk vm=a size=1M nbd=store", "disk vm=b size=1M nbd=store "
							     "export=other"),
		0, 0, NULL);
	assert_int_equal(scenario_server_of(&s, &s.vms[0].disks[0].config), 1);
	expect_incomplete(VMS("disk vm=a size=1M nbd=store", "disk vm=b size=1M",
				  "disk vm=b size=1M nbd=nobody"),
		2, 1, "there is no VM of this name");
	expect_incomplete(
		VMS("disk vm=store size=1M nbd=store"), 1, 0, "a VM cannot serve its own disk");
	expect_incomplete(VMS("disk vm=a size=1M nbd=b"), 0, 0,
		"this VM has no virtio socket device ('vsock: on')");
}

static void a_disk_that_two_write_is_refused(void **state)
{
	static const char both[] = "another disk is the same one: both must be readonly";
	static const char first[] = "disk vm=a size=1M nbd=store disk=x";
	static const char first_read[] = "disk vm=a size=1M nbd=store disk=x readonly=on";

	(void)state;
	expect_incomplete(VMS(first, "disk vm=b size=1M nbd=store disk=x"), 2, 0, both);
	expect_incomplete(
		VMS(first, "disk vm=a size=1M nbd=store disk=y export=x"), 0, 1, both);
	expect_incomplete(
		VMS(first, "disk vm=b size=1M nbd=store disk=x readonly=on"), 2, 0, both);
	expect_incomplete(VMS(first_read, "disk vm=b size=1M nbd=store disk=x"), 2, 0, both);
	expect_incomplete(
		VMS(first_read, "disk vm=b size=1M nbd=store disk=x readonly=on"), 0, 0, NULL);
	expect_incomplete(VMS(first, "disk vm=b size=1M nbd=store disk=x port=5"), 0, 0, NULL);
	expect_incomplete(VMS(first, "disk vm=b size=1M disk=x"), 0, 0, NULL);
}

static void a_cdrom_line_gives_a_vm_a_drive(void **state)
{
	(void)state;
	expect_refusal("cdrom vm=a", "cdrom vm=a", "no kernel for this VM");
	assert_true(add("kernel vm=a"));
	assert_true(scenario_add(&s, t("cdrom vm=a cdrom=tools"), 0x5000, 4096));
	assert_true(scenario_add(&s, t("cdrom vm=a"), 0, 2048));
	assert_string_equal(s.vms[0].cdroms[0].config.name, "tools");
	assert_int_equal(s.vms[0].cdroms[0].image.start, 0x5000);
	assert_string_equal(s.vms[0].cdroms[1].config.name, "cdrom1");
	expect_refusal("cdrom vm=a readonly=on", "readonly=on", "one of vm, cdrom");
	expect_refusal("cdrom vm=a", "cdrom vm=a", "a multiple of 2048 bytes long");
	assert_false(scenario_add(&s, t("cdrom vm=a"), 0, 0));
	assert_false(scenario_add(&s, t("cdrom vm=a cdrom=tools"), 0, 2048));
	for (unsigned i = 2; i < SCENARIO_MAX_CDROMS; i++)
		assert_true(scenario_add(&s, t("cdrom vm=a"), 0, 2048));
	assert_false(scenario_add(&s, t("cdrom vm=a"), 0, 2048));
	assert_non_null(strstr(s.refusal.why, "too many CD-ROM drives"));
}

static void an_order_and_an_option_rom_are_for_firmware(void **state)
{
	(void)state;
	expect_refusal("kernel vm=a boot=disk", "kernel vm=a boot=disk",
		"'boot' is for a VM with firmware");
	expect_refusal("boot-rom vm=a", "boot-rom vm=a", "no firmware for this VM");
	assert_false(scenario_add(&s, t("firmware vm=a boot=network"), 0, FIRMWARE_MIN));
	assert_non_null(strstr(s.refusal.why, "names network, but the VM has no network"));
	assert_true(scenario_add(
		&s, t("firmware vm=a boot=network,disk net=lan"), 0, FIRMWARE_MIN));
	assert_int_equal(s.vms[0].config.boot, VM_BOOT_NETWORK | VM_BOOT_DISK << 8);
	assert_false(scenario_add(&s, t("boot-rom vm=a"), 0, 1000));
	assert_false(scenario_add(&s, t("boot-rom vm=a"), 0, (128 << 10) + 512));
	assert_int_equal(s.vms[0].boot_rom.size, 0);
	assert_true(scenario_add(&s, t("boot-rom vm=a"), 0x3000, 128 << 10));
	assert_int_equal(s.vms[0].boot_rom.start, 0x3000);
	assert_false(scenario_add(&s, t("boot-rom vm=a"), 0, 512));
	assert_true(scenario_add(&s, t("kernel vm=a"), 0, 1)); /* beside the order */
}

static void expect_same(const struct vm_config *a, const struct vm_config *b)
{
	for (const struct setting *row = vm_settings; row->kind != SETTING_END; row++)
		if (memcmp((const char *)a + row->offset, (const char *)b + row->offset,
			    row->kind == SETTING_NAME ? strlen(a->name) + 1 : row->size) != 0)
			fail_msg("%s changed", row->key);
}

static void a_configuration_becomes_a_line_that_gives_it_back(void **state)
{
	static const char *const lines[] = {
		"kernel vm=a",
		"kernel vm=a memory=4M cpus=8 vmx=off shadow=off apicv=off weight=10000",
		"kernel vm=a restart=always restart_limit=4294967295 pin=63 protocol=mb2 cmdline0=off",
		"kernel vm=a memory=1T vmx_features=-ept,-vpid pin=0,2-5,7,60-63 weight=1",
		"kernel vm=a memory=1026M vmx_features=haswell,-shadow",
		"kernel vm=a vmx_features=skylake,-apicv,+posted_intr",
		"kernel vm=a net=lan,mac=52:54:00:00:00:0a,vlan=5,rate=64K,frames=3+wan,trunk=on",
		"kernel vm=a ports=org.example.agent,log,x,y virtio_console=on",
		"kernel vm=a net=lan,spoof=on,offload=off,mtu=9000,queues=8",
	};
	char line[512] = "kernel";
	struct vm_config first;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		set_up(NULL);
		assert_true(add(lines[i]));
		first = s.vms[0].config;
		settings_format(vm_settings, &first, line + 6, sizeof(line) - 6);
		set_up(NULL);
		assert_true(add(line));
		expect_same(&first, &s.vms[0].config);
	}
}

static void addresses_of_network_devices_differ(void **state)
{
	const struct net_list *nets = &s.vms[0].config.nets;

	(void)state;
	assert_true(add("kernel vm=a net=lan+lan+wan"));
	assert_int_equal(nets->count, 3);
	assert_true(net_config_mac(nets, 0, "a") != net_config_mac(nets, 1, "a"));
	assert_true(net_config_mac(nets, 0, "a") != net_config_mac(nets, 0, "b"));
	assert_int_equal(net_config_mac(nets, 0, "a") >> 40 & 3, 2); /* local, of a station */
	assert_true(add("kernel vm=b net=lan,mac=52:00:00:00:00:01"));
	expect_refusal("kernel vm=c net=wan,mac=52:00:00:00:00:01",
		"kernel vm=c net=wan,mac=52:00:00:00:00:01", "has the MAC address");
	expect_refusal("kernel vm=c net=lan,vlan=x", "net=lan,vlan=x", "vlan must be a number");
	expect_refusal("kernel vm=c net=lan,mtu=99,vlan=1,mtu=98",
		"net=lan,mtu=99,vlan=1,mtu=98", "; mtu is given twice");
	expect_refusal("kernel vm=c net=wan+lan,network=wan", "net=wan+lan,network=wan",
		"; network is given twice: it is the first word");
	expect_refusal("kernel vm=c net=lan,queues=9", "net=lan,queues=9",
		"queues must be a number from 0 to 8");
	expect_refusal("kernel vm=c net=lan++lan", "net=lan++lan", "1 to 31 letters");
	expect_refusal("kernel vm=c net=lan,mac=00:00:00:00:00:00",
		"net=lan,mac=00:00:00:00:00:00", "the address of a station");
}

static void ports_have_different_names(void **state)
{
	const struct port_list *l = &s.vms[0].config.ports;

	(void)state;
	assert_true(add("kernel vm=a ports=org.example.agent,log"));
	assert_int_equal(l->count, 2);
	assert_string_equal(l->name[0], "org.example.agent");
	assert_string_equal(l->name[1], "log");
	assert_int_equal(name_list_find(l->name[0], l->count, text_of("log", 9)), 1);
	assert_int_equal(name_list_find(l->name[0], l->count, text_of("lo", 9)), 2);
	expect_refusal("kernel vm=b ports=a,b,a", "ports=a,b,a", "; a is given twice");
	expect_refusal("kernel vm=b ports=a,b,c,d,e", "ports=a,b,c,d,e",
		"at most 4 different names, as in agent,log; not so many");
	expect_refusal("kernel vm=b ports=a,,b", "ports=a,,b", "; 1 to 31 letters");
	expect_refusal("kernel vm=b ports=", "ports=", "; 1 to 31 letters");
}

static void only_what_is_not_the_default_is_written(void **state)
{
	char line[512];

	(void)state;
	assert_true(add("kernel vm=a cpus=1 memory=512M weight=100 pin=0-1023 vmx=on"));
	settings_format(vm_settings, &s.vms[0].config, line, sizeof(line));
	assert_string_equal(line, " vm=a");
	assert_true(add("kernel vm=b pin=3,1-2 memory=3072M vmx_features=haswell,-vpid"));
	settings_format(vm_settings, &s.vms[1].config, line, sizeof(line));
	assert_string_equal(line, " vm=b memory=3G vmx_features=haswell,-vpid pin=1-3");
}

static void set_longest_nets(struct net_list *l)
{
	l->count = LIMIT_NETS;
	for (unsigned i = 0; i < LIMIT_NETS; i++) {
		memset(&l->at[i], 0xff, sizeof(l->at[i]));
		memset(l->at[i].network, 'x', LIMIT_NAME - 1);
		l->at[i].network[LIMIT_NAME - 1] = '\0';
		l->at[i].trunk = l->at[i].spoof = true;
		l->at[i].offload = l->at[i].attached = false;
	}
}

static void set_longest_ports(struct port_list *l)
{
	l->count = LIMIT_PORTS;
	for (unsigned i = 0; i < LIMIT_PORTS; i++)
		memset(l->name[i], 'a' + (int)i, LIMIT_NAME - 1);
}

static void the_longest_texts_fit(void **state)
{
	struct vm_config c;
	char text[SETTING_TEXT_SIZE], all[2 * SETTING_TEXT_SIZE];

	(void)state;
	settings_init(vm_settings, &c);
	memset(c.name, 'x', LIMIT_NAME - 1);
	c.memory -= 2 << 20;
	c.cpus = c.root_ports = LIMIT_VCPUS;
	c.vmx = c.shadow = c.apicv = c.rng = c.hpet = c.cmdline0 = false;
	c.virtio_console = c.firmware_log = true;
	c.weight = WEIGHT_MAX;
	c.restart = RESTART_ON_FAILURE;
	c.restart_limit = UINT32_MAX;
	c.iommu = IOMMU_NONE;
	c.protocol = PROTOCOL_LINUX;
	set_longest_ports(&c.ports);
	c.allowed_cpus = (struct cpu_set){.word[15] = 0x6db6db6db6db6db6}; /* 21 pairs, */
	c.allowed_cpus.word[14] = 0x6db6db6c00000000;                      /* and 11 */
	c.vmx_features = 1;
	set_longest_nets(&c.nets);
	for (c.devices.count = 0; c.devices.count < DEVICE_LIST_MAX; c.devices.count++)
		c.devices.at[c.devices.count] =
			(struct machine_device){.bdf = UINT16_MAX, .vf = 256};
	for (const struct setting *row = vm_settings; row->kind != SETTING_END; row++) {
		assert_true(setting_format(row, &c, text, sizeof(text)) <
			    (row->kind == SETTING_NETS ? 960 : 320));
		setting_describe(row, text, sizeof(text));
		assert_true(strlen(text) < 128);
	}
	assert_in_range(settings_format(vm_settings, &c, all, sizeof(all)),
		SETTING_TEXT_SIZE / 2, SETTING_TEXT_SIZE - 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_vm_of_which_nothing_is_said_has_the_defaults, set_up),
		cmocka_unit_test_setup(a_kernel_module_makes_a_vm, set_up),
		cmocka_unit_test_setup(firmware_makes_a_vm_and_may_be_given_a_kernel, set_up),
		cmocka_unit_test_setup(
			a_display_comes_with_firmware_and_brings_its_bios, set_up),
		cmocka_unit_test_setup(firmware_of_an_impossible_size_is_refused, set_up),
		cmocka_unit_test_setup(settings_say_how_a_vm_lives, set_up),
		cmocka_unit_test_setup(vmx_features_are_chosen_by_name, set_up),
		cmocka_unit_test_setup(
			more_vcpus_than_xapic_mode_has_ids_for_need_interrupt_remapping,
			set_up),
		cmocka_unit_test_setup(
			what_cannot_be_a_vm_is_refused_with_the_word_at_fault, set_up),
		cmocka_unit_test_setup(there_are_limits_of_vms_and_modules, set_up),
		cmocka_unit_test_setup(there_is_a_limit_of_vms_with_memory_that_moves, set_up),
		cmocka_unit_test_setup(a_disk_line_gives_a_vm_a_disk, set_up),
		cmocka_unit_test_setup(a_cdrom_line_gives_a_vm_a_drive, set_up),
		cmocka_unit_test_setup(an_order_and_an_option_rom_are_for_firmware, set_up),
		cmocka_unit_test_setup(
			a_disk_that_cannot_be_is_refused_with_the_word_at_fault, set_up),
		cmocka_unit_test_setup(a_disk_may_be_another_vms, set_up),
		cmocka_unit_test_setup(the_servers_of_disks_must_be_there, set_up),
		cmocka_unit_test_setup(a_disk_that_two_write_is_refused, set_up),
		cmocka_unit_test_setup(
			a_configuration_becomes_a_line_that_gives_it_back, set_up),
		cmocka_unit_test_setup(addresses_of_network_devices_differ, set_up),
		cmocka_unit_test_setup(ports_have_different_names, set_up),
		cmocka_unit_test_setup(only_what_is_not_the_default_is_written, set_up),
		cmocka_unit_test_setup(the_longest_texts_fit, set_up),
	};

	return cmocka_run_group_tests_name("policy_scenario", tests, NULL, NULL);
}
