/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of scenarios as L0 reads them: one, to which lines are added.
 */
#ifndef NESTOR_TESTS_SCENARIO_WORLD_H
#define NESTOR_TESTS_SCENARIO_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/scenario.h"

static struct scenario s;

static inline int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	return 0;
}

static inline struct text t(const char *text)
{
	return text_of(text, strlen(text));
}

static inline bool add(const char *line)
{
	return scenario_add(&s, t(line), 0, 1);
}

static inline void expect_refusal(const char *line, const char *where, const char *why)
{
	unsigned before = s.vm_count;

	assert_false(add(line));
	assert_int_equal(s.vm_count, before);
	if (!text_is(s.refusal.where, where))
		fail_msg("'%s': '%.*s' is named", line, (int)s.refusal.where.len,
			s.refusal.where.s);
	if (strstr(s.refusal.why, why) == NULL)
		fail_msg("'%s': '%s' lacks '%s'", line, s.refusal.why, why);
}

#endif
