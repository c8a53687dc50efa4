/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network devices of a VM, as its settings say: NETWORK[,KEY=VALUE...], with '+' between
 * them.
 */
#ifndef NESTOR_POLICY_NET_CONFIG_H
#define NESTOR_POLICY_NET_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "policy/setting.h"

/* Ranges and defaults: net_settings. */
struct net_config {
	char network[LIMIT_NAME];
	uint64_t mac;    /* the first byte of the address is the most significant; 0: derived */
	uint64_t rate;   /* bits a second that it may send; 0: no limit */
	uint32_t frames; /* frames a second; likewise */
	uint32_t vlan;   /* of an access port; 0: no VLAN */
	uint32_t mtu;
	uint32_t queues;    /* pairs; 0: one for each vCPU */
	uint32_t root_port; /* it is in that slot; 0: on bus 0 */
	uint32_t vfs;       /* virtual functions that it may have */
	bool attached;      /* it is there from the start */
	bool trunk;         /* VLANs by tags */
	bool spoof;         /* it may send from other addresses than its own */
	bool offload;       /* checksums and segments may be left to others */
};

struct net_list {
	uint32_t count;
	struct net_config at[LIMIT_NETS];
};

/* What is said of a device that is not there from the start. */
#define VM_NOT_ATTACHED \
	"only what is behind a root port ('root-port') may come later ('attached: off')"

/* A row each; all have keys, but for the network's name. */
extern const struct setting net_settings[];

/* The address that a device has: its own, or one that follows from names. */
uint64_t net_config_mac(const struct net_list *l, unsigned index, const char *vm);

/* The address of its virtual function `number`, from 0 on, that follows from its own. */
uint64_t net_config_vf_mac(uint64_t mac, unsigned number);

/* The virtual functions of all devices in front of this one; of all with index l->count. */
unsigned net_list_vfs(const struct net_list *l, unsigned index);

/* How many pairs of queues it has in a VM with so many vCPUs. Virtual functions have one. */
unsigned net_config_queues(const struct net_config *c, unsigned cpus);

/* Why values that are right by themselves do not go together; NULL when they do. */
const char *net_config_error(const struct net_config *c);

/* The device behind this root port (not 0), or NULL. */
const struct net_config *net_list_at_port(const struct net_list *l, uint32_t port);

/* For setting.c: a list from its text, and back. False: *must (SETTING_TEXT_SIZE) says why. */
bool net_list_parse(struct text value, struct net_list *l, char *must);
size_t net_list_format(const struct net_list *l, char *buf, size_t size);

#endif
