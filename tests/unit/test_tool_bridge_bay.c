/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients put into bays, by the socket of a run. */
#include "bridge_world.h"

#include "host_disk.h"

static struct scenario_spec spec;
static struct host_bays bays;

/* VM b has a bay, which is file 3 of the host, behind root port 2, and a disk behind 1. */
static int setup_bays(void **state)
{
	struct vm_spec *vm = &spec.vms[1];

	setup(state);
	memset(&spec, 0, sizeof(spec));
	spec.vm_count = 2;
	strcpy(spec.vms[0].config.name, "a");
	strcpy(vm->config.name, "b");
	vm->disk_count = 2;
	vm->disks[0].config = (struct disk_config){.root_port = 1};
	vm->disks[1].config = (struct disk_config){.root_port = 2, .host = 3, .bay = true};
	host_bays_begin(&bays, &spec, folder);
	b.bays = &bays;
	greeting(0);
	return 0;
}

static int teardown_bays(void **state)
{
	host_bays_end(&bays);
	return teardown(state);
}

static int a_disk_of(size_t size, int mode)
{
	char name[128];
	int file;

	snprintf(name, sizeof(name), "%s/disk", folder);
	file = open(name, O_RDWR | O_CREAT, 0600);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, (off_t)size), 0);
	close(file);
	file = open(name, mode);
	assert_true(file >= 0);
	return file;
}

/* What the device would open: how large it is; -1: nothing is there. */
static long in_bay(const char *use)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s/disk3.%s", folder, use);
	return stat(name, &st) < 0 ? -1 : (long)st.st_size;
}

static void a_file_lies_in_the_bay_while_nestor_looks(void **state)
{
	(void)state;
	ask_with(0, "fill id=9 vm=b slot=2 keep=1\n", a_disk_of(1024, O_RDWR));
	assert_string_equal(sent(), "attach id=1 vm=b slot=2 fresh=1");
	assert_int_equal(in_bay("keep"), 1024);
	assert_int_equal(in_bay("discard"), -1);
	nestor_says("ok");
	assert_string_equal(line(0), "answer id=9 status=ok");
	assert_int_equal(in_bay("keep"), -1);
	ask_with(0, "fill id=10 vm=b slot=2\n", a_disk_of(1024, O_RDONLY));
	assert_string_equal(line(0),
		"answer id=10 status=wrong-state text=it is the disk of another VM or run");
}

static void what_nestor_refuses_is_nobodys(void **state)
{
	(void)state;
	ask_with(0, "fill id=1 vm=b slot=2 keep=1\n", a_disk_of(1024, O_RDWR));
	assert_string_equal(sent(), "attach id=1 vm=b slot=2 fresh=1");
	nestor_says("wrong-state");
	assert_string_equal(line(0), "answer id=1 status=wrong-state");
	assert_int_equal(in_bay("keep"), -1);
	ask_with(0, "fill id=2 vm=b slot=2\n", a_disk_of(2048, O_RDONLY));
	assert_string_equal(sent(), "attach id=2 vm=b slot=2 fresh=1");
	assert_int_equal(in_bay("discard"), 2048);
}

static void who_goes_before_nestor_is_asked_leaves_nothing(void **state)
{
	(void)state;
	ask(1, "list id=1\n");
	assert_string_equal(sent(), "list id=1");
	ask_with(0, "fill id=1 vm=b slot=2\n", a_disk_of(1024, O_RDONLY));
	hear(0);
	assert_int_equal(in_bay("discard"), 1024);
	goes(0);
	hear(1);
	hear(1);
	assert_int_equal(in_bay("discard"), -1);
}

static void what_is_no_disk_or_no_bay_is_refused(void **state)
{
	static const char *const wrong[][2] = {
		{"fill id=1 vm=b slot=1\n",
			"no VM of this name has a bay behind this root port"},
		{"fill id=1 vm=a slot=2\n",
			"no VM of this name has a bay behind this root port"},
		{"fill id=1 vm=b slot=2 keep=1\n", "what came with it cannot be written"},
	};
	char expected[160];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ask_with(0, wrong[i][0], a_disk_of(1024, O_RDONLY));
		snprintf(expected, sizeof(expected), "answer id=1 status=wrong-state text=%s",
			wrong[i][1]);
		assert_string_equal(line(0), expected);
	}
	ask_with(0, "fill id=2 vm=b slot=2\n", a_disk_of(1000, O_RDONLY));
	assert_string_equal(line(0),
		"answer id=2 status=wrong-state text=a disk has a multiple of "
		"512 bytes, and more than 0");
	ask_with(0, "fill id=3 vm=b slot=2\n", open("/dev/zero", O_RDONLY));
	assert_string_equal(line(0),
		"answer id=3 status=wrong-state text=what came with it is no "
		"file that can be read");
	ask(0, "fill id=4 vm=b slot=2\n");
	assert_string_equal(line(0),
		"answer id=4 status=wrong-state text=no file came with it: is "
		"the run on another machine?");
	ask(0, "attach id=5 vm=b slot=2 fresh=1\n");
	assert_string_equal(line(0),
		"answer id=5 status=bad-request text=it is the tool's to say: lend, fill");
	assert_string_equal(sent(), "");
}

#define B(name) cmocka_unit_test_setup_teardown(name, setup_bays, teardown_bays)

int main(void)
{
	const struct CMUnitTest tests[] = {
		B(a_file_lies_in_the_bay_while_nestor_looks),
		B(what_nestor_refuses_is_nobodys),
		B(who_goes_before_nestor_is_asked_leaves_nothing),
		B(what_is_no_disk_or_no_bay_is_refused),
	};

	return cmocka_run_group_tests_name("tool_bridge_bay", tests, NULL, NULL);
}
