/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adaptive VMCS shadowing: what an L1 touches again and again is left to hardware, an L1 that
 * does not pays nothing, and none can tell: a random L1 sees and does the same without it.
 */
#include "l1_fields.h"

#include "nested/nested_int.h"
#include "nested/state.h"
#include "random.h"

static void write12(enum vmcs_fid fid, uint64_t value)
{
	assert_int_equal(l1_vmwrite(vmcs_fields[fid].encoding, value), VMSUCCEED);
}

static uint64_t read12(enum vmcs_fid fid)
{
	uint64_t value = 0;

	assert_int_equal(l1_vmread(vmcs_fields[fid].encoding, &value), VMSUCCEED);
	return value;
}

/* L2 exits to L1, which is in 64-bit mode whatever its host state. */
static void l2_exits(void)
{
	world.n.run_pending = false;
	world_02()[FID_IDT_VECTORING_INFO] = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
}

static void round_trip(void)
{
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	l2_exits();
}

static int setup(void **state)
{
	uint64_t f[FID_COUNT];

	world_setup_root(state);
	world.vm.shadowing = true;
	golden_64bit(f);
	world_host(f);
	for (unsigned i = 0; i < 2; i++) {
		world_vmptrld(i);
		world_write_all(f);
		assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
		l2_exits();
	}
	fake_hw.bitmaps = world.n.bitmaps;
	return 0;
}

/* ---- patterns of hypervisors ---- */

static const enum vmcs_fid segments[] = {FID_GUEST_CS_SELECTOR, FID_GUEST_CS_BASE,
	FID_GUEST_CS_LIMIT, FID_GUEST_SS_SELECTOR, FID_GUEST_SS_BASE, FID_GUEST_SS_LIMIT,
	FID_GUEST_DS_AR, FID_GUEST_TR_AR, FID_GUEST_GDTR_BASE, FID_GUEST_IDTR_LIMIT};

#define SEGMENTS (sizeof(segments) / sizeof(segments[0]))

/* Reads guest segments, and writes host state, as VirtualBox does at each exit. */
static void touch_segments_and_host(uint64_t value)
{
	for (unsigned i = 0; i < SEGMENTS; i++)
		read12(segments[i]);
	write12(FID_HOST_FS_BASE, value << 12);
	write12(FID_HOST_TR_SELECTOR, 0x40);
	write12(FID_TSC_OFFSET, value);
	write12(FID_GUEST_GS_BASE, value << 4);
}

static void learn_it(unsigned round_trips)
{
	for (unsigned i = 0; i < round_trips; i++) {
		touch_segments_and_host(i);
		round_trip();
	}
}

static void what_is_touched_again_and_again_needs_no_exits(void **state)
{
	(void)state;
	learn_it(7);
	assert_int_equal(l1_field_exits, 7 * (SEGMENTS + 4));
	learn_it(40);
	assert_int_equal(l1_field_exits, 8 * SEGMENTS + 7 * 4); /* set-up was a touch */
	/* and has its effect */
	write12(FID_HOST_FS_BASE, 0x123000);
	write12(FID_TSC_OFFSET, 0x1000);
	write12(FID_GUEST_GS_BASE, 0x4560);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(world_02()[FID_GUEST_GS_BASE], 0x4560);
	world_02()[FID_GUEST_GS_BASE] = 0x7890;
	world_02()[FID_GUEST_CS_LIMIT] = 0xfffff;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_FS_BASE], 0x123000);
	world_l1_64();
	l1_field_exits = 0;
	assert_int_equal(read12(FID_GUEST_CS_LIMIT), 0xfffff);
	assert_int_equal(l1_field_exits, 0);
	assert_int_equal(read12(FID_GUEST_GS_BASE), 0x7890);
}

static void two_vmcss_learn_apart(void **state)
{
	(void)state;
	learn_it(20);
	l1_field_exits = 0;
	world_vmptrld(0);
	touch_segments_and_host(1);
	assert_int_equal(l1_field_exits, SEGMENTS + 4);
	world_vmptrld(1);
	l1_field_exits = 0;
	touch_segments_and_host(2);
	assert_int_equal(l1_field_exits, 0);
}

static void an_l1_that_sets_up_its_vmcs_for_a_dozen_entries_learns_nothing(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	world_host(f);
	for (unsigned i = 0; i < 20; i++) {
		world_write_all(f);
		for (unsigned k = 0; k < 12; k++)
			round_trip();
	}
	assert_false(world.n.cur->learned);
	assert_ptr_equal(fake_hw.bitmaps, &world.vm.usual);
}

static void what_l1_has_left_off_is_closed_after_a_while(void **state)
{
	(void)state;
	learn_it(10);
	assert_true(world.n.cur->learned);
	write12(FID_TSC_OFFSET, 0x5555);
	for (unsigned i = 0; i < world.vm.learn_keep; i++)
		round_trip();
	assert_false(world.n.cur->learned);
	assert_ptr_equal(fake_hw.bitmaps, &world.vm.usual);
	l1_field_exits = 0;
	assert_int_equal(read12(FID_TSC_OFFSET), 0x5555);
	assert_int_equal(l1_field_exits, 1);
	learn_it(8); /* the slot's bitmaps have nothing of before */
	read12(FID_GUEST_FS_BASE);
	assert_int_equal(l1_field_exits, 2 + 8 * (SEGMENTS + 4));
}

static void halves_of_an_open_field_are_open(void **state)
{
	uint64_t high = 0;

	(void)state;
	learn_it(10);
	l1_field_exits = 0;
	write12(FID_TSC_OFFSET, 0x1111222233334444);
	l1_vmread(VMCS_TSC_OFFSET | 1, &high);
	assert_int_equal(high, 0x11112222);
	l1_vmwrite(VMCS_TSC_OFFSET | 1, 0x55556666);
	assert_int_equal(l1_field_exits, 0);
	assert_true(read12(FID_TSC_OFFSET) == 0x5555666633334444);
}

/* By an exit, if hardware should not serve it after all. */
static void an_exit_finds_what_hardware_wrote(void **state)
{
	(void)state;
	learn_it(10);
	write12(FID_TSC_OFFSET, 0x77);
	write12(FID_GUEST_GS_BASE, 0x99);
	assert_int_equal(world_read(FID_TSC_OFFSET), 0x77);
	assert_int_equal(world_read(FID_GUEST_GS_BASE), 0x99);
	world_write(FID_TSC_OFFSET, 0x88);
	assert_int_equal(read12(FID_TSC_OFFSET), 0x88);
}

static void reads_open_no_writes(void **state)
{
	(void)state;
	learn_it(10);
	l1_field_exits = 0;
	write12(FID_GUEST_CS_BASE, 0);
	assert_int_equal(l1_field_exits, 1);
}

static void exit_information_stays_intercepted_for_writes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		write12(FID_EXIT_QUALIFICATION, i);
		write12(FID_IO_RCX, i);
		round_trip();
	}
	assert_int_equal(l1_field_exits, 40);
}

static void a_field_that_the_machine_lacks_stays_intercepted(void **state)
{
	(void)state;
	nested_field_absent(&world.vm, FID_TSC_MULTIPLIER);
	for (unsigned i = 0; i < 20; i++) {
		write12(FID_TSC_MULTIPLIER, i);
		assert_int_equal(read12(FID_TSC_MULTIPLIER), i);
		round_trip();
	}
	assert_int_equal(l1_field_exits, 40);
}

/* ---- a bad value does not slip through ---- */

static void bad_values_are_refused_as_by_exits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		write12(FID_HOST_FS_BASE, 0);
		write12(FID_GUEST_TR_AR, 0x8b);
		write12(FID_CR3_TARGET_COUNT, 0);
		round_trip();
	}
	l1_field_exits = 0;
	write12(FID_HOST_FS_BASE, BIT64(63));
	assert_int_equal(world_insn(EXIT_VMRESUME), VMFAIL);
	assert_int_equal(world.error, VMERR_ENTRY_HOST_STATE);
	assert_int_equal(fake_hw.report.value, BIT64(63)); /* what explain tells */
	write12(FID_HOST_FS_BASE, 0);
	write12(FID_CR3_TARGET_COUNT, 5);
	assert_int_equal(world_insn(EXIT_VMRESUME), VMFAIL);
	assert_int_equal(world.error, VMERR_ENTRY_CONTROLS);
	write12(FID_CR3_TARGET_COUNT, 0);
	write12(FID_GUEST_TR_AR, 0);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTRY_FAILED);
	world_l1_64();
	write12(FID_GUEST_TR_AR, 0x8b);
	round_trip();
	assert_int_equal(l1_field_exits, 0);
}

/* As by VMWRITE without hardware's help (SDM 24.4.1): the emulator keeps them. */
static void reserved_access_rights_are_not_kept(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		write12(FID_GUEST_TR_AR, 0x8b);
		round_trip();
	}
	fake_hw.shadow[world.n.cur->hw][FID_GUEST_TR_AR] = 0xfffe0f8b;
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(world_12()[FID_GUEST_TR_AR], 0x8b);
	assert_int_equal(fake_hw.shadow[world.n.cur->hw][FID_GUEST_TR_AR], 0x8b);
}

/* ---- what it costs ---- */

static unsigned accesses_of_a_round_trip(void)
{
	fake_hw.accesses = 0;
	round_trip();
	return fake_hw.accesses;
}

static void an_open_field_costs_a_few_accesses(void **state)
{
	unsigned before = accesses_of_a_round_trip();

	(void)state;
	learn_it(10);
	/* read each segment's field, and GS_BASE; read back what L1 writes */
	assert_int_equal(accesses_of_a_round_trip(), before + SEGMENTS + 1 + 4);
}

/* One write of VMCS02 for one changed field of GROUP_RARE, and no check where none is due. */
static void changed_guest_fields_are_written_one_by_one(void **state)
{
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		write12(FID_GUEST_SYSENTER_CS, i);
		round_trip();
	}
	before = accesses_of_a_round_trip();
	write12(FID_GUEST_SYSENTER_CS, 99);
	assert_int_equal(accesses_of_a_round_trip(), before + 1);
	assert_int_equal(world_02()[FID_GUEST_SYSENTER_CS], 99);
}

/* ---- a random L1 ---- */

#define STEPS    6000u
#define REGIONS  11u /* more than slots */
#define SHADOWED 10u /* this one is a shadow VMCS of L1's */
#define LOG_MAX  (STEPS * 8)

enum machine {
	WITHOUT_SHADOWING,
	WITHOUT_LEARNING,
	LEARNING,
	LEARNING_AND_TRAVELLING
};

struct log {
	uint64_t line[LOG_MAX];
	unsigned count;
};

static struct log expected, seen;
static struct log *out;
static bool launched[REGIONS], filled[REGIONS];
static unsigned current;
static uint64_t favourites; /* seed of the fields that L1 likes at the moment */
static struct nested_state travelling;

static void tell(uint64_t value)
{
	assert_true(out->count < LOG_MAX);
	out->line[out->count++] = value;
}

static void start(unsigned region)
{
	uint64_t f[FID_COUNT];

	golden_64bit(f);
	world_host(f);
	f[FID_TSC_OFFSET] = region;
	for (unsigned i = 0; i < FID_COUNT; i++)
		l1_vmwrite(vmcs_fields[i].encoding, f[i]);
	filled[region] = true;
}

static void choose(unsigned region)
{
	if (!world.n.vmxon)
		world_vmxon();
	tell((uint64_t)world_pointer(EXIT_VMPTRLD, WORLD_VMCS_N(region)));
	current = region;
	if (!filled[region])
		start(region);
}

static void clear(unsigned region)
{
	tell((uint64_t)world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(region)));
	launched[region] = false;
	if (region == current)
		choose(region);
}

/* A value that L2 can be entered with, most of the time. */
static uint64_t some_value(enum vmcs_fid fid, uint64_t old, uint64_t *seed)
{
	uint32_t kind = random_below(seed, 40);

	if (kind == 0)
		return random_next(seed);
	if (kind == 1)
		return old ^ BIT64(random_below(seed, 64));
	switch (fid) {
	case FID_TSC_OFFSET:
	case FID_CR4_READ_SHADOW:
	case FID_GUEST_SYSENTER_CS:
	case FID_PF_ERROR_MASK:
		return random_below(seed, 3);
	case FID_GUEST_FS_BASE:
	case FID_GUEST_GS_BASE:
	case FID_GUEST_GDTR_BASE:
	case FID_GUEST_SYSENTER_ESP:
	case FID_HOST_FS_BASE:
	case FID_HOST_GS_BASE:
	case FID_HOST_SYSENTER_EIP:
		return 0x1000ull * random_below(seed, 3);
	default:
		return old;
	}
}

/* Half of the time one of a dozen. */
static enum vmcs_fid some_field(uint64_t *seed)
{
	uint64_t of = favourites + random_below(seed, 12);

	if (random_below(seed, 8) == 0)
		return (enum vmcs_fid)random_below(seed, FID_COUNT);
	return (enum vmcs_fid)random_below(&of, FID_COUNT);
}

static void read_some(uint64_t *seed)
{
	enum vmcs_fid fid = some_field(seed);
	uint32_t half = vmcs_width(vmcs_fields[fid].encoding) == VMCS_WIDTH_64 &&
			random_below(seed, 4) == 0;
	uint64_t value = 0;

	tell((uint64_t)l1_vmread(vmcs_fields[fid].encoding | half, &value));
	tell(value);
}

static void write_some(uint64_t *seed)
{
	enum vmcs_fid fid = some_field(seed);
	uint64_t old = 0;

	if (fid == FID_VMCS_LINK_POINTER || fid == FID_EPT_POINTER)
		return;
	l1_vmread(vmcs_fields[fid].encoding, &old);
	tell((uint64_t)l1_vmwrite(vmcs_fields[fid].encoding, some_value(fid, old, seed)));
}

/* What runs, all of L2's state and some of what controls it. */
static void tell_02(void)
{
	const uint64_t *f = world_02();
	uint64_t sum = f[FID_TSC_OFFSET] ^ f[FID_PF_ERROR_MASK] << 32;

	for (unsigned i = 0; i < FID_COUNT; i++)
		if ((vmcs_fields[i].group & (GROUP_HOT | GROUP_RARE | GROUP_LOADED)) &&
			field_exists(&world.n, (enum vmcs_fid)i) && i != FID_GUEST_INTR_STATUS)
			sum = (sum ^ f[i]) * 0x9e3779b97f4a7c15ull + (sum >> 40);
	tell(sum);
}

static void l2_runs(uint64_t *seed)
{
	static const enum vmcs_fid changes[] = {FID_GUEST_FS_BASE, FID_GUEST_GS_BASE,
		FID_GUEST_GDTR_BASE, FID_GUEST_SYSENTER_CS, FID_GUEST_RIP, FID_GUEST_DR7};
	uint64_t *f = world_02();

	for (unsigned i = random_below(seed, 3); i > 0; i--) {
		enum vmcs_fid fid = changes[random_below(seed, 6)];

		f[fid] = fid == FID_GUEST_DR7 ? 0x400 : random_below(seed, 100) * 16;
	}
	world.n.run_pending = false;
	f[FID_IDT_VECTORING_INFO] = 0;
	f[FID_EXIT_QUALIFICATION] = random_next(seed);
	f[FID_EXIT_INSTRUCTION_LENGTH] = 2;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
}

static void tell_host_state(void)
{
	const uint64_t *f = fake_hw.vmcs01;

	tell(f[FID_GUEST_FS_BASE] ^ f[FID_GUEST_GS_BASE] << 8 ^ f[FID_GUEST_RIP] << 16 ^
		f[FID_GUEST_CR3] << 24 ^ f[FID_GUEST_SYSENTER_EIP] << 32);
}

static void enter_some(uint64_t *seed)
{
	enum world_outcome o;
	uint64_t l2 = random_next(seed);

	if (current == SHADOWED)
		return;
	o = world_insn(launched[current] ? EXIT_VMRESUME : EXIT_VMLAUNCH);
	tell((uint64_t)o);
	if (o == ENTERED) {
		launched[current] = true;
		tell_02();
		l2_runs(&l2);
		tell_host_state();
	}
	world_l1_64();
	if (o != ENTERED) {
		tell(o == VMFAIL ? world.error : read12(FID_EXIT_QUALIFICATION));
		start(current);
	}
}

/* The machine under L1 is another one. */
static void travel(void)
{
	nested_get(&world.n, &travelling);
	memset(fake_hw.vmcs02, 0x5a, sizeof(fake_hw.vmcs02));
	memset(fake_hw.shadow, 0x5a, sizeof(fake_hw.shadow));
	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		world_vmcs02_create(fake_hw.vmcs02[i]);
		fake_hw.vmcs02[i][FID_ENTRY_INTR_INFO] = 0;
	}
	nested_reset(&world.n, &world.vm, 0, world.gpr, 0x200, world.msr_bitmap02);
	world.n.use_counter = 0;
	assert_true(nested_set(&world.n, &travelling));
}

static void step(uint64_t *seed)
{
	uint32_t kind = random_below(seed, 100);

	if (kind < 40)
		read_some(seed);
	else if (kind < 65)
		write_some(seed);
	else if (kind < 90)
		enter_some(seed);
	else if (kind < 97)
		choose(random_below(seed, 2));
	else if (kind < 99)
		choose(random_below(seed, REGIONS));
	else
		clear(random_below(seed, REGIONS));
}

/* How many fields were open when most were. */
static unsigned run_l1(uint64_t seed, enum machine machine, struct log *log)
{
	uint64_t other = seed;
	unsigned most = 0;

	world_reset();
	world.vm.shadowing = machine != WITHOUT_SHADOWING;
	world.vm.learn_touches = machine >= LEARNING ? 2 : UINT32_MAX;
	world.vm.learn_writes = world.vm.learn_touches;
	world.vm.learn_keep = 50;
	fake_hw.bitmaps = world.n.bitmaps;
	fake_write32(WORLD_VMCS_N(SHADOWED), CAPS_REVISION | BIT(31));
	out = log;
	out->count = 0;
	memset(launched, 0, sizeof(launched));
	memset(filled, 0, sizeof(filled));
	l1_field_exits = 0;
	choose(0);
	for (unsigned i = 0; i < STEPS; i++) {
		if (i % 600 == 0)
			favourites = random_next(&seed);
		step(&seed);
		if (world.n.cur->habit.write_count > most)
			most = world.n.cur->habit.write_count;
		if (machine == LEARNING_AND_TRAVELLING && random_below(&other, 100) == 0)
			travel();
	}
	return most;
}

static void expect_the_same(uint64_t seed, enum machine machine)
{
	unsigned most = run_l1(seed, machine, &seen);

	if (machine >= LEARNING)
		assert_true(most >= 3);
	assert_int_equal(seen.count, expected.count);
	for (unsigned i = 0; i < seen.count; i++)
		if (seen.line[i] != expected.line[i])
			fail_msg("seed %lu, machine %d: line %u of %u is %lx, was %lx", seed,
				machine, i, seen.count, seen.line[i], expected.line[i]);
}

static void no_l1_can_tell_what_hardware_serves(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		unsigned all, learning;

		run_l1(seed, WITHOUT_SHADOWING, &expected);
		expect_the_same(seed, WITHOUT_LEARNING);
		all = l1_field_exits;
		expect_the_same(seed, LEARNING);
		learning = l1_field_exits;
		assert_true(learning < all);
		expect_the_same(seed, LEARNING_AND_TRAVELLING);
	}
}

static int reset_exits(void **state)
{
	int failed = setup(state);

	l1_field_exits = 0;
	return failed;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, reset_exits)
		T(what_is_touched_again_and_again_needs_no_exits),
		T(two_vmcss_learn_apart),
		T(an_l1_that_sets_up_its_vmcs_for_a_dozen_entries_learns_nothing),
		T(what_l1_has_left_off_is_closed_after_a_while),
		T(halves_of_an_open_field_are_open),
		T(an_exit_finds_what_hardware_wrote),
		T(reads_open_no_writes),
		T(exit_information_stays_intercepted_for_writes),
		T(a_field_that_the_machine_lacks_stays_intercepted),
		T(bad_values_are_refused_as_by_exits),
		T(reserved_access_rights_are_not_kept),
		T(an_open_field_costs_a_few_accesses),
		T(changed_guest_fields_are_written_one_by_one),
		cmocka_unit_test(no_l1_can_tell_what_hardware_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
