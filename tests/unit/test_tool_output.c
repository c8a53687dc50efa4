/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of tools/nestor/output.c: standard output in whole lines, and why it failed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "output.h"

/* What @print returns in a process whose standard output is @fd. */
static int in_a_child(int fd, int (*print)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		dup2(fd, STDOUT_FILENO);
		output_init();
		_exit(print());
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int a_line(void)
{
	puts("a line");
	return output_error();
}

static int a_line_and_more(void)
{
	puts("a line");
	errno = 0;
	printf("%s", "");
	fflush(stdout);
	return output_error();
}

static int half_a_line(void)
{
	printf("half");
	write(STDOUT_FILENO, "between\n", 8);
	printf(" a line\n");
	write(STDOUT_FILENO, "after\n", 6);
	return output_error();
}

static void a_full_disk_is_told_though_nothing_is_held_back_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(open("/dev/full", O_WRONLY), a_line), ENOSPC);
	assert_int_equal(in_a_child(open("/dev/full", O_WRONLY), a_line_and_more), ENOSPC);
	assert_int_equal(in_a_child(open("/dev/null", O_WRONLY), a_line), 0);
}

static void a_reader_that_left_is_told_as_such(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(in_a_child(ends[1], a_line), EPIPE);
}

static void a_line_goes_out_whole(void **state)
{
	char text[64] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(in_a_child(ends[1], half_a_line), 0);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_string_equal(text, "between\nhalf a line\nafter\n");
}

static int a_long_line(void)
{
	for (int i = 0; i < 3 * OUTPUT_LINE; i++)
		putchar('x');
	return output_error();
}

static void a_line_that_is_too_long_goes_out_in_pieces(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_int_equal(in_a_child(dup(fileno(f)), a_long_line), 0);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	assert_int_equal(ftell(f), 3 * OUTPUT_LINE);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_is_told_though_nothing_is_held_back_at_the_end),
		cmocka_unit_test(a_reader_that_left_is_told_as_such),
		cmocka_unit_test(a_line_goes_out_whole),
		cmocka_unit_test(a_line_that_is_too_long_goes_out_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
