/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each byte is sent after its last change: what changes while a range is on its way belongs to
 * the next one, and only when there is none is the flash as the tool knows it.
 */
#include "vm/variables.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "dev/platform.h"
#include "vm/create.h"
#include "vm/vm_int.h"

#define CHUNK 256u  /* bytes that are written at once; in the stream some count twice */
#define PIECE 8192u /* bytes of a turn */

/* Records that a guest causes share the stream with those of others. */
#define TOLD_PERIOD_MS 50u
#define TOLD_BURST     40u

bool variables_ask_last(struct vm *vm)
{
	return vm->variables.kept && l0_config()->mux;
}

/* The next range. False: there is none. */
static bool begin(struct vm *vm)
{
	struct variables *v = &vm->variables;

	if (!vflash_take_changed(&vm->platform->flash, &v->at, &v->end))
		return false;
	v->owed = true;
	mux_record("variables vm=%s channel=%u at=%lu size=%lu", vm->config.name,
		MUX_VARIABLES + vm->id, v->at, v->end - v->at);
	return true;
}

static void finish(struct vm *vm)
{
	if (vm->variables.owed)
		mux_record("variables-whole vm=%s channel=%u", vm->config.name,
			MUX_VARIABLES + vm->id);
	vm->variables.owed = false;
}

static bool may_tell(struct variables *v)
{
	return !mux_crowded() &&
	       budget_spend(&v->told, rdtsc(), (uint64_t)tsc_khz * TOLD_PERIOD_MS, TOLD_BURST);
}

static enum vpci_work work(struct vm *vm)
{
	struct variables *v = &vm->variables;
	unsigned channel = MUX_VARIABLES + vm->id;
	uint64_t n;

	for (uint32_t done = 0; done < PIECE; done += (uint32_t)n) {
		if (v->at == v->end) {
			if (!v->owed && vm->platform->flash.changed_end == 0)
				return VPCI_WORK_DONE;
			if (!may_tell(v))
				return VPCI_WORK_WAITS;
			if (!begin(vm)) {
				finish(vm);
				return VPCI_WORK_DONE;
			}
		}
		if (mux_room(channel) < 2 * CHUNK)
			return VPCI_WORK_WAITS;
		n = v->end - v->at < CHUNK ? v->end - v->at : CHUNK;
		if (dev_is_wrong(vm->platform->flash.data + v->at, n)) {
			v->kept = false; /* the tool has what was whole the last time */
			dev_lost(vm->platform);
			return VPCI_WORK_DONE;
		}
		mux_write(channel, (const char *)vm->platform->flash.data + v->at, n);
		v->at += n;
	}
	return VPCI_WORK_MORE;
}

enum vpci_work variables_work(struct vm *vm)
{
	enum vpci_work left;

	if (!vm->variables.kept || !l0_config()->mux)
		return VPCI_WORK_DONE;
	dev_lock(vm->platform);
	left = work(vm);
	dev_unlock(vm->platform);
	return left;
}
