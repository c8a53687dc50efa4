/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of requests in words: any bytes. What is taken for a request has all that it needs, in
 * its ranges; what is not has a reason.
 */
#include "input.h"

#include <string.h>

#include "lib/manage.h"

static void check_request(const struct manage_request *r)
{
	check(r->op < MANAGE_OPS);
	check(manage_given(r, MANAGE_ARG_ID));
	check(r->number[MANAGE_ARG_ID] <= UINT32_MAX);
	check(r->number[MANAGE_ARG_VCPU] < LIMIT_VCPUS);
	check(r->number[MANAGE_ARG_LEVEL] <= 2);
	check(r->number[MANAGE_ARG_REASON] < MANAGE_REASONS);
	check(r->number[MANAGE_ARG_ON] <= 1);
	check(r->number[MANAGE_ARG_SIZE] <= MANAGE_BYTES);
	check(r->number[MANAGE_ARG_DATA] <= MANAGE_DATA);
	check(memchr(r->vm, 0, sizeof(r->vm)) != NULL);
	check(manage_place(r->op) == MANAGE_BY_HOST || manage_place(r->op) == MANAGE_BY_TOOL ||
		r->vm[0] != 0);
	check((r->op != MANAGE_CONSOLE && r->op != MANAGE_TYPE) || r->vm[0] != 0);
	check(r->op != MANAGE_TYPE || r->number[MANAGE_ARG_DATA] != 0);
	check(memchr(r->word, 0, sizeof(r->word)) != NULL);
	check(r->op != MANAGE_SET || r->word[0] != 0);
	check(r->op != MANAGE_READ || r->number[MANAGE_ARG_SIZE] != 0);
	check(r->op != MANAGE_WRITE || r->number[MANAGE_ARG_DATA] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manage_request r;
	const char *why;

	if (manage_parse((struct text){(const char *)data, size}, &r, &why))
		check_request(&r);
	else
		check(why != NULL);
	return 0;
}
