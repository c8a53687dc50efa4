/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions of the machine, as a VM's setting names them: pci:00:03.0; pci:00:03.0/vf2 for
 * a virtual function of it; pci:00:03.0/vfs=4 for the function, of which the VM itself makes up
 * to so many virtual ones.
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
	uint16_t vf;  /* 0: the function itself; n: its virtual function n - 1 */
	uint16_t vfs; /* of the function itself: how many virtual ones its VM may make */
};

struct device_list {
	uint16_t all; /* all of them, and none is named */
	uint16_t count;
	struct machine_device at[DEVICE_LIST_MAX];
};

/* False: the text is none. */
bool device_list_parse(struct text v, struct device_list *l);
/* The length, as in setting_format. */
size_t device_list_format(const struct device_list *l, char *buf, size_t size);

bool device_list_is_empty(const struct device_list *l);
/* Is a virtual function among them, or may the VM make some? */
bool device_list_has_virtual(const struct device_list *l);

/* NULL, or why the two cannot be of two VMs. */
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
