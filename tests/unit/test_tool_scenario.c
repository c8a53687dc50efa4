/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's scenario files and command line: what they accept, and what their errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "command.h"
#include "scenario.h"
#include "spec/vmx_features.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define MIB (1ULL << 20)

static struct arena arena;
static struct scenario_spec scenario;
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

static uint64_t features(const char *text)
{
	size_t bad, length;
	uint64_t mask;

	assert_true(
		features_parse(&vmx_feature_family, text, strlen(text), &mask, &bad, &length));
	return mask;
}

static void a_full_scenario_is_read(void **state)
{
	const struct vm_spec *vm = &scenario.vms[1];

	(void)state;
	assert_int_equal(parse("machine: {kind: bochs, cpus: 4, memory: 1G, ips: 100000000}\n"
			       "timeout: 60\n"
			       "log: debug\n"
			       "vms:\n"
			       "  - {name: a, kernel: k}\n"
			       "  - name: b\n"
			       "    kernel: /abs/k2\n"
			       "    initrd: i\n"
			       "    cmdline: 'console=ttyS0 quiet'\n"
			       "    memory: 1024M\n"
			       "    cpus: 2\n"
			       "    argv0: off\n"
			       "    vmx: {shadow: off, features: 'haswell,-ept'}\n"
			       "    modules:\n"
			       "      - {file: m, cmdline: x y}\n"),
		0);
	assert_int_equal(scenario.machine.kind, MACHINE_BOCHS);
	assert_int_equal(scenario.machine.cpus, 4);
	assert_int_equal(scenario.machine.memory, 1024 * MIB);
	assert_int_equal(scenario.machine.ips, 100000000);
	assert_int_equal(scenario.timeout, 60);
	assert_int_equal(scenario.l0.log, LOG_DEBUG);
	assert_int_equal(scenario.vm_count, 2);
	assert_string_equal(scenario.vms[0].kernel.path, "dir/k");
	assert_string_equal(scenario.vms[0].kernel.where, "dir/s.yaml:5: kernel");
	assert_int_equal(scenario.vms[0].config.memory, 512 * MIB);
	assert_true(scenario.vms[0].config.vmx);
	assert_true(scenario.vms[0].config.shadow);
	assert_true(scenario.vms[0].config.apicv);
	assert_string_equal(vm->kernel.path, "/abs/k2");
	assert_string_equal(vm->initrd.path, "dir/i");
	assert_string_equal(vm->cmdline, "console=ttyS0 quiet");
	assert_int_equal(vm->config.memory, 1024 * MIB);
	assert_int_equal(vm->config.cpus, 2);
	assert_false(vm->config.cmdline0);
	assert_true(vm->config.vmx_features == features("haswell,-ept"));
	assert_true(vm->config.vmx);
	assert_false(vm->config.shadow);
	assert_int_equal(vm->module_count, 1);
	assert_string_equal(vm->modules[0].file.path, "dir/m");
	assert_string_equal(vm->modules[0].cmdline, "x y");
}

static void errors_name_file_line_key_value_and_what_is_allowed(void **state)
{
	(void)state;
	expect_error("vms:\n  - name: a\n    kernel: k\n    memory: 5M\n",
		"dir/s.yaml:4: memory: '5M' is not allowed: must be a size such as 512M or 2G, "
		"from 4M to 1T, a multiple of 2M");
	expect_error("vms:\n  - name: a\n    kernel: k\n    memory: 2M\n",
		"dir/s.yaml:4: memory: '2M' is not allowed: must be a size");
	expect_error("vms:\n  - name: a\n    kernal: k\n",
		"dir/s.yaml:3: unknown key 'kernal': must be one of name, memory, cpus, nodes, vmx, shadow, apicv, cpu-features, vmx-features, start, restart, restart-limit, background, weight, pin, "
		"reserve, balloon, rng, virtio-console, hpet, vsock, root-ports, ports, firmware-log, boot, display, net, devices, iommu, protocol, argv0, firmware, variables, kernel, initrd, cmdline, modules, disks, "
		"cdroms, nets");
	expect_error("vms: [{name: a, kernel: k, cpus: 289}]",
		"dir/s.yaml:1: cpus: '289' is not allowed: must be a number from 1 to 288");
	expect_error("vms: [{name: a, kernel: k}]\nmachine: vmware\n",
		"dir/s.yaml:2: kind: 'vmware' is not allowed: must be one of auto, qemu, bochs");
	expect_error("vms: [{name: a, kernel: k, vmx: maybe}]", "must be on or off");
	expect_error("vms: [{name: a/b, kernel: k}]", "name: 'a/b' is not allowed");
	expect_error("log: loud", "must be one of error, warn, info, debug");
}

static void wrong_structure_is_told(void **state)
{
	(void)state;
	expect_error("", "the scenario is empty");
	expect_error("- a", "must be a mapping");
	expect_error("vms: a", "dir/s.yaml:1: vms: must be a list of VMs");
	expect_error("vms: []", "needs 'vms' with a VM");
	expect_error("timeout: 5", "needs 'vms' with a VM");
	expect_error("vms: [a]", "must be a mapping of keys to values");
	expect_error("vms: [{name: [a], kernel: k}]", "name: must be a single value");
	expect_error(
		"vms: [{name: a, kernel: k, modules: m}]", "must be a list of {file, cmdline}");
	expect_error("vms: [{name: a, kernel: k, modules: [{cmdline: m}]}]", "no 'file'");
	expect_error("vms: [{? [a] : b}]", "words as keys");
	expect_error("vms: [", "not YAML");
	expect_error("vms: [{name: a, kernel: k}]\ntimeout: 1\ntimeout: 2",
		"dir/s.yaml:3: timeout: the key is there twice");
	expect_error("vms: [{name: a, kernel: k, cmdline: \"a\\0b\"}]", "single value");
	expect_error("vms: [{name: a, kernel: k, cmdline: \"a\\nb\"}]", "single line");
}

static void a_vm_needs_a_kernel_and_a_name_of_its_own(void **state)
{
	(void)state;
	expect_error("vms: [{name: a}]", "the VM 'a' has neither a 'kernel' nor 'firmware'");
	expect_error("vms: [{kernel: k}]", "the VM has no 'name'");
	expect_error("vms: [{name: a, kernel: k}, {name: a, kernel: k}]",
		"dir/s.yaml:1: vms: the VM 'a': there is a VM of this name already");
}

static void disks_are_read_with_the_place_of_their_image(void **state)
{
	const struct vm_spec *vm = &scenario.vms[0];

	(void)state;
	scenario_init(&scenario);
	assert_int_equal(parse("vms:\n  - name: a\n    kernel: k\n    disks:\n"
			       "      - {image: d.raw, name: root, cow: 1M}\n"
			       "      - {image: /d.raw, readonly: on}\n"
			       "      - {scratch: 2G}\n"),
		0);
	assert_int_equal(vm->disk_count, 3);
	assert_string_equal(vm->disks[0].image.path, "dir/d.raw");
	assert_string_equal(vm->disks[0].image.where, "dir/s.yaml:5: image");
	assert_string_equal(vm->disks[0].config.name, "root");
	assert_int_equal(vm->disks[0].config.cow, MIB);
	assert_string_equal(vm->disks[1].image.path, "/d.raw");
	assert_true(vm->disks[1].config.readonly);
	assert_null(vm->disks[2].image.path);
	assert_int_equal(vm->disks[2].config.size, 2048 * MIB);
	assert_string_equal(
		scenario_disk_line(&arena, vm, &vm->disks[0]), "disk vm=a disk=root cow=1M");
	assert_string_equal(scenario_disk_line(&arena, vm, &vm->disks[2]), "disk vm=a size=2G");
}

static void disks_that_cannot_be_are_told_with_their_place(void **state)
{
	static const struct {
		const char *disk, *message;
	} bad[] = {
		{"{cow: 1M}",
			"dir/s.yaml:5: disks: the disk has neither 'image' nor 'scratch' nor"},
		{"{image: d, scratch: 1M}", "dir/s.yaml:5: disks: the disk has both"},
		{"{image: d, size: 1M}",
			"dir/s.yaml:5: disks: the disk has both 'image' and a size"},
		{"{image: d, nbd: a}",
			"dir/s.yaml:5: disks: the disk has both 'image' and 'nbd'"},
		{"{nbd: b}", "a disk that another VM serves needs its size"},
		{"{nbd: b, size: 1M}", "disk 'disk0', nbd 'b': there is no VM of this name"},
		{"{nbd: a, size: 1M}", "nbd 'a': a VM cannot serve its own disk"},
		{"{scratch: 1M, export: x}", "are for a disk that another VM serves"},
		{"{image: d, sizes: 1M}",
			"dir/s.yaml:5: unknown key 'sizes': must be one of image, changes, size, name, "
			"scratch, nbd, export, port, cow, readonly"},
		{"{image: none-such, changes: keep}",
			"dir/s.yaml:5: image: 'dir/none-such': No such file"},
		{"{image: /, changes: keep}", "dir/s.yaml:5: image: '/' is not a file"},
		{"{scratch: 1M, changes: keep}",
			"dir/s.yaml:5: disks: 'changes: keep' is for a disk with an 'image'"},
		{"{image: /etc/passwd, changes: keep, cow: 1M}", "is for changes in memory"},
		{"{image: d, changes: no}", "must be one of keep, discard"},
		{"{image: d, cow: 100}", "dir/s.yaml:5: cow: '100' is not allowed: must be"},
		{"{scratch: 1000}", "a multiple of 512"},
		{"{scratch: 1M, name: twenty-characters-no1}",
			"dir/s.yaml:5: name: 'twenty-characters-no1' is not allowed: must be 1 "
			"to 20 letters"},
		{"{image: d, readonly: on, cow: 1M}",
			"dir/s.yaml:5: disks: the VM 'a': a disk that is only read"},
		{"{image: d, name: x}\n      - {image: d, name: x}",
			"dir/s.yaml:6: disks: the VM 'a': the VM has a disk of this name"},
		{"d", "must be a mapping"},
	};
	const char *disks = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(arena_format(&arena,
				     "vms:\n  - name: a\n    kernel: k\n    disks:\n      - "
				     "%s\n",
				     bad[i].disk),
			bad[i].message);
	expect_error("vms: [{name: a, kernel: k, disks: d}]", "must be a list of {image}");
	for (unsigned i = 0; i < SCENARIO_MAX_DISKS + 1; i++)
		disks = arena_format(&arena, "%s{image: f},", disks);
	expect_error(arena_format(&arena, "vms: [{name: a, kernel: k, disks: [%s]}]", disks),
		"more than 8 disks");
}

static void firmware_takes_the_place_of_a_kernel(void **state)
{
	const struct vm_spec *vm = &scenario.vms[0];

	(void)state;
	assert_int_equal(parse("vms: [{name: a, firmware: ovmf}]"), 0);
	assert_string_equal(vm->firmware.path, "ovmf");
	assert_string_equal(vm->firmware.where, "dir/s.yaml:1: firmware");
	assert_null(vm->kernel.path);
	assert_int_equal(parse("vms: [{name: a, firmware: ovmf.fd}]"), 0);
	assert_string_equal(vm->firmware.path, "dir/ovmf.fd");
	assert_int_equal(
		parse("vms: [{name: a, firmware: ovmf, kernel: k, initrd: i, cmdline: c}]"), 0);
	expect_error("vms: [{name: a, firmware: seabios, kernel: k}]",
		"the VM 'a' has a 'kernel', which SeaBIOS does not start");
	expect_error("vms: [{name: a, firmware: f, kernel: k, modules: [{file: m}]}]",
		"has 'modules', which 'firmware' does not take");
	expect_error("vms: [{name: a, firmware: f, protocol: elf}]", "no 'protocol'");
	expect_error("vms: [{name: a, firmware: f, cmdline: c}]",
		"has no 'kernel', which 'initrd' and 'cmdline' need");
	expect_error("vms: [{name: a, firmware: f}, {name: a, kernel: k}]",
		"there is a VM of this name already");
}

static void network_devices_are_read(void **state)
{
	const struct net_config *n = scenario.vms[0].config.nets.at;

	(void)state;
	assert_int_equal(
		parse("networks: [lan, {name: wan}]\n"
		      "vms:\n"
		      "  - name: a\n"
		      "    kernel: k\n"
		      "    nets:\n"
		      "      - lan\n"
		      "      - {network: wan, mac: '52:54:00:12:34:5f', vlan: 7, rate: 1M,\n"
		      "         frames: 9, mtu: 9000, spoof: on, offload: off, queues: 2}\n"
		      "  - {name: b, kernel: k, net: 'lan,trunk=on+wan'}\n"),
		0);
	assert_int_equal(scenario.vms[0].config.nets.count, 2);
	assert_string_equal(n[0].network, "lan");
	assert_int_equal(n[0].mtu, 1500);
	assert_true(n[0].offload && !n[0].trunk && n[0].mac == 0);
	assert_int_equal(n[1].mac, 0x52540012345f);
	assert_int_equal(n[1].vlan, 7);
	assert_int_equal(n[1].rate, MIB);
	assert_int_equal(n[1].frames, 9);
	assert_int_equal(n[1].mtu, 9000);
	assert_int_equal(n[1].queues, 2);
	assert_int_equal(n[0].queues, 0);
	assert_true(n[1].spoof && !n[1].offload);
	assert_int_equal(scenario.vms[1].config.nets.count, 2);
	assert_true(scenario.vms[1].config.nets.at[0].trunk);
}

static void wrong_network_devices_are_refused_with_their_place(void **state)
{
	const char *vm = "networks: [lan]\nvms:\n  - {name: a, kernel: k,\n     %s}\n";
	static const struct {
		const char *text, *error;
	} wrong[] = {
		{"nets: [wan]", "dir/s.yaml:4: nets: unknown network 'wan'"},
		{"net: wan", "dir/s.yaml:4: net: unknown network 'wan'"},
		{"net: 'lan+wan'", "unknown network 'wan'"},
		{"nets: [{network: lan, vlan: 4095}]", "dir/s.yaml:4: vlan: '4095'"},
		{"nets: [{network: lan, vlan: 5, trunk: on}]",
			"a trunk has no VLAN of its own"},
		{"nets: [{network: lan, mac: '53:00:00:00:00:01'}]",
			"the address of a station"},
		{"nets: [{network: lan, mac: '52:00:00:00:00:1'}]", "the address of a station"},
		{"nets: [{network: lan, mtu: 67}]", "from 68 to 65535"},
		{"nets: [{network: lan, speed: 1}]", "unknown key 'speed'"},
		{"nets: [{vlan: 1}]", "no network"},
		{"nets: [lan, lan, lan, lan, lan]", "more than 4 network devices"},
		{"nets: lan", "must be a list of"},
		{"net: lan, nets: [lan]", "does not go with 'net'"},
		{"nets: [lan], net: lan", "does not go with 'nets'"},
		{"net: 'lan,vlan=x'", "vlan must be a number"},
		{"net: 'lan,vlan=1,mtu=99,vlan=1'", "; vlan is given twice"},
		{"net: 'lan,network=wan'", "; network is given twice: it is the first word"},
		{"nets: [{network: lan, vlan: 1, vlan: 2}]", "the key is there twice"},
		{"net: 'lan+lan+lan+lan+lan'", "not so many"},
		{"nets: [{network: lan, mac: '52:00:00:00:00:01'}, {network: lan, mac: '52:00:00:00:00:01'}]",
			"dir/s.yaml:3: vms: the VM 'a': another network device has the MAC address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(arena_format(&arena, vm, wrong[i].text), wrong[i].error);
	expect_error(
		"networks: [a, a]", "dir/s.yaml:1: networks: the network 'a' is there twice");
	expect_error("networks: [{}]", "no 'name'");
	expect_error("networks: ['a b']", "must be 1 to 31 letters");
	expect_error("networks: lan", "must be a list");
	expect_error(
		"networks: [lan]\nvms:\n"
		"  - {name: a, kernel: k, nets: [{network: lan, mac: '52:00:00:00:00:01'}]}\n"
		"  - {name: b, kernel: k, nets: [{network: lan, mac: '52:00:00:00:00:01'}]}\n",
		"dir/s.yaml:4: vms: the VM 'b': another network device has the MAC address");
}

static void too_many_vms_and_modules_are_refused(void **state)
{
	const char *vms = "";
	const char *modules = "";

	(void)state;
	for (unsigned i = 0; i < SCENARIO_MAX_VMS + 1; i++)
		vms = arena_format(&arena, "%s{name: a%u, kernel: k},", vms, i);
	expect_error(arena_format(&arena, "vms: [%s]", vms), "more than 256 VMs");
	for (unsigned i = 0; i < SCENARIO_MAX_MODULES + 1; i++)
		modules = arena_format(&arena, "%s{file: f},", modules);
	expect_error(
		arena_format(&arena, "vms: [{name: a, kernel: k, modules: [%s]}]", modules),
		"more than 16 modules");
}

static void recursive_yaml_is_survived(void **state)
{
	(void)state;
	expect_error("&a [*a]", "must be a mapping");
	expect_error("&a {vms: [*a]}", "unknown key 'vms'");
	expect_error("vms: &a [*a]", "must be a mapping");
	expect_error("vms: [{name: a, kernel: k, modules: &m [*m]}]", "must be a mapping");
}

/* Text that goes on: so many pieces behind a beginning. */
static const char *pieces(const char *beginning, const char *piece, size_t count)
{
	size_t n = strlen(beginning), size = strlen(piece);
	char *text = arena_alloc(&arena, n + count * size + 1);

	memcpy(text, beginning, n);
	for (size_t i = 0; i < count; i++)
		memcpy(text + n + i * size, piece, size);
	text[n + count * size] = 0;
	return text;
}

/* libyaml would take minutes for the most of these. */
static void what_no_scenario_needs_is_refused_before_it_costs_time(void **state)
{
	(void)state;
	expect_error(pieces("vms:\n  - name: ", "[", 500000),
		"dir/s.yaml:2: lists and mappings nested more than 16 deep");
	expect_error(pieces("vms:\n", "- ", 400000), "s.yaml:2: lists and mappings nested");
	expect_error(pieces("vms: [[[[[[[[[[[[[[[", "]", 1), "not YAML");
	expect_error(
		pieces("vms:\n", "- &a x\n", 100000), "s.yaml:19999: more than 20000 values");
	expect_error(pieces("", "%TAG !a! b\n", 90000), "s.yaml:17: more than 16 directives");
	expect_error(pieces("vms:\n  - name: a\n    kernel: k\n    ports:\n",
			     "      - abcdefg\n", 400),
		"s.yaml:5: ports: must be a list of names");
	expect_error(pieces("# a\n", "# b\n", 300000), "s.yaml:262145: a scenario has 1 MiB");
	assert_int_equal(
		parse(pieces("vms: [{name: a, kernel: k, cmdline: '[[[[[[[[[[[[[[[[[[['}]"
			     "\n",
			"# a comment\n", 80000)),
		0);
}

static void settings_that_do_not_go_together_are_refused_with_the_place_of_the_vm(void **state)
{
	(void)state;
	expect_error(
		"vms:\n  - {name: a, kernel: k}\n  - {name: b, kernel: k, restart-limit: 2}",
		"dir/s.yaml:3: vms: the VM 'b': a limit of restarts needs a choice of when");
	assert_int_equal(
		parse("vms: [{name: b, kernel: k, restart-limit: 2, restart: always}]"), 0);
}

static void what_only_l0_is_told_is_no_key_of_a_scenario(void **state)
{
	(void)state;
	expect_error("vms: [{name: a, kernel: k, cmdline0: off}]", "unknown key 'cmdline0'");
	expect_error("vms: [{name: a, kernel: k}]\nmux: on", "unknown key 'mux'");
}

static int parse_options(struct command *o, const char *line)
{
	char *copy = arena_copy(&arena, line);
	char **argv = arena_alloc(&arena, 32 * sizeof(*argv));
	int argc = 0;

	for (char *word = strtok(copy, "|"); word; word = strtok(NULL, "|"))
		argv[argc++] = word;
	error = (struct error){0};
	return command_parse(o, argc, argv, &arena, &error);
}

static void expect_usage(const char *line, const char *message)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));

	assert_int_equal(parse_options(o, line), STATUS_USAGE);
	if (!strstr(error.text, message))
		fail_msg("'%s' lacks '%s'", error.text, message);
}

static void the_short_form_describes_one_vm(void **state)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));
	const struct vm_spec *vm = &o->scenario.vms[0];

	(void)state;
	assert_int_equal(
		parse_options(o, "nestor|run|--l1|k|--memory=64M|--module|m,a b,c|"
				 "--module|n|--cmdline|x=1 -- y|--shadow|off|--apicv|off|"
				 "--timeout|5|--machine|bochs|--bare"),
		0);
	assert_int_equal(o->verb, VERB_RUN);
	assert_int_equal(o->scenario.vm_count, 1);
	assert_string_equal(vm->config.name, "l1");
	assert_string_equal(vm->kernel.path, "k");
	assert_int_equal(vm->config.memory, 64 * MIB);
	assert_int_equal(vm->module_count, 2);
	assert_string_equal(vm->modules[0].file.path, "m");
	assert_string_equal(vm->modules[0].cmdline, "a b,c");
	assert_string_equal(vm->modules[1].cmdline, "");
	assert_string_equal(vm->cmdline, "x=1 -- y");
	assert_false(vm->config.shadow);
	assert_false(vm->config.apicv);
	assert_int_equal(o->scenario.timeout, 5);
	assert_int_equal(o->scenario.machine.kind, MACHINE_BOCHS);
	assert_int_equal(o->bare, 1);
}

static void options_give_disks_too(void **state)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));
	const struct vm_spec *vm = &o->scenario.vms[0];

	(void)state;
	assert_int_equal(parse_options(o, "nestor|run|--l1|k|--disk|a.raw,name=x,cow=64K|"
					  "--scratch=1G|--disk|b.raw,readonly=on"),
		0);
	assert_int_equal(vm->disk_count, 3);
	assert_string_equal(vm->disks[0].image.path, "a.raw");
	assert_string_equal(vm->disks[0].config.name, "x");
	assert_int_equal(vm->disks[0].config.cow, 65536);
	assert_int_equal(vm->disks[1].config.size, 1024 * MIB);
	assert_true(vm->disks[2].config.readonly);
	expect_usage("nestor|run|--l1|k|--disk|a,cow=5", "a multiple of 4K");
	expect_usage("nestor|run|--l1|k|--disk|a,name=twenty-characters-no1",
		"must be 1 to 20 letters");
	expect_usage("nestor|run|--l1|k|--disk|a,frob=5",
		"'frob': must be one of image, changes, size");
	expect_usage("nestor|run|--l1|k|--disk|a,cow", "'cow': must be one of");
	expect_usage("nestor|run|--l1|k|--disk|a,cow,name=x", "'cow': must be one of");
	expect_usage("nestor|run|--l1|k|--scratch|x", "must be a size");
	expect_usage("nestor|run|--l1|k|--net|lan,mtu=99,mtu=99", "; mtu is given twice");
	expect_usage("nestor|run|s.yaml|--disk", "--disk needs a value");
}

static void usage_errors_say_what_is_allowed(void **state)
{
	(void)state;
	expect_usage("nestor", "must be one of run, check, image, serve, trace, help, version");
	expect_usage("nestor|go", "unknown verb 'go': must be one of run");
	expect_usage("nestor|run", "needs a SCENARIO.yaml, --l1 IMAGE or --l1-firmware FILE");
	expect_usage("nestor|run|--frob", "unknown option '--frob': `nestor run` has --l1 ");
	expect_usage("nestor|run|--l1", "--l1 needs a value");
	expect_usage("nestor|run|--l1|k|--cpus|x", "must be a number from 1 to 288");
	expect_usage("nestor|run|--bare=yes|--l1|k", "--bare takes no value");
	expect_usage("nestor|run|--bare|--machine-cpus|4|--l1|k", "--bare: --cpus says how");
	expect_usage("nestor|run|a|b", "there is a scenario already");
	expect_usage("nestor|check|--l1|k|--timeout|5", "unknown option '--timeout'");
	expect_usage("nestor|run|--iso|x|--l1|k", "--iso does not go with");
	expect_usage(
		"nestor|run|--l1|k|--vmx-features|-ept,-foo", "'-foo' is not one of presets: ");
	expect_usage("nestor|run|--l1|k|--module|,x", "must be FILE or FILE,COMMAND-LINE");
}

static void options_of_l0_are_checked_and_come_last_in_its_line(void **state)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));
	struct options l0;

	(void)state;
	expect_usage("nestor|run|--l1|k|--l0-option|log=debug muxx=on",
		"--l0-option: 'muxx=on' is not allowed: unknown key: must be one of log, mux,");
	expect_usage("nestor|image|--l1|k|--l0-option|machine=acpi",
		"--l0-option: 'machine=acpi' is not allowed: machine must be one of none, ");
	expect_usage("nestor|run|--l1|k|--l0-option|epoch=now", "epoch must be a number");
	expect_usage("nestor|run|--iso|k|--l0-option|epoch=1", "option does not go with --iso");
	assert_int_equal(parse_options(o, "nestor|run|--l1|k|--log-level|debug|--l0-option|"
					  "epoch=12345 mux=off log=error"),
		0);
	l0 = o->scenario.l0;
	assert_int_equal(l0.log, LOG_DEBUG);
	l0.mux = l0.ram_zeroed = true;
	assert_string_equal(
		command_l0_line(&arena, o, &l0), "log=error ram=zeroed epoch=12345");
	(void)parse_options(o, "nestor|run|--l1|k|--l0-option|epoch=1|--l0-option|mux=off");
	assert_string_equal(command_l0_line(&arena, o, &o->scenario.l0), "epoch=1");
}

static void help_is_found_in_every_form(void **state)
{
	struct command *o = arena_alloc(&arena, sizeof(*o));

	(void)state;
	assert_int_equal(parse_options(o, "nestor|--help"), 0);
	assert_int_equal(o->verb, VERB_HELP);
	assert_int_equal(o->help_on, VERB_COUNT);
	assert_int_equal(parse_options(o, "nestor|run|--l1|x|--help"), 0);
	assert_int_equal(o->verb, VERB_HELP);
	assert_int_equal(o->help_on, VERB_RUN);
	assert_int_equal(parse_options(o, "nestor|help|image"), 0);
	assert_int_equal(o->help_on, VERB_IMAGE);
	assert_int_equal(parse_options(o, "nestor|run|--vmx-features|help"), 0);
	assert_int_equal(o->verb, VERB_HELP);
	assert_true(o->help_features);
	assert_int_equal(parse_options(o, "nestor|--version"), 0);
	assert_int_equal(o->verb, VERB_VERSION);
}

static void a_scenario_is_one_document_without_nul_bytes(void **state)
{
	static const char nul[] = "vms:\n  - {name: a,\n kernel: k}\n#\0\nvms: x\n";

	(void)state;
	assert_int_equal(parse("---\nvms: [{name: a, kernel: k}]\n...\n# the end\n"), 0);
	expect_error("vms: [{name: a, kernel: k}]\n---\nvms: []\n",
		"dir/s.yaml:2: a second document");
	expect_error("vms: [{name: a, kernel: k}]\n...\n%\n", "dir/s.yaml:3: not YAML");
	scenario_init(&scenario);
	error = (struct error){0};
	assert_int_equal(
		scenario_parse(&scenario, "dir/s.yaml", nul, sizeof(nul) - 1, &arena, &error),
		STATUS_BAD_INPUT);
	assert_string_equal(error.text, "dir/s.yaml:4: not YAML: a NUL byte");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_full_scenario_is_read, tear_down),
		cmocka_unit_test_teardown(
			errors_name_file_line_key_value_and_what_is_allowed, tear_down),
		cmocka_unit_test_teardown(wrong_structure_is_told, tear_down),
		cmocka_unit_test_teardown(a_vm_needs_a_kernel_and_a_name_of_its_own, tear_down),
		cmocka_unit_test_teardown(firmware_takes_the_place_of_a_kernel, tear_down),
		cmocka_unit_test_teardown(network_devices_are_read, tear_down),
		cmocka_unit_test_teardown(
			wrong_network_devices_are_refused_with_their_place, tear_down),
		cmocka_unit_test_teardown(too_many_vms_and_modules_are_refused, tear_down),
		cmocka_unit_test_teardown(
			disks_are_read_with_the_place_of_their_image, tear_down),
		cmocka_unit_test_teardown(
			disks_that_cannot_be_are_told_with_their_place, tear_down),
		cmocka_unit_test_teardown(options_give_disks_too, tear_down),
		cmocka_unit_test_teardown(recursive_yaml_is_survived, tear_down),
		cmocka_unit_test_teardown(
			what_no_scenario_needs_is_refused_before_it_costs_time, tear_down),
		cmocka_unit_test_teardown(
			settings_that_do_not_go_together_are_refused_with_the_place_of_the_vm,
			tear_down),
		cmocka_unit_test_teardown(
			what_only_l0_is_told_is_no_key_of_a_scenario, tear_down),
		cmocka_unit_test_teardown(
			options_of_l0_are_checked_and_come_last_in_its_line, tear_down),
		cmocka_unit_test_teardown(the_short_form_describes_one_vm, tear_down),
		cmocka_unit_test_teardown(usage_errors_say_what_is_allowed, tear_down),
		cmocka_unit_test_teardown(help_is_found_in_every_form, tear_down),
		cmocka_unit_test_teardown(
			a_scenario_is_one_document_without_nul_bytes, tear_down),
	};

	return cmocka_run_group_tests_name("tool_scenario", tests, NULL, NULL);
}
