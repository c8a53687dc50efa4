/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions of network devices: how many, where, and their addresses. */
#include "scenario_world.h"

static void virtual_functions_have_limits_and_need_a_root_port(void **state)
{
	const struct net_list *nets = &s.vms[0].config.nets;
	char text[SETTING_TEXT_SIZE];

	(void)state;
	assert_true(add("kernel vm=a root_ports=3 net=lan,root-port=1,vfs=7+lan,root-port=3,"
			"vfs=6+wan"));
	assert_int_equal(nets->at[0].vfs, 7);
	assert_int_equal(net_list_vfs(nets, 0), 0);
	assert_int_equal(net_list_vfs(nets, 1), 7);
	assert_int_equal(net_list_vfs(nets, 3), 13);
	net_list_format(nets, text, sizeof(text));
	assert_string_equal(text, "lan,root-port=1,vfs=7+lan,root-port=3,vfs=6+wan");
	expect_refusal("kernel vm=b net=lan,vfs=1", "net=lan,vfs=1",
		"only what is behind a root port ('root-port') has virtual functions ('vfs')");
	expect_refusal("kernel vm=b root_ports=1 net=lan,root-port=1,vfs=8",
		"net=lan,root-port=1,vfs=8", "vfs must be a number from 0 to 7");
	expect_refusal("kernel vm=b root_ports=3 "
		       "net=lan,root-port=1,vfs=7+lan,root-port=2,vfs=7+lan,root-port=3,vfs=1",
		"kernel vm=b root_ports=3 "
		"net=lan,root-port=1,vfs=7+lan,root-port=2,vfs=7+lan,root-port=3,vfs=1",
		"may have 14 virtual functions ('vfs') together");
	assert_true(add("kernel vm=b root_ports=2 net=lan,root-port=1,vfs=7+lan,root-port=2,"
			"vfs=7"));
	assert_true(add("kernel vm=c root_ports=1 net=lan,root-port=1,vfs=5"));
	expect_refusal("kernel vm=d root_ports=1 net=lan,root-port=1,vfs=1",
		"kernel vm=d root_ports=1 net=lan,root-port=1,vfs=1",
		"all VMs together may have 32 virtual functions");
}

static void addresses_of_virtual_functions_follow_and_differ(void **state)
{
	uint64_t mac = 0x524e12345678;

	(void)state;
	assert_int_equal(net_config_vf_mac(mac, 0), 0x524f12345678);
	assert_int_equal(net_config_vf_mac(mac, 6), 0x525512345678);
	assert_int_equal(net_config_vf_mac(0x00ff00000001, 1), 0x020100000001);
	assert_true(add("kernel vm=a root_ports=1 "
			"net=lan,root-port=1,vfs=2,mac=52:54:00:00:00:01"));
	expect_refusal("kernel vm=b net=wan,mac=52:56:00:00:00:01",
		"kernel vm=b net=wan,mac=52:56:00:00:00:01", "has the MAC address");
	expect_refusal("kernel vm=b root_ports=1 "
		       "net=lan,root-port=1,vfs=1,mac=52:55:00:00:00:01",
		"kernel vm=b root_ports=1 net=lan,root-port=1,vfs=1,mac=52:55:00:00:00:01",
		"has the MAC address");
	assert_true(add("kernel vm=b net=wan,mac=52:57:00:00:00:01"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(virtual_functions_have_limits_and_need_a_root_port),
		TEST(addresses_of_virtual_functions_follow_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
