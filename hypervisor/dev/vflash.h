/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flash in which firmware keeps its variables: NOR flash with Intel's command set. All
 * accesses exit; its content is memory of the VM that outlives a reset.
 */
#ifndef NESTOR_DEV_VFLASH_H
#define NESTOR_DEV_VFLASH_H

#include <stdbool.h>
#include <stdint.h>

struct platform;

struct vflash_state {
	uint8_t command; /* enum flash_command: what reads give, or a sequence that began */
	uint8_t writes;  /* of the sequence, so far */
	uint8_t status;
	uint8_t reserved;
	uint32_t left; /* bytes that the sequence still brings */
};

struct vflash {
	struct vflash_state s;
	uint64_t base, size; /* guest-physical; size 0: there is none */
	uint8_t *data;
	uint64_t changed, changed_end; /* since asked for last; end 0: nothing */
};

void vflash_reset(struct platform *p);

/* One access of 1, 2, 4 or 8 bytes. False when gpa is not in it. */
bool vflash_mmio(struct platform *p, uint64_t gpa, bool write, unsigned size, uint64_t *value);

/*
 * Bytes from *from up to *end hold all that was programmed or erased since the last call.
 * False: nothing was. When the guest is done with changing, dev_work is called.
 */
bool vflash_take_changed(struct vflash *f, uint64_t *from, uint64_t *end);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vflash_get_state(const struct vflash *f, struct vflash_state *s);
bool vflash_valid_state(const struct vflash *f, const struct vflash_state *s);
bool vflash_set_state(struct vflash *f, const struct vflash_state *s);

#endif
