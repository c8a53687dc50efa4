/* SPDX-License-Identifier: Apache-2.0 */
/* The closing summary of a run, collected from Nestor's `stat` records. */
#ifndef NESTOR_SUMMARY_H
#define NESTOR_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#define SUMMARY_ROWS 128
#define SUMMARY_NAME 40

/* Exits of one VM for one reason, by the level that they came from. */
struct summary_row {
	char vm[SUMMARY_NAME];
	char reason[SUMMARY_NAME];
	uint64_t count[2]; /* L1, L2 */
};

/* A figure of one VM, summed over its virtual CPUs. */
struct summary_figure {
	char vm[SUMMARY_NAME];
	char name[SUMMARY_NAME];
	uint64_t value;
};

struct summary {
	struct summary_row rows[SUMMARY_ROWS];
	unsigned row_count;
	struct summary_figure figures[SUMMARY_ROWS];
	unsigned figure_count;
};

/* Takes the content of a record: "vm=NAME vcpu=N KEY=NUMBER ..."; what does not fit is lost. */
void summary_add(struct summary *s, const char *record);

/* Prints tables of what was collected; nothing if there is nothing. */
void summary_print(const struct summary *s, FILE *out);

#endif
