/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States that a device cannot be in: from a file, or from another version.
 */
#include "fake_firmware.h"

#include "dev/state.h"

static struct platform_state state;

static int start(void **unused)
{
	(void)unused;
	fake_start(2);
	fake_enable_apics();
	return 0;
}

#define BYTES(member, value_)                                                \
	{                                                                    \
#member, offsetof(struct platform_state, member),            \
			sizeof(((struct platform_state *)0)->member), value_ \
	}

/* One member of a good state set to what it cannot be. */
static const struct wrong {
	const char *member;
	size_t offset, size;
	uint64_t value;
} wrong[] = {
	BYTES(size, 0),
	BYTES(size, sizeof(struct platform_state) + 8),
	BYTES(version, 0),
	BYTES(version, PLATFORM_STATE_VERSION + 1),
	BYTES(vcpus, 1),
	BYTES(vcpus, 3),
	BYTES(tsc_khz, FAKE_KHZ + 1),
	BYTES(lapic[2].esr_pending, 0x20), /* there are two vCPUs */
	BYTES(lapic[0].base, 0),
	BYTES(lapic[0].base, DEV_LAPIC_BASE | 0x801),
	BYTES(lapic[1].base, DEV_LAPIC_BASE | 0x400), /* x2APIC without enable */
	BYTES(lapic[1].base, 0xfef00800),
	BYTES(lapic[1].base, DEV_LAPIC_BASE | 0xc00), /* ID, LDR and DFR are xAPIC's */
	BYTES(lapic[1].icr_high, 1),                  /* in xAPIC mode */
	BYTES(lapic[1].esr_pending, 1),
	BYTES(lapic[1].regs[0x02], 0), /* another's ID */
	BYTES(lapic[1].regs[0x03], 0),
	BYTES(lapic[1].regs[0x08], 0x100),
	BYTES(lapic[1].regs[0x0b], 1),
	BYTES(lapic[1].regs[0x0d], 1),
	BYTES(lapic[1].regs[0x0e], 0xf0000000),
	BYTES(lapic[1].regs[0x0f], 0x200),
	BYTES(lapic[0].regs[0x0f], 0xff), /* disabled, with an LVT that is not masked */
	BYTES(lapic[1].regs[0x10], 1),    /* vector 0 */
	BYTES(lapic[1].regs[0x20], 0x8000),
	BYTES(lapic[1].regs[0x28], 1),
	BYTES(lapic[1].regs[0x2f], 1),
	BYTES(lapic[1].regs[0x30], 0x1000),
	BYTES(lapic[1].regs[0x31], 1),
	BYTES(lapic[1].regs[0x32], 0x1045), /* delivery status */
	BYTES(lapic[1].regs[0x38], 0),      /* a count that runs from 0 */
	BYTES(lapic[1].regs[0x39], 1),
	BYTES(lapic[1].regs[0x3e], 4),
	BYTES(lapic[1].tsc_deadline, 1), /* in another mode */
	BYTES(lapic[0].deadline, 7),     /* the count is 0 */
	BYTES(ioapic.entry[0], 1ull << 12),
	BYTES(ioapic.entry[23], 1ull << 17),
	BYTES(ioapic.entry[5], 1ull << 14), /* remote IRR of an edge */
	BYTES(ioapic.lines, 1u << 24),
	BYTES(ioapic.id, 1),
	BYTES(ioapic.reserved[6], 1),
	BYTES(pit.ch[0].count, 0),
	BYTES(pit.ch[2].count, 0x10001),
	BYTES(pit.ch[2].frozen, 0x20000),
	BYTES(pit.ch[1].latch_bytes, 3),
	BYTES(pit.ch[1].access, 0),
	BYTES(pit.ch[1].access, 4),
	BYTES(pit.ch[0].mode, 6),
	BYTES(pit.ch[0].gate, 0), /* it has none */
	BYTES(pit.ch[2].gate, 2),
	BYTES(pit.ch[0].status_latched, 2),
	BYTES(pit.ch[0].running, 1), /* without a count */
	BYTES(pit.ch[0].reserved[1], 1),
	BYTES(pit.speaker, 0xff),
	BYTES(pit.reserved[0], 1),
	BYTES(rtc.base_time, UINT64_MAX),
	BYTES(rtc.base_time, 1ull << 40),
	BYTES(rtc.index, 128),
	BYTES(rtc.reserved[0], 1),
	BYTES(rtc.nvram[10], 0x80),
	BYTES(rtc.nvram[11], 0x90), /* stands, with update interrupts */
	BYTES(rtc.nvram[12], 0x80), /* an interrupt without a reason */
	BYTES(rtc.nvram[12], 1),
	BYTES(rtc.nvram[13], 0),
	BYTES(pm.status, 2),
	BYTES(pm.enable, 2),
	BYTES(pm.control, 1u << 13), /* SLP_EN */
	BYTES(pm.reset_control, 1),
	BYTES(pm.reserved, 1),
	BYTES(pic.chip[0].elcr, 1),
	BYTES(pic.chip[1].elcr, 1),
	BYTES(pic.chip[0].base, 1),
	BYTES(pic.chip[1].lowest, 8),
	BYTES(pic.chip[0].init, 1),
	BYTES(pic.chip[0].init, 5),
	BYTES(pic.chip[0].irr, 4), /* the slave has nothing */
	BYTES(pic.chip[0].needs_icw4, 2),
	BYTES(pic.chip[1].special_nested, 2),
	BYTES(uart.ier, 0x10),
	BYTES(uart.fcr, 0x80), /* a trigger level without FIFO */
	BYTES(uart.fcr, 0x03),
	BYTES(uart.mcr, 0x20),
	BYTES(uart.msr_delta, 0x10),
	BYTES(uart.overrun, 2),
	BYTES(uart.thr_event, 2),
	BYTES(uart.head, 16),
	BYTES(uart.batch, 17),
	BYTES(uart.held, 2),
	BYTES(uart.polls, 17),
	BYTES(reserved, 1),
	BYTES(uart.count, 2), /* the FIFO is off */
	BYTES(pci.address, 1),
	BYTES(pci.f[0].config[0], 0x87), /* another vendor */
	BYTES(pci.f[1].config[4], 1),    /* no function */
	BYTES(flash.command, 0x70),
	BYTES(fwcfg.key, 1),
	BYTES(hpet.config, 4),
	BYTES(hpet.status, 8),
	BYTES(hpet.start, 1), /* it stands */
	BYTES(hpet.looked, 1),
	BYTES(hpet.status, 1), /* of a timer with edges */
	BYTES(hpet.timer[0].config, 1),
	BYTES(hpet.timer[1].config, HPET_TN_64BIT),
	BYTES(hpet.timer[2].config, HPET_TN_SET_VALUE), /* not periodic */
	BYTES(hpet.timer[0].config, HPET_TN_32BIT),     /* with comparators of 64 bits */
	BYTES(hpet.timer[1].config, 1ull << 32),
	BYTES(hpet.timer[2].config, 1u << HPET_TN_ROUTE_SHIFT),
	BYTES(fwcfg.dma_left, 1), /* there is no firmware */
	BYTES(fwcfg.written[0], 1),
	BYTES(ramfb.width, 640), /* nor a display */
	BYTES(vga.misc, 1),
	BYTES(vga.dac[3][0], 1),
};

static void a_state_that_cannot_be_is_refused_and_changes_nothing(void **unused)
{
	static struct platform_state bad, now;

	(void)unused;
	fake_apic_write(1, 0x380, 1000);
	platform_get_state(&machine, &state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bad = state;
		bad.uart.scratch = 0x77;
		bad.lapic[0].regs[0x08] = 0x70;
		memcpy((uint8_t *)&bad + wrong[i].offset, &wrong[i].value, wrong[i].size);
		if (platform_set_state(&machine, &bad))
			fail_msg("%s = %#llx is taken", wrong[i].member,
				(unsigned long long)wrong[i].value);
		platform_get_state(&machine, &now);
		assert_memory_equal(&now, &state, sizeof(now));
	}
	assert_true(platform_set_state(&machine, &state));
}

static void a_device_alone_refuses_what_it_cannot_be_in(void **unused)
{
	struct vuart_state s;

	(void)unused;
	vuart_get_state(&machine.uart, &s);
	s.scratch = 7;
	s.head = VUART_FIFO;
	assert_false(vuart_set_state(&machine.uart, &s));
	assert_int_equal(fake_in(0x3ff), 0);
	s.head = 0;
	assert_true(vuart_set_state(&machine.uart, &s));
	assert_int_equal(fake_in(0x3ff), 7);
}

static void a_machine_without_a_hpet_takes_the_state_of_none(void **unused)
{
	(void)unused;
	fake_no_hpet = true;
	start(NULL);
	fake_no_hpet = false;
	platform_get_state(&machine, &state);
	assert_true(platform_set_state(&machine, &state));
	state.hpet.timer[1].message = 1;
	assert_false(platform_set_state(&machine, &state));
	start(NULL);
	assert_true(platform_set_state(&machine, &state));
}

static void a_transfer_that_cannot_be_is_refused(void **unused)
{
	struct vfwcfg_state s;

	(void)unused;
	firmware_start(1);
	vfwcfg_get_state(&machine.fwcfg, &s);
	s.key = 7;
	assert_true(vfwcfg_set_state(&machine.fwcfg, &s));
	s.dma_high = 1ull << 32;
	assert_false(vfwcfg_set_state(&machine.fwcfg, &s));
	s.dma_high = 0;
	s.dma_address = 1; /* of none */
	assert_false(vfwcfg_set_state(&machine.fwcfg, &s));
	s.dma_left = 1;
	assert_true(vfwcfg_set_state(&machine.fwcfg, &s));
	s.reserved[5] = 1;
	assert_false(vfwcfg_set_state(&machine.fwcfg, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_state_that_cannot_be_is_refused_and_changes_nothing, start),
		cmocka_unit_test(a_machine_without_a_hpet_takes_the_state_of_none),
		cmocka_unit_test(a_transfer_that_cannot_be_is_refused),
		cmocka_unit_test_setup(a_device_alone_refuses_what_it_cannot_be_in, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
