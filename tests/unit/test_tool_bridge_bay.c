/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients put into bays, by the socket of a run. */
#include "bridge_world.h"

#include <sys/file.h>

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
}

/* May another run have it, to read or to write? */
static bool others_may(bool write)
{
	int file = a_disk_of(1024, O_RDWR);
	bool may = flock(file, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;

	close(file);
	return may;
}

static void fills(const char *request, const char *status)
{
	ask_with(0, request, a_disk_of(1024, O_RDWR));
	assert_string_not_equal(sent(), "");
	nestor_says(status);
	line(0);
}

static void the_file_of_a_bay_comes_into_it_again(void **state)
{
	(void)state;
	fills("fill id=1 vm=b slot=2\n", "ok");
	assert_true(others_may(false));
	assert_false(others_may(true));
	fills("fill id=2 vm=b slot=2 keep=1\n", "wrong-state");
	assert_true(others_may(false));
	fills("fill id=3 vm=b slot=2 keep=1\n", "ok");
	assert_false(others_may(false));
	fills("fill id=4 vm=b slot=2\n", "wrong-state");
	assert_false(others_may(false));
	fills("fill id=5 vm=b slot=2 keep=1\n", "ok");
	assert_false(others_may(false));
	fills("fill id=6 vm=b slot=2\n", "ok");
	assert_true(others_may(false));
	assert_false(others_may(true));
}

static void a_file_that_others_have_comes_into_no_bay(void **state)
{
	static const char no[] = " status=wrong-state text=it is the disk of another VM or run";
	int other = a_disk_of(1024, O_RDWR);
	char expected[128];

	(void)state;
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	ask_with(0, "fill id=1 vm=b slot=2\n", a_disk_of(1024, O_RDONLY));
	snprintf(expected, sizeof(expected), "answer id=1%s", no);
	assert_string_equal(line(0), expected);
	assert_int_equal(flock(other, LOCK_SH | LOCK_NB), 0);
	fills("fill id=2 vm=b slot=2\n", "ok");
	ask_with(0, "fill id=3 vm=b slot=2 keep=1\n", a_disk_of(1024, O_RDWR));
	snprintf(expected, sizeof(expected), "answer id=3%s", no);
	assert_string_equal(line(0), expected);
	close(other);
	assert_true(others_may(false)); /* the bay has it still, to read */
	assert_false(others_may(true));
}

/* Its images are read once, at the start; but what was written to them would be on the host. */
static void a_file_that_the_run_has_for_something_else_is_not_kept(void **state)
{
	char name[128];
	int file = a_disk_of(1024, O_RDWR);

	(void)state;
	snprintf(name, sizeof(name), "%s/disk", folder);
	spec.vms[0].module_count = 1;
	spec.vms[0].modules[0].file.path = name;
	ask_with(0, "fill id=1 vm=b slot=2 keep=1\n", file);
	assert_string_equal(line(0), "answer id=1 status=wrong-state text=the run has it for "
				     "something else, and its changes would be kept");
	fills("fill id=2 vm=b slot=2\n", "ok");
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

/* It does not read, so that it is hung up where no request is looked at. */
static void who_is_hung_up_before_nestor_is_asked_leaves_nothing(void **state)
{
	(void)state;
	ask(0, "events id=1\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	ask(1, "list id=1\n");
	assert_string_equal(sent(), "list id=1");
	ask_with(0, "fill id=2 vm=b slot=2\n", a_disk_of(1024, O_RDONLY));
	hear(0);
	assert_int_equal(in_bay("discard"), 1024);
	for (unsigned i = 0; b.client[0].fd >= 0; i++) {
		assert_true(i < BRIDGE_ROOM);
		bridge_record(&b, "vm-start vm=a tsc=1");
	}
	goes(0);
	fd[0] = unix_socket_connect(path);
	assert_true(fd[0] >= 0);
	*said[0] = 0;
	greeting(0);
	assert_int_equal(in_bay("discard"), -1);
	ask_with(0, "fill id=1 vm=b slot=2\n", a_disk_of(2048, O_RDONLY));
	hear(0);
	assert_int_equal(in_bay("discard"), 2048);
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
		B(a_file_that_the_run_has_for_something_else_is_not_kept),
		B(what_nestor_refuses_is_nobodys),
		B(the_file_of_a_bay_comes_into_it_again),
		B(a_file_that_others_have_comes_into_no_bay),
		B(who_goes_before_nestor_is_asked_leaves_nothing),
		B(who_is_hung_up_before_nestor_is_asked_leaves_nothing),
		B(what_is_no_disk_or_no_bay_is_refused),
	};

	return cmocka_run_group_tests_name("tool_bridge_bay", tests, NULL, NULL);
}
