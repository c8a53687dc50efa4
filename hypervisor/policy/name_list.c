/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/name_list.h"

#include "lib/fmt.h"
#include "policy/setting_int.h"

static const struct setting name_row = {.kind = SETTING_NAME, .size = LIMIT_NAME};

unsigned name_list_find(const char *names, uint32_t count, struct text name)
{
	unsigned i = 0;

	while (i < count && !text_is(name, names + (size_t)i * LIMIT_NAME))
		i++;
	return i;
}

bool name_list_parse(struct text value, char *names, uint32_t most, uint32_t *count, char *must)
{
	struct text name;
	bool more;

	__builtin_memset(names, 0, (size_t)most * LIMIT_NAME);
	*count = 0;
	do {
		more = setting_cut(&value, ',', &name);
		if (name_list_find(names, *count, name) < *count) {
			fmt(must, SETTING_TEXT_SIZE, "%.*s is given twice", (int)name.len,
				name.s);
			return false;
		}
		if (*count == most) {
			fmt(must, SETTING_TEXT_SIZE, "not so many");
			return false;
		}
		if (!setting_parse(&name_row, name, names + (size_t)*count * LIMIT_NAME, must))
			return false;
		++*count;
	} while (more);
	return true;
}

size_t name_list_format(const char *names, uint32_t count, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
		n += fmt(buf + n, size - n, "%s%s", i == 0 ? "" : ",",
			names + (size_t)i * LIMIT_NAME);
	return n;
}
