/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output in whole lines; see output.h. */
#include "output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static int first_error;

/* All of it, or why not: a stream that is told of a part takes the rest for lost. */
static ssize_t write_all(void *cookie, const char *data, size_t size)
{
	size_t done = 0;

	(void)cookie;
	while (done < size) {
		ssize_t n = write(STDOUT_FILENO, data + done, size - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno != EINTR) {
			if (!first_error)
				first_error = errno;
			return 0;
		}
	}
	return (ssize_t)done;
}

void output_init(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_all});

	if (f != NULL)
		stdout = f;
	setvbuf(stdout, NULL, _IOLBF, OUTPUT_LINE);
}

int output_error(void)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && !first_error)
		first_error = errno ? errno : EIO;
	return first_error;
}
