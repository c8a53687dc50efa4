/* SPDX-License-Identifier: Apache-2.0 */
/* A function of the machine for dev/vpass: its configuration space, and what was done to it. */
#ifndef NESTOR_TESTS_FAKE_PASS_H
#define NESTOR_TESTS_FAKE_PASS_H

#include "fake_dev.h"

#include "dev/vpass.h"

#define HOST_BDF PCI_BDF(0, 3, 0)
#define BDF      PCI_BDF(0, 16, 0) /* where the VM has it */
#define ECAM     (DEV_ECAM_BASE + ((uint64_t)BDF << 12))

/* The machine's function: bits that can be written, and what was done to it. */
static struct {
	uint8_t config[256], mask[256];
	unsigned config_writes, reads, writes, listens;
	bool io;
	uint64_t address, value;
	unsigned size;
	struct {
		uint64_t address, value;
	} written[8];      /* the first ones */
	uint64_t table_at; /* of MSI-X, or 0 */
	uint32_t table[40][4];
	uint32_t target; /* of messages: this CPU */
	bool locked;
	bool posts; /* its unit does */
	unsigned posts_made;
	uint32_t posted; /* messages that go to vCPUs */
	struct vpci_posted to[32];
	unsigned resets_asked, separated;
	uint64_t now; /* milliseconds */
} host;

uint32_t dev_pass_config_read(uint32_t bdf, unsigned offset, unsigned size)
{
	uint32_t v = 0;

	assert_true(size <= 4 && offset % size == 0 && offset + size <= 256);
	if (bdf != HOST_BDF)
		return UINT32_MAX >> (4 - size) * 8;
	memcpy(&v, host.config + offset, size);
	return v;
}

void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	assert_int_equal(bdf, HOST_BDF);
	assert_true(size <= 4 && offset % size == 0 && offset + size <= 256);
	for (unsigned i = 0; i < size; i++)
		host.config[offset + i] =
			(uint8_t)((host.config[offset + i] & ~host.mask[offset + i]) |
				  (value >> i * 8 & host.mask[offset + i]));
	host.config_writes++;
}

uint64_t dev_pass_read(bool io, uint64_t address, unsigned size)
{
	host.reads++;
	host.io = io;
	host.address = address;
	host.size = size;
	return host.value;
}

void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value)
{
	if (host.writes < 8) {
		host.written[host.writes].address = address;
		host.written[host.writes].value = value;
	}
	if (!io && host.table_at != 0 && address - host.table_at < sizeof(host.table)) {
		assert_true(size == 4 && address % 4 == 0 && host.locked);
		host.table[(address - host.table_at) / 16][address / 4 % 4] = (uint32_t)value;
		return;
	}
	host.writes++;
	host.io = io;
	host.address = address;
	host.size = size;
	host.value = value;
}

void dev_pass_listen(uint16_t bdf)
{
	assert_int_equal(bdf, HOST_BDF);
	host.listens++;
}

void dev_pass_lock(void)
{
	assert_false(host.locked);
	host.locked = true;
}

void dev_pass_unlock(void)
{
	assert_true(host.locked);
	host.locked = false;
}

uint32_t dev_pass_target(const struct vpass_function *f)
{
	(void)f;
	return host.target;
}

struct vpass_message_to dev_pass_message_to(const struct vpass_function *f)
{
	host.posted = 0; /* all of them are L0's */
	return (struct vpass_message_to){
		MSI_ADDRESS_BASE | (f->messages.target & 0xff) << MSI_DESTINATION_SHIFT,
		f->messages.first};
}

bool dev_pass_posts(const struct vpass_function *f)
{
	(void)f;
	return host.posts;
}

bool dev_pass_post(const struct vpass_function *f, unsigned i, const struct vpci_posted *to)
{
	(void)f;
	assert_true(host.locked && i < 32);
	host.posts_made++;
	host.posted &= ~(1u << i);
	if (to == NULL)
		return true;
	host.posted |= 1u << i;
	host.to[i] = *to;
	return true;
}

void dev_pass_ask_reset(struct platform *p, const struct vpass_function *f)
{
	(void)p;
	assert_int_equal(f->id.bdf, HOST_BDF);
	host.resets_asked++;
}

uint64_t dev_pass_now(void)
{
	return host.now;
}

uint64_t dev_pass_ticks(unsigned ms)
{
	return ms;
}

void dev_pass_separate(const struct vpass_function *f)
{
	assert_int_equal(f->id.bdf, HOST_BDF);
	host.separated++;
}

/* What vm/ does when no vCPU reaches its registers any more. */
static inline void fake_reset_machines(struct vpass *v)
{
	dev_lock(v->f->platform);
	if (v->away && !v->comes) {
		vpass_end(v->machine);
		vpass_come(v);
	}
	dev_unlock(v->f->platform);
}

static void set(uint8_t *at, uint32_t value, unsigned size)
{
	memcpy(at, &value, size);
}

static inline uint64_t config(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, ECAM + offset, false, size, &v));
	return v;
}

static inline void set_config(unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + offset, true, size, &v));
}

#endif
