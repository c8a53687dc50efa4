/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the stream from Nestor: channels, control records, the summary. */
#include <stdio.h>
#include <string.h>

#include "mux.h"
#include "record.h"
#include "summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, uint8_t channel, const uint8_t *data, size_t size)
{
	char line[600];

	snprintf(line, sizeof(line), "%.*s", (int)(size & 0xffff), (const char *)data);
	if (channel == MUX_CONTROL)
		(void)record_end_status(line);
	else
		summary_add(context, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct summary summary;
	static FILE *nowhere;
	struct mux m;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	memset(&summary, 0, sizeof(summary));
	mux_init(&m);
	mux_feed(&m, data, size, take, &summary);
	summary_print(&summary, nowhere);
	return 0;
}
