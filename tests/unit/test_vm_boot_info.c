/*
 * What L0 reads from its loader: the Multiboot2 block, its command line, the VMs in the modules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/multiboot2.h"
#include "policy/options.h"
#include "cpu/log.h"
#include "cpu/power.h"
#include "spec/vmx_features.h"
#include "policy/scenario.h"

struct block {
	uint8_t bytes[1024];
	uint32_t size;
};

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void begin(struct block *b)
{
	memset(b, 0, sizeof(*b));
	b->size = 8;
}

static void tag(struct block *b, uint32_t type, const void *body, uint32_t size)
{
	put32(b->bytes + b->size, type);
	put32(b->bytes + b->size + 4, size + 8);
	if (size)
		memcpy(b->bytes + b->size + 8, body, size);
	b->size += (size + 8 + 7) & ~7u;
	put32(b->bytes, b->size);
}

static void module(struct block *b, uint32_t start, uint32_t end, const char *cmdline)
{
	uint8_t body[128];

	put32(body, start);
	put32(body + 4, end);
	strcpy((char *)body + 8, cmdline);
	tag(b, 3, body, 8 + (uint32_t)strlen(cmdline) + 1);
}

static void mmap_tag(struct block *b, uint32_t step)
{
	uint32_t body[2 + 12] = {step, 0, 0, 0, 0x9f000, 0, 1, 0, 0x100000, 0, 0x1000, 0, 2, 0};

	tag(b, 6, body, sizeof(body));
}

static void a_block_gives_command_line_memory_and_modules(void **state)
{
	struct mb2_info info;
	struct block b;

	(void)state;
	begin(&b);
	tag(&b, 1, "log=debug", 10);
	mmap_tag(&b, 24);
	module(&b, 0x1000, 0x3000, "kernel vm=a");
	tag(&b, 0, NULL, 0);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_false(info.truncated);
	assert_true(text_is(info.cmdline, "log=debug"));
	assert_int_equal(info.ram_count, 1);
	assert_int_equal(info.ram[0].size, 0x9f000);
	assert_int_equal(info.module_count, 1);
	assert_int_equal(info.modules[0].size, 0x2000);
	assert_true(text_is(info.modules[0].cmdline, "kernel vm=a"));
}

/* Each prefix lies at the end of its own allocation, so that a read beyond it is found. */
static void no_byte_behind_the_block_is_read(void **state)
{
	struct mb2_info info;
	struct block b;

	(void)state;
	begin(&b);
	tag(&b, 1, "x", 2);
	mmap_tag(&b, 24);
	module(&b, 0x1000, 0x3000, "kernel vm=a");
	tag(&b, 15, "RSD PTR xxxxxxxxxxxx", 20);
	for (uint32_t n = 0; n <= b.size; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, b.bytes, n);
		if (n >= 4)
			put32(copy, n);
		(void)mb2_parse(copy, n, &info);
		free(copy);
	}
}

static void tags_with_impossible_sizes_are_left_out(void **state)
{
	static const uint32_t sizes[] = {0, 7, 0xffffffff, 0xfffffff9, 500};
	struct mb2_info info;
	struct block b;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin(&b);
		tag(&b, 1, "x", 2);
		tag(&b, 3, "xxxxxxxxxxxx", 12);
		put32(b.bytes + 24 + 4, sizes[i]);
		assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
		assert_true(info.truncated);
		assert_int_equal(info.module_count, 0);
	}
	begin(&b);
	mmap_tag(&b, 8);
	assert_true(mb2_parse(b.bytes, sizeof(b.bytes), &info));
	assert_true(info.truncated);
}

static unsigned bad_words;

static void count_bad(struct text word)
{
	(void)word;
	bad_words++;
}

static void options_are_read_and_unknown_ones_reported(void **state)
{
	struct options o;
	const char *line =
		"log=warn mux=on tsc_khz=50000 ram=zeroed poweroff=qemu explain=on epoch=1700000000 bogus log=x";

	(void)state;
	bad_words = 0;
	options_parse(text_of(line, strlen(line)), &o, count_bad);
	assert_int_equal(bad_words, 2);
	assert_int_equal(o.log, LOG_WARN);
	assert_true(o.mux);
	assert_true(o.explain);
	assert_true(o.ram_zeroed);
	assert_int_equal(o.tsc_khz, 50000);
	assert_int_equal(o.poweroff, POWER_QEMU);
	assert_int_equal(o.epoch, 1700000000);
	assert_int_equal(o.maxcpus, UINT32_MAX);
}

static struct text t(const char *s)
{
	return text_of(s, strlen(s));
}

static void a_kernel_module_makes_a_vm(void **state)
{
	static struct scenario s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_true(scenario_add(&s,
		t("kernel vm=a memory=512M cpus=2 vmx=off protocol=linux --  console=ttyS0 x=--"),
		0x1000, 10));
	assert_true(scenario_add(&s, t("initrd vm=a"), 0x2000, 20));
	assert_true(scenario_add(&s, t("module vm=a -- hello"), 0x3000, 30));
	assert_int_equal(s.vm_count, 1);
	assert_int_equal(s.vms[0].config.memory, 512 << 20);
	assert_int_equal(s.vms[0].config.cpus, 2);
	assert_false(s.vms[0].config.vmx);
	assert_true(s.vms[0].config.shadow);
	assert_int_equal(s.vms[0].config.protocol, PROTOCOL_LINUX);
	assert_true(text_is(s.vms[0].kernel.cmdline, " console=ttyS0 x=--"));
	assert_int_equal(s.vms[0].initrd.size, 20);
	assert_int_equal(s.vms[0].module_count, 1);
	assert_true(text_is(s.vms[0].modules[0].cmdline, "hello"));
}

static void vmx_features_are_chosen_by_name(void **state)
{
	static struct scenario s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_true(scenario_add(&s, t("kernel vm=a"), 0, 1));
	assert_true(scenario_add(&s, t("kernel vm=b vmx_features=-ept,-vpid"), 0, 1));
	assert_true(s.vms[0].config.vmx_features == caps_features_default());
	assert_true((s.vms[0].config.vmx_features & ~s.vms[1].config.vmx_features) ==
		    (caps_feature_by_name("ept", 3) | caps_feature_by_name("vpid", 4)));
	assert_false(scenario_add(&s, t("kernel vm=c vmx_features=-ept,-epd"), 0, 1));
	assert_true(text_is(s.where, "-epd"));
	assert_non_null(strstr(s.error, "presets: nehalem"));
	assert_non_null(strstr(s.error, " unrestricted "));
}

static void what_cannot_be_a_vm_is_refused_with_the_word_at_fault(void **state)
{
	static const struct {
		const char *line, *where;
	} bad[] = {
		{"kernel vm=a memory=3M", "memory=3M"},
		{"kernel vm=a memory=5M", "memory=5M"},
		{"kernel vm=a cpus=0", "cpus=0"},
		{"kernel vm=a cpus=9", "cpus=9"},
		{"kernel vm=", "vm="},
		{"kernel vm=a/b", "vm=a/b"},
		{"kernel vm=a color=red", "color=red"},
		{"kernel memory=64M", "kernel memory=64M"},
		{"initrd vm=nobody", ""},
		{"disk vm=a", "disk"},
		{"", ""},
	};
	static struct scenario s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0, sizeof(s));
		assert_false(scenario_add(&s, t(bad[i].line), 0, 1));
		assert_non_null(s.error);
		assert_true(text_is(s.where, bad[i].where));
		assert_int_equal(s.vm_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_gives_command_line_memory_and_modules),
		cmocka_unit_test(no_byte_behind_the_block_is_read),
		cmocka_unit_test(tags_with_impossible_sizes_are_left_out),
		cmocka_unit_test(options_are_read_and_unknown_ones_reported),
		cmocka_unit_test(a_kernel_module_makes_a_vm),
		cmocka_unit_test(vmx_features_are_chosen_by_name),
		cmocka_unit_test(what_cannot_be_a_vm_is_refused_with_the_word_at_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
