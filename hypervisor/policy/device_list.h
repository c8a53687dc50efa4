/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions of the machine, as a VM's setting names them: pci:00:03.0; pci:00:03.0/vf2 for
 * a virtual function of it; pci:00:03.0/vfs=4 for the function, of which the VM itself makes up
 * to so many virtual ones. Behind it ,root-port=N and ,attached=off, if it comes and goes.
 */
#ifndef NESTOR_POLICY_DEVICE_LIST_H
#define NESTOR_POLICY_DEVICE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text.h"

#define DEVICE_LIST_MAX 4u
#define DEVICE_VF_MAX   255u /* the greatest number of a virtual function */

struct machine_device {
	uint16_t bdf;
	uint16_t vf;       /* 0: the function itself; n: its virtual function n - 1 */
	uint16_t vfs;      /* of the function itself: how many virtual ones its VM may make */
	uint8_t root_port; /* it is in that slot; 0: on bus 0 */
	bool absent;       /* it is not there from the start */
};

struct device_list {
	uint16_t all; /* all of them, and none is named */
	uint16_t count;
	struct machine_device at[DEVICE_LIST_MAX];
};

#define DEVICE_NAME_SIZE 24u

/* False: the text is none; *why, what is wrong with it, or NULL: it names no functions. */
bool device_list_parse(struct text v, struct device_list *l, const char **why);
/* The name alone, as in pci:00:03.0/vf2. */
size_t device_name(struct machine_device d, char *buf, size_t size);
/* The length, as in setting_format. */
size_t device_list_format(const struct device_list *l, char *buf, size_t size);

bool device_list_is_empty(const struct device_list *l);
/* Is a virtual function among them, or may the VM make some? */
bool device_list_has_virtual(const struct device_list *l);

/* The function behind this root port (not 0), or NULL. */
const struct machine_device *device_list_at_port(const struct device_list *l, uint32_t port);
/* Is one of them on bus 0, where it stays; or all? */
bool device_list_stays(const struct device_list *l);
/* Is a function in both lists? */
bool device_list_shares(const struct device_list *a, const struct device_list *b);

/*
 * NULL, or why the two cannot be of two VMs. A function may be in both if it is behind a root
 * port in both, and there from the start in one at most.
 */
const char *device_list_conflict(const struct device_list *a, const struct device_list *b);
/* Likewise why it cannot be of one. */
const char *device_list_error(const struct device_list *l);

/*
 * How many virtual functions of this one it needs: the greatest number and one, or as many as
 * the VM may make.
 */
unsigned device_list_vfs(const struct device_list *l, uint16_t bdf);
/* How many the VM may make of all its functions. */
unsigned device_list_made(const struct device_list *l);

#endif
