/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the stream from Nestor: channels, control records, the summary, pictures. */
#include <stdio.h>
#include <string.h>

#include "mux.h"
#include "record.h"
#include "screenshot.h"
#include "summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct screenshots screenshots;

/* Of VM 0, whose picture goes nowhere. */
static void open_screenshots(struct arena *a)
{
	static const struct screenshot_places places = {
		{{"vm", "/dev/null/a.png"}, {"vm", "/dev/null/a.txt"}}, 2};
	static struct scenario_spec scenario;
	static struct vm_files files[SCENARIO_MAX_VMS];
	struct error e = {0};
	struct vm_spec *vm;

	scenario_init(&scenario);
	vm = scenario_add_vm(&scenario, "fuzz");
	strcpy(vm->config.name, "vm");
	vm->config.display = DISPLAY_RAMFB;
	screenshots_open(&screenshots, a, &scenario, files, &places, &e);
}

static void take(void *context, unsigned channel, const uint8_t *data, size_t size)
{
	char line[600];

	if (channel >= MUX_SCREEN && channel != MUX_NONE) {
		screenshots_take(&screenshots, channel - MUX_SCREEN, data, size);
		return;
	}
	snprintf(line, sizeof(line), "%.*s", (int)(size & 0xffff), (const char *)data);
	if (channel == MUX_CONTROL)
		screenshots_record(&screenshots, line);
	if (channel == MUX_CONTROL)
		(void)record_end_status(line);
	else
		summary_add(context, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct summary summary;
	static FILE *nowhere;
	struct arena a = {NULL};
	struct error e = {0};
	struct mux m;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	open_screenshots(&a);
	memset(&summary, 0, sizeof(summary));
	mux_init(&m);
	mux_feed(&m, data, size, take, &summary);
	summary_print(&summary, nowhere);
	screenshots_close(&screenshots, &e);
	arena_free(&a);
	return 0;
}
