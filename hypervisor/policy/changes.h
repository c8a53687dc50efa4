/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be changed of a VM while the run goes: media, the order of boot devices, links,
 * networks. It is kept beside the VM's images, so that each start finds it; the devices of a VM
 * that runs are not here. Any CPU may call these.
 */
#ifndef NESTOR_POLICY_CHANGES_H
#define NESTOR_POLICY_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/scenario.h"

/* ---- media: a word says which; what a drive began with is 0 ---- */

#define CHANGES_NO_MEDIUM UINT64_C(0xffffffff)

/* What a word says: a file, a medium that is lent (lib/media.h), or neither. */
struct changes_content {
	const struct vm_file *file; /* NULL: none */
	uint32_t lent;              /* 0: none */
	uint64_t size;
};

/* The drive with such a name. False: there is none. */
bool changes_find_drive(const struct vm_images *vm, const char *name, unsigned *drive);
/* The word of CDROM_OWN, CDROM_NONE or an image of the store. False: there is no such one. */
bool changes_find_medium(
	const struct vm_images *vm, unsigned drive, const char *name, uint64_t *medium);
/* The word of what is lent. False: no CD-ROM has such a size, or none has such a number. */
bool changes_lend(uint64_t number, uint64_t size, uint64_t *medium);
struct changes_content changes_content(
	const struct vm_images *vm, unsigned drive, uint64_t medium);
/* What is in the drive, and what that is called: an image of the store by its name there. */
uint64_t changes_medium(const struct vm_images *vm, unsigned drive);
const char *changes_medium_name(const struct vm_images *vm, unsigned drive);
void changes_set_medium(struct vm_images *vm, unsigned drive, uint64_t medium);

/* ---- what firmware starts the VM from ---- */

/* VM_BOOT_END: as the configuration says. once: at the next start only. NULL, or why not. */
const char *changes_set_boot(struct vm_images *vm, enum vm_boot from, bool once);
/* What has been said; VM_BOOT_END: nothing. */
enum vm_boot changes_boot(const struct vm_images *vm, bool *once);
/* For a start: the order of it, SETTING_ORDER; 0: the default. What is for once is over. */
uint32_t changes_take_order(struct vm_images *vm);
const char *changes_boot_word(enum vm_boot from);
/* VM_BOOT_END of a word that is none. */
enum vm_boot changes_find_boot(const char *word);

/* ---- links of network devices ---- */

bool changes_link(const struct vm_images *vm, unsigned net);
void changes_set_link(struct vm_images *vm, unsigned net, bool up);

/* ---- networks of network devices, which the caller has numbered ---- */

/* The one that it has been put on. False: that of its settings. */
bool changes_network(const struct vm_images *vm, unsigned net, uint8_t *number);
void changes_set_network(struct vm_images *vm, unsigned net, uint8_t number);
/* The network device behind a root port. False: something else is there, or nothing. */
bool changes_port_net(const struct vm_images *vm, unsigned port, unsigned *net);

/* ---- what is behind root ports ---- */

/* Whether the VM's configuration has a device for this root port, by number. */
bool changes_has_port(const struct vm_images *vm, unsigned port);
/* Whether another VM serves it: such a disk stays. */
bool changes_port_served(const struct vm_images *vm, unsigned port);
/* The number of the host's file that a bay there has; 0: none is there. */
uint32_t changes_port_bay(const struct vm_images *vm, unsigned port);
/* What is there; of CHANGES_NOTHING a port has no more. */
enum changes_port {
	CHANGES_NOTHING,
	CHANGES_DISK,
	CHANGES_NET,
	CHANGES_DEVICE /* of the machine */
};
enum changes_port changes_port_kind(const struct vm_images *vm, unsigned port);
/* Its name, that of its network, or of the machine's function. */
#define CHANGES_NAME_SIZE LIMIT_NAME
void changes_port_name(const struct vm_images *vm, unsigned port, char name[CHANGES_NAME_SIZE]);
/* Whether that device is there. */
bool changes_attached(const struct vm_images *vm, unsigned port);
void changes_set_attached(struct vm_images *vm, unsigned port, bool attached);
/* The guest has been asked for what is there, and has not given it: it is there. */
bool changes_asked(const struct vm_images *vm, unsigned port);
void changes_set_asked(struct vm_images *vm, unsigned port, bool asked);

#endif
