/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDE controllers that a VM owns: channels at fixed ports, their edge-triggered lines, and
 * silence.
 */
#include "dev/platform.h"
#include "dev/vpass_int.h"
#include "dev/vpci_int.h"

static bool is_ide(const struct vpass_function *f)
{
	return f->id.class >> 8 == PCI_CLASS_IDE;
}

void vpass_ide_find(struct vpass_function *f)
{
	for (unsigned i = 0; i < IDE_CHANNELS && is_ide(f); i++) {
		if (f->id.class & IDE_NATIVE(i))
			continue;
		f->fixed |= (uint8_t)(1u << i);
		f->bar[IDE_BAR_COMMAND(i)] = (struct vpass_bar){
			VPCI_BAR_FIXED, IDE_COMMAND_PORT(i), IDE_COMMAND_SIZE};
		f->bar[IDE_BAR_CONTROL(i)] =
			(struct vpass_bar){VPCI_BAR_FIXED, IDE_CONTROL_PORT(i), 1};
	}
}

static void write_control(const struct vpass_function *f, unsigned channel, uint8_t value)
{
	const struct vpass_bar *b = &f->bar[IDE_BAR_CONTROL(channel)];

	if (b->kind == VPCI_BAR_FIXED)
		dev_pass_write(true, b->address, 1, value);
	else if (b->kind == VPCI_BAR_IO && b->size >= IDE_CONTROL_SIZE)
		dev_pass_write(true, b->address + IDE_CONTROL, 1, value);
}

void vpass_ide_begin(const struct vpass_function *f)
{
	for (unsigned i = 0; i < IDE_CHANNELS && is_ide(f); i++)
		write_control(f, i, 0);
}

bool vpass_ide_end(const struct vpass_function *f)
{
	const struct vpass_bar *master = &f->bar[IDE_BAR_MASTER];

	if (!is_ide(f))
		return false;
	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		if (master->kind == VPCI_BAR_IO &&
			master->size >= IDE_CHANNELS * IDE_MASTER_SIZE)
			dev_pass_write(true,
				master->address + IDE_MASTER_SIZE * i + IDE_MASTER_COMMAND, 1,
				0);
		write_control(f, i, IDE_CONTROL_NIEN | IDE_CONTROL_SRST);
	}
	return true;
}

/* ---- the line ---- */

/* A drive takes its request back when its status is read, or it gets a command. */
static void touched(struct vpass *v, unsigned bar, unsigned offset, unsigned size)
{
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		if (bar == IDE_BAR_COMMAND(i) && offset + size > IDE_STATUS)
			platform_set_irq(v->f->platform, IDE_LINE(i), false);
}

void vpass_ide_was_read(struct vpass *v, unsigned bar, unsigned offset, unsigned size)
{
	touched(v, bar, offset, size);
}

void vpass_ide_writing(
	struct vpass *v, unsigned bar, unsigned offset, unsigned size, uint64_t value)
{
	touched(v, bar, offset, size);
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		if (bar == IDE_BAR_CONTROL(i) && value & (IDE_CONTROL_NIEN | IDE_CONTROL_SRST))
			platform_set_irq(v->f->platform, IDE_LINE(i), false);
}

/* It may be up from an interrupt whose status was never read. */
void vpass_edge(struct vpass *v, unsigned channel)
{
	platform_set_irq(v->f->platform, IDE_LINE(channel), false);
	platform_set_irq(v->f->platform, IDE_LINE(channel), true);
}
