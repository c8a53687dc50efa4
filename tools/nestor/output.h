/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output of the tool: goes out in whole lines, so that what goes to standard error,
 * which may be the same file, cuts none; and remembers why it could not be written, which
 * errno tells of the last write only.
 */
#ifndef NESTOR_OUTPUT_H
#define NESTOR_OUTPUT_H

/* Bytes of a line that are held back at most. */
#define OUTPUT_LINE 65536

/* Before anything is printed. Without memory for that, nothing changes. */
void output_init(void);

/* errno of the first write that failed, after what is held back went out; or 0. */
int output_error(void);

#endif
