/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of what L0 reads from its loader: the Multiboot2 block, L0's command line, the
 * settings of VMs. Whatever is in it, texts and the RSDP lie inside the block, and a VM that is
 * accepted is a sane one.
 */
#include <string.h>

#include "boot/multiboot2.h"
#include "dev/dev.h"
#include "input.h"
#include "policy/options.h"
#include "policy/scenario.h"
#include "spec/addr.h"

static void check_inside(const uint8_t *block, size_t size, const void *p, size_t n)
{
	const uint8_t *at = p;

	check(n == 0 ||
		(at >= block && at <= block + size && n <= (size_t)(block + size - at)));
}

static void check_same(const struct setting *table, const void *a, const void *b)
{
	for (const struct setting *s = table; s->kind != SETTING_END; s++)
		check(s->kind == SETTING_NAME ||
			memcmp((const char *)a + s->offset, (const char *)b + s->offset,
				s->size) == 0);
}

/* An accepted VM's settings, written as a line, give the same VM. */
static void check_line(const struct vm_config *c)
{
	static struct scenario s;
	char buf[1024] = "kernel";
	size_t n = 6 + settings_format(vm_settings, c, buf + 6, sizeof(buf) - 6);

	memset(&s, 0, sizeof(s));
	check(scenario_add(&s, (struct text){buf, n}, 0, 0));
	check(strcmp(s.vms[0].config.name, c->name) == 0);
	check_same(vm_settings, &s.vms[0].config, c);
}

static void check_vm(const struct vm_images *vm)
{
	const struct vm_config *c = &vm->config;

	check(memchr(c->name, 0, sizeof(c->name)) != NULL && c->name[0] != '\0');
	check(c->cpus >= 1 && c->cpus <= DEV_MAX_VCPUS);
	check(c->memory >= 2 * SIZE_2M && c->memory % SIZE_2M == 0 && c->memory >> 40 <= 1);
	check(c->weight >= 1 && c->weight <= WEIGHT_MAX &&
		set_next(c->allowed_cpus.word, 0, LIMIT_CPU_NUMBERS) < LIMIT_CPU_NUMBERS);
	check(c->restart <= RESTART_ALWAYS &&
		(c->restart_limit == 0 || c->restart != RESTART_NEVER));
	check_line(c);
	check(vm->module_count <= SCENARIO_MAX_MODULES);
}

/* Options that were read give themselves back. */
static void options(struct text line)
{
	static struct refusal r;
	struct options o, again;
	char buf[1024];

	settings_init(option_settings, &o);
	while (!options_parse(&line, &o, &r))
		check(r.where.len > 0 && r.why[0] != '\0');
	line = (struct text){buf, settings_format(option_settings, &o, buf, sizeof(buf))};
	settings_init(option_settings, &again);
	check(options_parse(&line, &again, &r) && line.len == 0);
	check_same(option_settings, &o, &again);
}

static void add(struct scenario *s, struct text line, uint64_t start, uint64_t size)
{
	unsigned before = s->vm_count;

	if (!scenario_add(s, line, start, size)) {
		check(s->refusal.why[0] != '\0' && s->vm_count == before);
		s->refusal.why[0] = '\0';
	}
	check(s->vm_count <= SCENARIO_MAX_VMS);
}

static void block(const uint8_t *data, size_t size, struct scenario *s)
{
	static struct boot_info info;

	if (!mb2_parse(data, size, &info))
		return;
	check(info.ram_count <= BOOT_MAX_RANGES && info.module_count <= BOOT_MAX_MODULES);
	check_inside(data, size, info.cmdline.s, info.cmdline.len);
	check_inside(data, size, info.rsdp, info.rsdp_size);
	for (unsigned i = 0; i < info.ram_count; i++)
		check(info.ram[i].start + info.ram[i].size >= info.ram[i].start);
	for (unsigned i = 0; i < info.module_count; i++) {
		check_inside(
			data, size, info.modules[i].cmdline.s, info.modules[i].cmdline.len);
		add(s, info.modules[i].cmdline, info.modules[i].range.start,
			info.modules[i].range.size);
	}
	options(info.cmdline);
}

/* The first byte chooses: a block, or lines of settings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scenario s;
	struct text rest;

	if (size == 0)
		return 0;
	memset(&s, 0, sizeof(s));
	rest = (struct text){(const char *)data + 1, size - 1};
	if (data[0] & 1)
		block(data + 1, size - 1, &s);
	while (!(data[0] & 1) && rest.len > 0) {
		struct text line = rest;

		line.len = 0;
		while (line.len < rest.len && rest.s[line.len] != '\n')
			line.len++;
		rest.s += line.len + (line.len < rest.len);
		rest.len -= line.len + (line.len < rest.len);
		add(&s, line, 0, 0);
		options(line);
	}
	for (unsigned i = 0; i < s.vm_count; i++)
		check_vm(&s.vms[i]);
	return 0;
}
