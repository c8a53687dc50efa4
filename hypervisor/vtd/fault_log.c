/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/fault_log.h"

struct budget *fault_log_budget(struct fault_log *l, uint32_t source)
{
	unsigned i = 0;

	while (i < l->count && l->source[i] != source)
		i++;
	if (i == l->count && i < FAULT_LOG_SOURCES)
		l->source[l->count++] = source;
	return &l->budget[i];
}
