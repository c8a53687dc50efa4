/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of bring-up that are more than a call, in files of their own. A step that fails has
 * said why in the log.
 */
#ifndef NESTOR_MAIN_INT_H
#define NESTOR_MAIN_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "lib/text.h"
#include "policy/name_list.h"

/* L0's command line becomes its configuration; words that are not understood are left out. */
void config_read(struct text line);
/* The networks that it names. */
const struct network_list *config_networks(void);

/* Where the log goes beside port E9H: which UART, which screen. Boot page tables. */
void output_choose(const struct boot_info *info);
/* The same once L0's page tables are in use: what those of the start do not reach. */
void output_map(const struct boot_info *info);

/* Starts the other CPUs, as smp_start does; they wait, in this address space. */
void cpus_start(const uint32_t *ids, unsigned count, uint64_t cr3);
/* All CPUs run VMs from now on. After vmx_start, and when one may schedule. */
void cpus_release(void);

/* VT-x of the machine is what Nestor needs, and this CPU is in VMX operation. */
bool vmx_start(void);

/* Any other CPU: it is like the boot CPU, and in VMX operation. */
bool vmx_join(void);

/* Creates and starts the VMs that the loader's modules describe. The modules stay where they
 * are. */
bool vms_start(struct boot_info *info);

#endif
