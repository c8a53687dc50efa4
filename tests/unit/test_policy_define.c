/* SPDX-License-Identifier: Apache-2.0 */
/* VMs that come while others run: like one that is there, in a place that is free. */
#include "scenario_world.h"

static bool define(unsigned places, unsigned like, const char *name, const char *with)
{
	struct scenario before = s;
	unsigned vm;

	if (scenario_define(&s, places, like, name, with, &vm))
		return true;
	assert_int_equal(s.vm_count, before.vm_count);
	assert_memory_equal(s.vms, before.vms, sizeof(s.vms));
	return false;
}

static void expect_no_vm(unsigned places, const char *name, const char *with, const char *why)
{
	assert_false(define(places, 0, name, with));
	if (strstr(s.refusal.why, why) == NULL)
		fail_msg("'%s' '%s': '%s' lacks '%s'", name, with, s.refusal.why, why);
}

static void a_vm_like_another_one_has_its_images_and_settings_of_its_own(void **state)
{
	const struct vm_images *a = &s.vms[0], *b = &s.vms[1];

	(void)state;
	assert_true(scenario_add(&s,
		t("kernel vm=a memory=64M cpus=4 net=lan,mac=52:54:00:00:00:01 weight=7 ports=agent,log -- line"),
		0x1000, 10));
	assert_true(scenario_add(&s, t("initrd vm=a"), 0x2000, 20));
	assert_true(scenario_add(&s, t("disk vm=a disk=d"), 0x3000, 512));
	assert_true(define(2, 0, "b", "memory=32M;cpus=2"));
	assert_int_equal(s.vm_count, 2);
	assert_string_equal(b->config.name, "b");
	assert_int_equal(b->config.memory, 32 << 20);
	assert_int_equal(b->config.cpus, 2);
	assert_int_equal(b->config.weight, 7);
	assert_int_equal(b->kernel.start, 0x1000);
	assert_true(text_is(b->kernel.cmdline, "line"));
	assert_int_equal(b->initrd.size, 20);
	assert_int_equal(b->disk_count, 1);
	assert_true(b->config.disk_memory == a->config.disk_memory);
	assert_true(net_config_mac(&a->config.nets, 0, "a") !=
		    net_config_mac(&b->config.nets, 0, "b"));
	assert_int_equal(a->config.memory, 64 << 20);
	assert_int_equal(a->config.ports.count, 2);
	assert_int_equal(b->config.ports.count, 0);
}

static void a_place_that_is_free_again_is_taken_first(void **state)
{
	(void)state;
	assert_true(add("kernel vm=a memory=16M") && add("kernel vm=b memory=16M"));
	expect_no_vm(2, "c", "", "places for 2 VMs");
	assert_true(define(3, 0, "c", ""));
	scenario_forget(&s, 1);
	assert_true(define(3, 0, "d", ""));
	assert_string_equal(s.vms[1].config.name, "d");
	assert_int_equal(s.vm_count, 3);
	expect_no_vm(3, "b", "", "places for 3 VMs");
	expect_no_vm(LIMIT_VMS, "d", "", "already");
}

static void what_cannot_be_a_vm_later_is_refused_and_changes_nothing(void **state)
{
	(void)state;
	assert_true(add("kernel vm=a memory=16M net=lan"));
	expect_no_vm(8, "a", "", "already");
	expect_no_vm(8, "b", "vm=c", "twice");
	expect_no_vm(8, "b", "memory=3M", "multiple");
	expect_no_vm(8, "b", "memory", "memory must be");
	expect_no_vm(8, "b", ";", "unknown key");
	expect_no_vm(8, "b", "nothing=1", "unknown key");
	expect_no_vm(8, "b", "cpus=2;cpus=289", "from 1 to 288");
	expect_no_vm(8, "b!", "", "its name must be");
	expect_no_vm(8, "b", "memory=64M;reserve=40M", "at the start only");
	expect_no_vm(8, "b", "memory=64M;devices=pci:00:03.0;iommu=none", "at the start only");
	expect_no_vm(8, "b", "ports=agent", "at the start only");
	expect_no_vm(8, "b", "boot=disk", "firmware");
	expect_no_vm(8, "b", "display=ramfb", "firmware");
	assert_true(define(8, 0, "text", "display=text"));
	expect_no_vm(8, "b", "net=lan,mac=52:54:00:00:00:01+lan,mac=52:54:00:00:00:01", "MAC");
	assert_true(define(8, 0, "b", "net=lan,mac=52:54:00:00:00:01"));
	expect_no_vm(8, "c", "net=lan,mac=52:54:00:00:00:01", "MAC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_vm_like_another_one_has_its_images_and_settings_of_its_own, set_up),
		cmocka_unit_test_setup(a_place_that_is_free_again_is_taken_first, set_up),
		cmocka_unit_test_setup(
			what_cannot_be_a_vm_later_is_refused_and_changes_nothing, set_up),
	};

	return cmocka_run_group_tests_name("policy_define", tests, NULL, NULL);
}
