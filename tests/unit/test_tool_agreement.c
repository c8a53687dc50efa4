/* SPDX-License-Identifier: Apache-2.0 */
/* The tool and L0 take the same settings of VMs, and understand the same by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tool_agreement.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static struct scenario_spec scenario;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static bool tool_takes(const char *text)
{
	struct error e = {0};

	scenario_init(&scenario);
	return scenario_parse(&scenario, "s.yaml", text, strlen(text), &arena, &e) == 0;
}

static bool l0_takes(struct scenario *l0, const char *line)
{
	memset(l0, 0, sizeof(*l0));
	return scenario_add(l0, text_of(line, strlen(line)), 0, 1);
}

/* Values at the borders of ranges, of all kinds, right and wrong. */
static const char *const values[] = {"0", "1", "2", "8", "9", "64", "65", "63", "100", "10000",
	"10001", "4294967295", "4294967296", "18446744073709551615", "18446744073709551616",
	"-1", "0x8", "0x", "1K", "2M", "3M", "4M", "5M", "6m", "512M", "1G", "0.5G", "1T", "2T",
	"1025G", "1048576M", "1048578M", "4194304", "512", "on", "off", "yes", "no", "On",
	"true", "never", "on-reset", "on-failure", "always", "Always", "auto", "linux", "0-63",
	"0-64", "0,2-3", "3-2", "0,", "0-", "1,,2", "a", "a.b-c_d", "a b",
	"a234567890123456789012345678901", "a2345678901234567890123456789012", "a/b", "haswell",
	"haswell,-vpid", "-ept,-vpid", "-ept,haswell", "+bndcfgs", "-base", "skylake,+pml", "",
	"~", "*", "k=v", "cdrom", "cdrom,disk", "disk,disk"};

static void for_each_key_and_value_both_decide_the_same(void **state)
{
	static struct scenario l0;
	unsigned taken = 0;

	(void)state;
	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++) {
		/* The limit of restarts needs a restart; the name is there once. */
		const char *more = s->kind == SETTING_NAME ? "" : ", name: v";
		const char *l0_more = s->kind == SETTING_NAME ? "" : " vm=v";

		for (size_t i = 0; s->name && i < sizeof(values) / sizeof(values[0]); i++) {
			bool restart = strcmp(s->key, "restart") != 0;
			const char *networks =
				s->kind == SETTING_NETS
					? arena_format(&arena, "networks: ['%s']\n", values[i])
					: "";
			bool tool = tool_takes(arena_format(&arena,
				"%svms: [{kernel: k, %s: '%s'%s%s}]", networks, s->name,
				values[i], more, restart ? ", restart: always" : ""));
			bool by_l0 = l0_takes(
				&l0, arena_format(&arena, "kernel %s=%s%s%s", s->key, values[i],
					     l0_more, restart ? " restart=always" : ""));

			/* A blank ends the word in L0's line. */
			if (strchr(values[i], ' '))
				continue;
			if (tool != by_l0)
				fail_msg("%s=%s: tool %d, L0 %d", s->key, values[i], tool,
					by_l0);
			if (tool &&
				config_difference(&l0.vms[0].config, &scenario.vms[0].config))
				fail_msg("%s=%s: another value", s->key, values[i]);
			taken += tool;
		}
	}
	assert_true(taken > 60);
}

static void lines_that_the_tool_writes_give_l0_the_same_vms(void **state)
{
	static const char *const texts[] = {
		"vms: [{name: a, firmware: ovmf, memory: 1G, firmware-log: on, hpet: off}]",
		"vms: [{name: a, firmware: seabios, display: ramfb}]",
		"vms: [{name: a, firmware: ovmf, kernel: k, display: ramfb}]",
		"vms: [{name: a, kernel: k, display: text}]",
		"vms: [{name: a, firmware: seabios, display: text}]",
		"vms: [{name: a, firmware: f, kernel: k, cmdline: 'x -- y', disks: [{image: d}]}]",
		"vms: [{name: a, kernel: k}, {name: b, firmware: seabios, restart: on-reset}]",
		"vms: [{name: a, kernel: k}]",
		"vms: [{name: a, kernel: k, protocol: linux16}]",
		"vms: [{name: a, kernel: k, memory: 1T, cpus: 8, vmx: off, cmdline: ' -- x=y '}]",
		"vms: [{name: a, kernel: k, restart: on-reset, restart-limit: 4294967295}]",
		"vms:\n- {name: a, kernel: k}\n- {name: b, kernel: k, memory: 4M, apicv: off}",
		"vms: [{name: a, kernel: k, argv0: off, weight: 10000, pin: '0,2-5,63'}]",
		"vms: [{name: a, kernel: k, vmx: {shadow: off, features: 'haswell,-ept,+pml'}}]",
		"vms:\n- {name: a, kernel: k, disks: [{image: i}]}\n- {name: b, kernel: k}",
		"vms: [{name: a, kernel: k, disks: [{image: i, readonly: on}]}]",
		"vms: [{name: a, kernel: k, disks: [{scratch: 1T, cow: 4K, name: x}]}]",
		"vms: [{name: a, kernel: k, cdroms: [{image: c}, {image: c, name: x}]}]",
		"networks: [n]\nvms: [{name: a, firmware: f, net: n, boot: network}]",
		"vms: [{name: a, firmware: f, boot: [cdrom, disk], cdroms: [{image: c}], disks: [{image: d}]}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (enum kernel_kind k = KERNEL_LINUX; k <= KERNEL_MULTIBOOT2; k++) {
			assert_true(tool_takes(texts[i]));
			assert_null(l0_disagrees(&scenario, k, &arena));
		}
}

static void l0_takes_as_many_vms_and_modules_as_the_tool(void **state)
{
	static struct scenario l0;
	const char *modules = "", *vms = "";

	(void)state;
	for (unsigned i = 0; i < SCENARIO_MAX_MODULES; i++)
		modules = arena_format(&arena, "%s{file: f},", modules);
	for (unsigned i = 0; i < SCENARIO_MAX_VMS; i++)
		vms = arena_format(&arena,
			"%s{name: a%u, kernel: k, initrd: i, modules: [%s]},", vms, i,
			i % 8 == 0 ? modules : "");
	assert_true(tool_takes(arena_format(&arena, "vms: [%s]", vms)));
	for (unsigned i = 0; i < scenario.vm_count; i++) {
		const char *name = scenario.vms[i].config.name;
		const char *line = arena_format(&arena, "kernel vm=%s", name);

		assert_true(scenario_add(&l0, text_of(line, 64), 0, 1));
		line = arena_format(&arena, "module vm=%s -- f", name);
		for (unsigned j = 0; j < scenario.vms[i].module_count; j++)
			assert_true(scenario_add(&l0, text_of(line, 64), 0, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			for_each_key_and_value_both_decide_the_same, tear_down),
		cmocka_unit_test_teardown(
			lines_that_the_tool_writes_give_l0_the_same_vms, tear_down),
		cmocka_unit_test_teardown(
			l0_takes_as_many_vms_and_modules_as_the_tool, tear_down),
	};

	return cmocka_run_group_tests_name("tool_agreement", tests, NULL, NULL);
}
