/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other memory for a VM that begins again, where some of what it had is wrong: vm/create.h.
 */
#include "cpu/bad_memory.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/images.h"
#include "vm/streams.h"
#include "vm/vm_int.h"

static bool is_bad(const struct vm_memory *m)
{
	for (unsigned i = 0; i < m->ram_count; i++)
		if (bad_memory_in(m->ram[i].hpa.v, m->ram[i].size))
			return true;
	return bad_memory_in(m->pool.v, m->pool_size) ||
	       bad_memory_in(m->books.v, m->books_size);
}

static struct hpa kept_at(const struct vm_memory *m)
{
	return (struct hpa){m->pool.v + m->pool_size - m->kept_size};
}

static void tell_lost(const char *name)
{
	log_error("'%s': what it kept over restarts is lost: variables of firmware, what was "
		  "written to disks",
		name);
}

/* Out of memory that goes; size 0: nothing is kept, or it is lost. */
static uint64_t save_kept(const struct vm_memory *m, const char *name, struct hpa *to)
{
	uint64_t size = m->kept_size;

	if (size == 0)
		return 0;
	if (bad_memory_in(kept_at(m).v, size) ||
		!page_alloc(size, PAGE_SIZE, PAGE_ANYWHERE, to)) {
		tell_lost(name);
		size = 0;
	}
	if (size != 0)
		memcpy(direct_va(*to), direct_va(kept_at(m)), size);
	bad_memory_wipe(kept_at(m), m->kept_size);
	return size;
}

static const char *refuse_renewal(const struct vm_config *c)
{
	if (c->reserve != 0)
		return "memory that Nestor needs for it is wrong, and it has a reserve";
	return device_list_is_empty(&c->devices)
		       ? NULL
		       : "its memory is wrong, and it has devices of the machine";
}

const char *vm_memory_renew(
	const struct vm_images *images, unsigned id, struct vm_memory *m, bool *renewed)
{
	const char *name = images->config.name, *why = refuse_renewal(&images->config);
	struct hpa copy = {0};
	uint64_t kept;
	bool taken;

	*renewed = false;
	if (m->cr3 != 0 && !is_bad(m)) {
		m->kept_lost = false; /* the next life keeps again */
		return NULL;
	}
	if (why != NULL)
		return why;
	log_warn("'%s' gets other memory: some of what it had is wrong", name);
	kept = save_kept(m, name, &copy);
	vm_memory_give_back(m);
	taken = vm_memory_take(images, id, true, m);
	if (taken && !streams_map(id, m->cr3)) {
		vm_memory_give_back(m);
		taken = false;
	}
	if (taken && kept != 0)
		memcpy(direct_va(kept_at(m)), direct_va(copy), kept);
	if (kept != 0) {
		bad_memory_wipe(copy, kept);
		page_free(copy, kept);
	}
	if (taken) {
		m->kept_lost = kept == 0;
		*renewed = true;
		return NULL;
	}
	if (kept != 0)
		tell_lost(name);
	*m = (struct vm_memory){.vm = id};
	return "there is no other memory for it";
}
