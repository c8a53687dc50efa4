/* SPDX-License-Identifier: Apache-2.0 */
/* The multiplication of exits; see client_multiply.h. */
#include "client_multiply.h"

#include <string.h>

#include "record.h"

#define SHOWN 8

static void take_l1(struct multiply *m, const char *reason, uint64_t count)
{
	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		if (strcmp(exit_reason_name(i), reason) == 0)
			m->l1[i] = count;
}

void multiply_take(struct multiply *m, const char *line)
{
	char name[32];

	if (record_text(line, "figure", name, sizeof(name))) {
		if (strcmp(name, "nested_exits_to_l1") == 0)
			m->to_l1 = record_number(line, "value");
		return;
	}
	if (!record_text(line, "reason", name, sizeof(name)))
		return;
	if (record_number(line, "level") == 1)
		take_l1(m, name, record_number(line, "count"));
	else
		m->l2 += record_number(line, "count");
}

static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

struct multiply multiply_since(const struct multiply *now, const struct multiply *before)
{
	struct multiply m = {
		.l2 = since(now->l2, before->l2), .to_l1 = since(now->to_l1, before->to_l1)};

	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		m.l1[i] = since(now->l1[i], before->l1[i]);
	return m;
}

/* The reason with most exits that was not shown; EXIT_REASON_COUNT: none has any. */
static unsigned most(const struct multiply *m, const bool *shown)
{
	unsigned best = EXIT_REASON_COUNT;

	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		if (m->l1[i] && !shown[i] &&
			(best == EXIT_REASON_COUNT || m->l1[i] > m->l1[best]))
			best = i;
	return best;
}

void multiply_show(FILE *out, const struct multiply *m)
{
	bool shown[EXIT_REASON_COUNT] = {false};
	double each = (double)m->to_l1, rest = 0;

	if (!m->to_l1)
		return;
	fprintf(out, "each exit of L2 to L1: %.2f of L2, and of L1", (double)m->l2 / each);
	for (unsigned n = 0, i; n < SHOWN; n++) {
		i = most(m, shown);
		if (i == EXIT_REASON_COUNT)
			break;
		shown[i] = true;
		fprintf(out, " %s %.2f", exit_reason_name(i), (double)m->l1[i] / each);
	}
	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		rest += shown[i] ? 0 : (double)m->l1[i];
	if (rest > 0)
		fprintf(out, " others %.2f", rest / each);
	putc('\n', out);
}
