/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of dev/: vCPUs access ports, device memory and MSRs at random, take interrupts, and
 * time passes. The lock is balanced (fake_dev.h), what is asked for stays within the vCPUs, a
 * vector that is pending can be taken, and no timer keeps its vCPU busy: when it has run, its
 * next deadline is ahead. Boards come into the slots of two root ports and go, and a slot that
 * is off or empty hides what was there. The second one has virtual functions: none answers that
 * the capability does not show, and the state is one that can be put back.
 */
#include "fake_firmware.h"
#include "input.h"

#define PORTS     2u
#define WITH_VFS  2u /* the port */
#define VFS       7u
#define FIRST_ROW 3u

static struct {
	struct vpci_function *f;
	unsigned resets;
} board[PORTS];

static struct vpci_function *vf[VFS];

static uint64_t board_read(void *device, unsigned bar, uint64_t offset, unsigned size)
{
	unsigned number = (unsigned)((uintptr_t)device);

	(void)bar;
	assert_in_range(offset, 0, 0x1000 - size);
	assert_true(vport_filled(&machine, number) && vport_powered(&machine, number));
	return offset;
}

static void board_reset(void *device)
{
	board[(uintptr_t)device - 1].resets++;
}

static enum vpci_work board_work(void *device)
{
	(void)device;
	return VPCI_WORK_DONE;
}

static const struct vpci_ops board_ops = {
	.read = board_read, .reset = board_reset, .work = board_work};

static uint32_t of_sriov(unsigned offset, unsigned size)
{
	return vpci_config_get(board[WITH_VFS - 1].f, PCIE_EXTENDED + offset, size);
}

static bool shown(unsigned i)
{
	return of_sriov(PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE &&
	       i < of_sriov(PCIE_SRIOV_COUNT, 2);
}

static uint64_t vf_read(void *device, unsigned bar, uint64_t offset, unsigned size)
{
	assert_int_equal(bar, 0);
	assert_in_range(offset, 0, 0x1000 - size);
	assert_true(shown((unsigned)((struct vpci_function **)device - vf)));
	assert_true(of_sriov(PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_MEMORY);
	assert_true(vport_filled(&machine, WITH_VFS) && vport_powered(&machine, WITH_VFS));
	return offset;
}

static const struct vpci_ops vf_ops = {.read = vf_read, .work = board_work};

static void come_vfs(struct vpci_function *f)
{
	vpci_add_sriov(f, VFS, FIRST_ROW, 0x1041, f->bar);
	for (unsigned i = 0; i < VFS; i++) {
		const struct vpci_id id = {.bdf = vpci_vf_place(f, i),
			.vendor = PCI_NO_VENDOR,
			.device = PCI_NO_VENDOR,
			.physical = f};

		vf[i] = vpci_add(&machine, &id, &vf_ops, &vf[i]);
		assert_non_null(vf[i]);
		vpci_add_bar(vf[i], 0, VPCI_BAR_64, 0x1000);
		assert_true(vpci_add_msix(vf[i], 0, 0x800, 0xc00, 4));
	}
}

static void go_vfs(void)
{
	for (unsigned i = 0; i < VFS; i++)
		vpci_remove(vf[i]);
}

/* The capability and its functions are accessed on purpose; then all of it makes sense. */
static void virtualization(struct input *in)
{
	static struct vpci_state s;
	static const uint8_t at[] = {PCIE_SRIOV_CONTROL, PCIE_SRIOV_COUNT, PCIE_SRIOV_PAGE,
		PCIE_SRIOV_BAR, PCIE_SRIOV_BAR + 4};
	unsigned kind = byte(in), bus = vpci_config_get(machine.pci.port[WITH_VFS - 1].f,
					  PCI_BRIDGE_SECONDARY, 1);
	uint64_t gpa = DEV_ECAM_BASE + ((uint64_t)PCI_BDF(bus, 0, kind & 7) << 12);
	uint64_t v = take(in, 1u << (kind >> 6));

	gpa += kind & 7 ? byte(in) : PCIE_EXTENDED + at[byte(in) % sizeof(at)];
	if (kind & 0x20 && board[WITH_VFS - 1].f != NULL) /* behind a register */
		gpa = (of_sriov(PCIE_SRIOV_BAR, 4) & ~15u) +
		      (uint64_t)of_sriov(PCIE_SRIOV_BAR + 4, 4) * 0x100000000 + take(in, 2);
	platform_mmio(&machine, 0, gpa, kind & 8, 1u << (kind >> 6), &v);
	vpci_get_state(&machine.pci, &s);
	assert_true(vpci_valid_state(&machine.pci, &s));
	for (unsigned i = 0; board[WITH_VFS - 1].f != NULL && i < VFS; i++)
		assert_true(shown(i) || !vpci_master(vf[i]));
	assert_in_range(
		board[WITH_VFS - 1].f != NULL ? of_sriov(PCIE_SRIOV_COUNT, 2) : 0, 0, VFS);
}

static void come(unsigned number)
{
	const struct vpci_id id = {.bdf = PCI_BDF(number, 0, 0), .vendor = 0x1af4, .pin = 1};
	struct vpci_function *f =
		vpci_add(&machine, &id, &board_ops, (void *)(uintptr_t)number);

	assert_non_null(f);
	board[number - 1].f = f;
	vpci_add_bar(f, 0, VPCI_BAR_64, 0x1000);
	vpci_add_bar(f, 2, VPCI_BAR_IO, 32);
	assert_true(vpci_add_msi(f, 4, true));
	if (number == WITH_VFS)
		come_vfs(f);
}

static void start_ports(void)
{
	for (unsigned i = 1; i <= PORTS; i++)
		assert_true(vport_add(&machine, i, PCI_BDF(0, 1, i - 1)));
	for (unsigned i = 1; i <= PORTS; i++) {
		come(i);
		vport_fill(&machine, i);
	}
	vpci_assign(&machine);
}

/* A board comes or goes, or somebody presses the button. */
static void slot(struct input *in)
{
	unsigned kind = byte(in), number = 1 + kind % PORTS;
	struct vpci_function **f = &board[number - 1].f;

	dev_lock(&machine);
	if (kind & 0x80) {
		vport_press(&machine, number);
	} else if (*f == NULL) {
		come(number);
		vport_plug(&machine, number);
	} else {
		if (kind & 0x40)
			vpci_ask_work(*f);
		if (kind & 0x20)
			vpci_set_intx(*f, true);
		vport_pull(&machine, number);
		if (number == WITH_VFS)
			go_vfs();
		vpci_remove(*f);
		*f = NULL;
	}
	dev_unlock(&machine);
	assert_int_equal(vport_filled(&machine, number), *f != NULL);
	platform_work(&machine);
}

static uint64_t value(struct input *in)
{
	static const uint8_t sizes[] = {1, 1, 2, 4, 8};

	return take(in, sizes[byte(in) % 5]);
}

/* What the VGA shows lies in the text memory, and its registers can be put back. */
static void text_is_sane(struct input *in)
{
	struct vvga_view v;

	vvga_look(&machine.vga.s, &v);
	assert_true(vvga_valid_state(&machine, &machine.vga.s));
	assert_in_range(v.columns * v.rows, 0, VVGA_CELLS);
	assert_in_range(
		vvga_cell(&v, (uint32_t)take(in, 2), (uint32_t)take(in, 2)), 0, VVGA_CELLS - 1);
}

static void port(struct input *in)
{
	static const uint16_t base[] = {0x20, 0xa0, 0x40, 0x60, 0x70, 0x3f8, 0x4d0, 0xcf8,
		0x600, 0x608, 0x80, 0xf0, 0x510, 0x514, 0x3b4, 0x3c0, 0x3d0};
	unsigned kind = byte(in), size = 1u << byte(in) % 3;
	uint16_t at = kind & 0x80 ? (uint16_t)take(in, 2)
				  : (uint16_t)(base[kind % 17] + byte(in) % 16);
	uint32_t v = kind & 0x40 ? (uint32_t)value(in) : 0;

	platform_io(&machine, at, kind & 0x40, size, &v);
	assert_true(kind & 0x40 || size == 4 || v >> size * 8 == 0);
	if (at >= 0x3b4 && at <= 0x3da)
		text_is_sane(in);
}

static void memory(struct input *in, unsigned vcpu)
{
	static const uint64_t base[] = {
		DEV_LAPIC_BASE, DEV_IOAPIC_BASE, DEV_ECAM_BASE, FLASH_AT};
	unsigned kind = byte(in), size = 1u << (kind >> 3 & 3);
	uint64_t at = kind & 4 ? base[kind & 1] + (uint64_t)byte(in) * 16
			       : base[kind % 4] + take(in, 3) % (1u << 23);
	uint64_t v = kind & 0x40 ? value(in) : 0;

	if (kind & 0x20) /* the ports and what is behind them */
		at = DEV_ECAM_BASE + 0x8000 + (kind & 1) * 0x1000 + (kind & 2) * 0x7c000 +
		     byte(in);
	platform_mmio(&machine, vcpu, kind & 0x80 ? take(in, 8) : at, kind & 0x40,
		kind & 4 ? 4 : size, &v);
}

/* The HPET: mostly whole registers, with values that are soon reached. */
static void hpet(struct input *in)
{
	static const uint16_t regs[] = {HPET_CONFIG, HPET_STATUS, HPET_COUNTER, HPET_TIMER};
	unsigned kind = byte(in), size = kind & 0x20 ? 8 : 1u << (kind >> 3 & 3);
	uint64_t at = HPET_DEFAULT_BASE + regs[kind & 3];
	uint64_t v = kind & 0x40 ? value(in) : 0;
	struct vhpet_state s;

	if (kind & 4)
		at = HPET_DEFAULT_BASE + HPET_TIMER + byte(in) % (HPET_TIMER_SIZE * 4) / 4 * 4;
	if (kind & 0x80)
		at += byte(in);
	platform_mmio(&machine, 0, at, kind & 0x40, size, &v);
	vhpet_get_state(&machine.hpet, &s);
	assert_true(vhpet_valid_state(&machine, &s));
}

static void msr(struct input *in, unsigned vcpu)
{
	unsigned kind = byte(in);
	uint32_t index = kind & 1 ? 0x1b : kind & 2 ? 0x6e0 : 0x800u + byte(in);
	uint64_t v = 0;

	if (kind & 0x40) {
		v = value(in) + (kind & 2 ? fake.now : 0);
		platform_wrmsr(&machine, vcpu, index, v);
	} else {
		platform_rdmsr(&machine, vcpu, index, &v);
	}
}

static void type(uint8_t byte)
{
	fake_type(byte);
	platform_console_came(&machine);
}

static void interrupt(struct input *in, unsigned vcpu)
{
	int pending = fake_pending(vcpu);

	assert_in_range(pending + 1, 0, 256);
	if (byte(in) & 1)
		return;
	assert_int_equal(platform_irq_ack(&machine, vcpu), pending);
	if (byte(in) & 1)
		platform_eoi(&machine, vcpu);
}

/* A write to the files that take one, of a picture that may be one. */
static void written(struct input *in, uint8_t d[16])
{
	unsigned kind = byte(in);
	uint8_t *file = &firmware_ram[0x3ff0];

	d[1] = kind & 1 ? 0x23 : 0x24;
	d[3] |= FWCFG_DMA_SELECT;
	memset(&d[4], 0, 12);
	d[7] = kind & 2 ? RAMFB_SIZE : (uint8_t)byte(in);
	d[14] = 0x3f;
	d[15] = 0xf0;
	memset(file, 0, RAMFB_SIZE);
	memcpy(&file[RAMFB_FORMAT], kind & 4 ? "42RX" : "42RA", 4);
	for (unsigned i = 0; i < 6; i++)
		file[byte(in) % RAMFB_SIZE] = (uint8_t)byte(in);
}

/* What the device shows lies within the limits. */
static void picture_is_sane(void)
{
	struct vramfb_state s;

	vramfb_get_state(&machine.ramfb, &s);
	assert_true(vramfb_valid_state(&machine, &s));
	assert_in_range(s.width * s.height, 0, PICTURE_PIXELS);
	assert_true(s.stride >= s.width * 4 &&
		    s.address + (uint64_t)s.stride * s.height >= s.address);
}

/* A transfer of the configuration device: mostly one that could be meant. */
static void descriptor(struct input *in)
{
	uint32_t at = (uint32_t)take(in, 2), v;
	uint64_t where = value(in);
	uint8_t d[16] = {[1] = (uint8_t)byte(in), [3] = (uint8_t)byte(in)};

	for (unsigned i = 0; i < 4; i++)
		d[4 + i] = (uint8_t)byte(in);
	for (unsigned i = 0; i < 8; i++)
		d[8 + i] = (uint8_t)(where >> (7 - i) * 8);
	if (d[3] & FWCFG_DMA_WRITE && where % 3 == 0)
		written(in, d);
	memcpy(&firmware_ram[at], d, sizeof(d));
	v = __builtin_bswap32(at);
	platform_io(&machine, 0x518, true, 4, &v);
	picture_is_sane();
}

static void act(struct input *in)
{
	unsigned kind = byte(in), vcpu = (kind >> 4) % machine.config.vcpus;

	switch (kind % 14) {
	case 0:
	case 1:
		port(in);
		break;
	case 2:
	case 3:
		memory(in, vcpu);
		break;
	case 4:
	case 5:
		msr(in, vcpu);
		break;
	case 6:
		interrupt(in, vcpu);
		break;
	case 7:
		fake_time_passes(fake.now + (value(in) & 0xffffffffff), 64);
		break;
	case 8:
		platform_set_cr8(&machine, vcpu, byte(in) & 0xf);
		assert_in_range(platform_get_cr8(&machine, vcpu), 0, 15);
		break;
	case 9:
		descriptor(in);
		break;
	case 10:
		slot(in);
		break;
	case 11:
		virtualization(in);
		break;
	case 12:
		hpet(in);
		break;
	default:
		if (kind & 0x80)
			platform_init_vcpu(&machine, vcpu);
		else
			type(byte(in));
	}
	assert_false(fake.locked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	unsigned kind = byte(&in);

	fake_vga = kind & 0x40;
	if (kind & 0x80)
		firmware_start(fake_vcpus(kind));
	else
		fake_start(fake_vcpus(kind));
	start_ports();
	while (in.at < in.end)
		act(&in);
	return 0;
}
