/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM may be promised of its memory, and what cannot go together with that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/memory.h"
#include "policy/scenario.h"

#define MIB (1ull << 20)

static struct scenario s;

static struct text t(const char *line)
{
	return (struct text){line, strlen(line)};
}

static void what_cannot_be_is_refused_with_what_would_be_right(void **state)
{
	static const struct {
		const char *line, *where, *why;
	} bad[] = {
		{"kernel vm=a reserve=3M", "reserve=3M",
			"reserve must be one of all, or a size such as 512M or 2G, from 2M to 1T, "
			"a multiple of 2M"},
		{"kernel vm=a balloon=maybe", "balloon=maybe", "one of off, on, or a size"},
		{"kernel vm=a memory=64M reserve=64M", "kernel vm=a memory=64M reserve=64M",
			"'reserve' must be less than 'memory'"},
		{"kernel vm=a reserve=46M cpus=2", "kernel vm=a reserve=46M cpus=2",
			"'reserve' must be 32M at least, and 8M more for each virtual CPU"},
		{"kernel vm=a reserve=48M devices=all iommu=none",
			"kernel vm=a reserve=48M devices=all iommu=none", "stays where it is"},
		{"kernel vm=a balloon=on", "kernel vm=a balloon=on",
			"'balloon' needs 'reserve'"},
		{"kernel vm=a memory=64M reserve=48M balloon=64M",
			"kernel vm=a memory=64M reserve=48M balloon=64M",
			"'balloon' must be less than 'memory'"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0, sizeof(s));
		assert_false(scenario_add(&s, t(bad[i].line), 0, 0x1000));
		if (strstr(s.refusal.why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].line, s.refusal.why);
	}
}

static struct vm_config config(const char *line)
{
	memset(&s, 0, sizeof(s));
	if (!scenario_add(&s, t(line), 0, 0x1000))
		fail_msg("%s: %s", line, s.refusal.why);
	return s.vms[0].config;
}

static void words_stand_for_sizes_in_both_directions(void **state)
{
	static const struct {
		const char *given, *back;
		uint64_t reserve, balloon;
	} all[] = {
		{"kernel vm=a reserve=all balloon=off", " vm=a", 0, BALLOON_OFF},
		{"kernel vm=a reserve=256M balloon=on", " vm=a reserve=256M balloon=on",
			256 * MIB, BALLOON_ON},
		{"kernel vm=a reserve=64M balloon=2048K", " vm=a reserve=64M balloon=2M",
			64 * MIB, 2 * MIB},
	};
	char back[256];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct vm_config c = config(all[i].given);

		assert_int_equal(c.reserve, all[i].reserve);
		assert_int_equal(c.balloon, all[i].balloon);
		settings_format(vm_settings, &c, back, sizeof(back));
		assert_string_equal(back, all[i].back);
	}
}

static void of_a_reserve_the_spare_leaves_something_for_the_guest(void **state)
{
	static const char *const least[] = {"kernel vm=a reserve=40M",
		"kernel vm=a cpus=2 reserve=48M", "kernel vm=a cpus=8 reserve=96M"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct vm_config c = config(least[i]);

		assert_true(memory_spare(&c) * MEMORY_UNIT + 16 * MIB <= c.reserve);
	}
}

/* The machine of the tool has as much as L0 takes. */
static void a_machine_needs_the_reserve_and_not_the_memory(void **state)
{
	struct vm_config all = config("kernel vm=a memory=1G"), part;
	const struct vm_config *vms[1] = {&all};
	uint64_t whole = memory_of_machine(0, vms, 1, 0), less;

	(void)state;
	part = config("kernel vm=a memory=1G reserve=256M");
	vms[0] = &part;
	less = memory_of_machine(0, vms, 1, 0);
	assert_int_equal(memory_ram_size(&all), 1024 * MIB);
	assert_int_equal(memory_ram_size(&part), 256 * MIB);
	assert_int_equal(memory_books_size(&all), 0);
	/* And a chunk of zeros. */
	assert_int_equal(whole - 768 * MIB + memory_books_size(&part) + MEMORY_UNIT, less);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_is_refused_with_what_would_be_right),
		cmocka_unit_test(words_stand_for_sizes_in_both_directions),
		cmocka_unit_test(of_a_reserve_the_spare_leaves_something_for_the_guest),
		cmocka_unit_test(a_machine_needs_the_reserve_and_not_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
