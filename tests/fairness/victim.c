/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says how far it has come, by marks that L0 stamps with its TSC: one for so much work, without
 * end. With the word `net` it takes what comes to its network device.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"
#include "virtio_net.h"

static struct vnet net;

int payload_main(void)
{
	bool has_net = cmdline_flag("net");

	if (has_net && !vnet_open(&net, 0, VNET_RING, 4096))
		return 1;
	for (unsigned i = 0;; i++) {
		if (has_net)
			vnet_receive(&net);
		for (volatile unsigned work = 0; work < 20000; work++)
			;
		outb(0xf5, (uint8_t)i);
	}
}
