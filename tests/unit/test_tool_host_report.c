/* SPDX-License-Identifier: Apache-2.0 */
/* A report of a machine: what is told of folders like /proc and /sys, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "host_report.h"
#include "spec/msr.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static const char *root;
static char text[1 << 20];

/* What is between slashes is made as folders. */
static void put(const char *name, const char *bytes, size_t size)
{
	char *path = arena_format(&arena, "%s/%s", root, name);
	struct error e = {.status = 0};

	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		*slash = 0;
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	assert_int_equal(
		file_write(path, &(struct bytes){(void *)(uintptr_t)bytes, size}, &e), 0);
}

static void put_text(const char *name, const char *bytes)
{
	put(name, bytes, strlen(bytes));
}

static FILE *begin(void)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	return out;
}

static void report(void)
{
	const char *proc = arena_format(&arena, "%s/proc", root);
	const char *sys = arena_format(&arena, "%s/sys", root);
	FILE *out = begin();

	host_report_head(out, &arena, proc, sys);
	host_report_machine(out, &arena, proc, sys);
	fclose(out);
}

static int set_up(void **state)
{
	char *template = arena_format(&arena, "/tmp/nestor-report-XXXXXX");

	(void)state;
	root = mkdtemp(template);
	return root == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	(void)!system(arena_format(&arena, "rm -rf %s", root));
	arena_free(&arena);
	return 0;
}

static bool has(const char *words)
{
	return strstr(text, words) != NULL;
}

static void what_is_there_is_told(void **state)
{
	static const char table[] = {'A', 'P', 'I', 'C', 5, 0, 0, 0, (char)0xfe};
	static const char secure[] = {6, 0, 0, 0, 1};

	(void)state;
	put_text("proc/cpuinfo", "processor\t: 0\nmicrocode\t: 0x5003604\nserial\t: 77\n");
	put_text("proc/iomem",
		"00001000-0009ffff : System RAM\n  00002000-00003fff : Kernel code\n");
	put_text("proc/tty/driver/serial",
		"serinfo:1.0\n0: uart:16550A port:000003F8 irq:4 tx:9 rx:8\n1: uart:unknown port:000002F8 irq:3\n");
	put_text("sys/devices/system/cpu/online", "0-127\n");
	put_text("sys/devices/system/node/online", "0-1\n");
	put_text("sys/devices/system/node/node1/cpulist", "64-127\n");
	put_text("sys/devices/system/node/node1/distance", "21 10\n");
	put_text("sys/devices/system/node/node1/meminfo",
		"Node 1 MemTotal:  1048576 kB\nNode 1 MemFree:    7 kB\n");
	put("sys/firmware/acpi/tables/APIC", table, sizeof(table));
	put("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", secure,
		sizeof(secure));
	report();
	assert_true(has("# microcode: 0x5003604\n"));
	assert_true(has("# processors: 0-127, nodes: 0-1\n"));
	assert_true(has("# node 1: processors 64-127, distances 21 10\n"
			"#   Node 1 MemTotal:  1048576 kB\n#"));
	assert_false(has("MemFree"));
	assert_true(has("#   00001000-0009ffff : System RAM\n"));
	assert_false(has("Kernel code"));
	assert_true(has("#   0: uart:16550A port:000003F8 irq:4\n"));
	assert_false(has("unknown"));
	assert_true(has("#   APIC: 9 bytes\n#    4150494305000000fe\n"));
	assert_true(has("#   DMAR: none, or not to be read\n"));
	assert_true(has("# firmware: UEFI, secure boot on"));
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_int_equal(line[0], '#');
}

static void what_is_not_there_is_told_as_such(void **state)
{
	(void)state;
	put_text(
		"proc/iomem", "00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n");
	report();
	assert_true(has("# processors: not known, nodes: not known\n"));
	assert_true(has("# firmware: BIOS\n"));
	assert_true(has("# memory map:\n#   nothing that could be read: is this root?\n"));
	assert_true(has("# serial ports:\n#   nothing that could be read"));
}

static void capabilities_are_lines_that_are_read_again(void **state)
{
	struct vmx_caps caps = {.maxphyaddr = 46};
	FILE *out = begin();

	(void)state;
	caps.msr[0] = 0x00da040000000004;
	caps.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] = 0xf0106f34141;
	host_report_caps(out, &caps);
	fclose(out);
	assert_string_equal(
		text, "maxphyaddr 46\n0x480 0x00da040000000004\n0x48c 0x00000f0106f34141\n");
}

static void devices_are_told_with_their_groups_or_why_not(void **state)
{
	struct host_device all[] = {
		{.name = "pci:00:02.0",
			.vendor = 0x8086,
			.device = 0x100e,
			.class = 0x20000,
			.group = "2"},
		{.name = "pci:00:1f.0",
			.vendor = 0x8086,
			.device = 0x7000,
			.class = 0x60100,
			.why = "a bridge"},
	};
	struct host_devices d = {.unit_count = 1, .count = 2, .all = all};
	FILE *out = begin();

	(void)state;
	host_report_devices(out, &d);
	fclose(out);
	assert_string_equal(text, "# devices behind 1 IOMMU unit, with their groups:\n"
				  "#   pci:00:02.0 8086:100e class 020000 group 2\n"
				  "#   pci:00:1f.0 8086:7000 class 060100: a bridge\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_there_is_told),
		T(what_is_not_there_is_told_as_such),
		T(capabilities_are_lines_that_are_read_again),
		T(devices_are_told_with_their_groups_or_why_not),
	};

	return cmocka_run_group_tests_name("tool_host_report", tests, NULL, NULL);
}
