/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 8259A pair. What differs from the chip: nothing interrupts during its initialisation.
 */
#include "dev/platform.h"
#include "dev/state_check.h"

#define CASCADE 2
#define NONE    8

/* Inputs 0 (timer), 1, 2 and 8, 13 cannot be level-triggered. */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static uint8_t rotate_right(uint8_t v, unsigned n)
{
	return (uint8_t)(v >> n | v << (8 - n));
}

/* The input of highest priority in a set, NONE when it is empty. */
static unsigned first(const struct vpic_chip *c, uint8_t set)
{
	unsigned top = (c->lowest + 1u) & 7;

	if (set == 0)
		return NONE;
	return (top + (unsigned)__builtin_ctz(rotate_right(set, top))) & 7;
}

static unsigned rank(const struct vpic_chip *c, unsigned input)
{
	return input == NONE ? NONE : (input - c->lowest - 1u) & 7;
}

/* The input that interrupts now, NONE when none may. */
static unsigned request(const struct vpic_chip *c, bool master)
{
	uint8_t in_service = c->isr;
	unsigned input = first(c, c->irr & (uint8_t)~c->imr);

	if (c->init)
		return NONE;
	if (c->special_mask)
		in_service &= (uint8_t)~c->imr;
	if (master && c->special_nested)
		in_service &= (uint8_t) ~(1u << CASCADE);
	return rank(c, input) < rank(c, first(c, in_service)) ? input : NONE;
}

/* The slave's output is the master's input 2, */
static uint8_t master_irr(const struct vpic_state *s)
{
	unsigned irr = s->chip[0].irr & ~(1u << CASCADE);

	return (uint8_t)(request(&s->chip[1], false) != NONE ? irr | 1u << CASCADE : irr);
}

/* and the master's is INTR. */
static void update(struct platform *p)
{
	struct vpic_chip *m = &p->pic.s.chip[0];

	m->irr = master_irr(&p->pic.s);
	__atomic_store_n(&p->pic.intr, request(m, true) != NONE, __ATOMIC_RELAXED);
	if (p->pic.intr)
		dev_kick(p, 0);
}

void vpic_reset(struct platform *p)
{
	p->pic = (struct vpic){0};
	for (unsigned i = 0; i < 2; i++)
		p->pic.s.chip[i] = (struct vpic_chip){.imr = 0xff, .lowest = 7};
}

uint8_t vpic_vector(const struct vpic *pic)
{
	const struct vpic_chip *c = &pic->s.chip[0];
	unsigned input = request(c, true);

	if (input == CASCADE) {
		c = &pic->s.chip[1];
		input = request(c, false);
	}
	return (uint8_t)(c->base + (input == NONE ? 7 : input));
}

bool vpic_masked(const struct vpic *pic, unsigned irq)
{
	if (pic->s.chip[irq >> 3].imr >> (irq & 7) & 1)
		return true;
	return irq >= 8 && (pic->s.chip[0].imr >> CASCADE & 1);
}

void vpic_set(struct platform *p, unsigned irq, bool level)
{
	struct vpic_chip *c = &p->pic.s.chip[irq >> 3];
	uint8_t bit = (uint8_t)(1u << (irq & 7));

	if (level && ((c->elcr & bit) || !(c->lines & bit)))
		c->irr |= bit;
	if (!level)
		c->irr &= (uint8_t)~bit; /* the request must last until it is acknowledged */
	c->lines = level ? c->lines | bit : c->lines & (uint8_t)~bit;
	update(p);
}

static void end(struct vpic_chip *c, unsigned input, bool rotate)
{
	if (input == NONE)
		return;
	c->isr &= (uint8_t) ~(1u << input);
	if (rotate)
		c->lowest = (uint8_t)input;
}

/* One chip's half of the acknowledge cycle; NONE: spurious, which is input 7. */
static unsigned acknowledge(struct vpic_chip *c, bool master)
{
	unsigned input = request(c, master);
	uint8_t bit;

	if (input == NONE)
		return NONE;
	bit = (uint8_t)(1u << input);
	c->isr |= bit;
	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
	if (c->auto_eoi)
		end(c, input, c->rotate_auto_eoi);
	return input;
}

uint8_t vpic_acknowledge(struct platform *p)
{
	struct vpic_chip *c = &p->pic.s.chip[0];
	unsigned input = acknowledge(c, true);

	if (input == CASCADE) {
		c = &p->pic.s.chip[1];
		input = acknowledge(c, false);
	}
	update(p);
	return (uint8_t)(c->base + (input == NONE ? 7 : input));
}

static void write_icw1(struct vpic_chip *c, uint8_t v)
{
	uint8_t elcr = c->elcr, lines = c->lines;

	*c = (struct vpic_chip){.elcr = elcr,
		.lines = lines,
		.irr = lines & elcr,
		.lowest = 7,
		.init = 2,
		.needs_icw4 = v & 1,
		.single = v & 2};
}

static void write_icw(struct vpic_chip *c, uint8_t v)
{
	switch (c->init) {
	case 2:
		c->base = v & 0xf8;
		c->init = c->single ? (c->needs_icw4 ? 4 : 0) : 3;
		break;
	case 3:
		c->init = c->needs_icw4 ? 4 : 0;
		break;
	default:
		c->auto_eoi = v & 2;
		c->special_nested = v & 0x10;
		c->init = 0;
		break;
	}
}

/* line: of its input 0 */
static void write_ocw2(struct platform *p, struct vpic_chip *c, unsigned line, uint8_t v)
{
	bool rotate = v & 0x80, specific = v & 0x40, eoi = v & 0x20;
	unsigned input = v & 7;

	if (eoi && !specific)
		input = first(c, c->isr);
	if (eoi) {
		end(c, input, rotate);
		if (input != NONE)
			vpci_line_ended(p, line + input);
	} else if (specific && rotate)
		c->lowest = (uint8_t)input;
	else if (!specific)
		c->rotate_auto_eoi = rotate;
}

static void write_ocw3(struct vpic_chip *c, uint8_t v)
{
	if (v & 4)
		c->poll = true;
	if (v & 2)
		c->read_isr = v & 1;
	if (v & 0x40)
		c->special_mask = v & 0x20;
}

static void write_command(struct platform *p, struct vpic_chip *c, unsigned line, uint8_t v)
{
	if (v & 0x10)
		write_icw1(c, v);
	else if (v & 8)
		write_ocw3(c, v);
	else
		write_ocw2(p, c, line, v);
}

static void write_data(struct vpic_chip *c, uint8_t v)
{
	if (c->init)
		write_icw(c, v);
	else
		c->imr = v;
}

static uint8_t read_command(struct vpic_chip *c, bool master)
{
	unsigned input;

	if (!c->poll)
		return c->read_isr ? c->isr : c->irr;
	c->poll = false;
	input = acknowledge(c, master);
	return input == NONE ? 0 : (uint8_t)(0x80 | input);
}

bool vpic_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	bool slave = port >= 0x4d0 ? port & 1 : port >= 0xa0;
	struct vpic_chip *c = &p->pic.s.chip[slave];

	if (size != 1)
		return false;
	if (!write) {
		if (port >= 0x4d0)
			*value = c->elcr;
		else
			*value = port & 1 ? c->imr : read_command(c, !slave);
	} else if (port >= 0x4d0) {
		c->elcr = (uint8_t)*value & elcr_writable[slave];
	} else if (port & 1) {
		write_data(c, (uint8_t)*value);
		platform_deadline_changed(p); /* the PIT runs only while somebody listens */
	} else {
		write_command(p, c, slave ? 8 : 0, (uint8_t)*value);
		platform_deadline_changed(p);
	}
	update(p);
	return true;
}

void vpic_get_state(const struct vpic *pic, struct vpic_state *s)
{
	*s = pic->s;
}

static bool chip_valid(const struct vpic_chip *c, uint8_t elcr)
{
	return STATE_FLAGS_VALID(c, struct vpic_chip, needs_icw4, special_nested) &&
	       !(c->elcr & ~elcr) && !(c->base & 7) && c->lowest <= 7 && c->init != 1 &&
	       c->init <= 4;
}

bool vpic_valid_state(const struct vpic *pic, const struct vpic_state *s)
{
	(void)pic;
	return chip_valid(&s->chip[0], elcr_writable[0]) &&
	       chip_valid(&s->chip[1], elcr_writable[1]) && s->chip[0].irr == master_irr(s);
}

bool vpic_set_state(struct vpic *pic, const struct vpic_state *s)
{
	if (!vpic_valid_state(pic, s))
		return false;
	pic->s = *s;
	pic->intr = request(&pic->s.chip[0], true) != NONE;
	return true;
}
