/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channels between L0 and the host tool, the same in both directions. From L0: mux.h of
 * either side. To L0: frame.h.
 */
#ifndef NESTOR_LIB_L0_STREAM_H
#define NESTOR_LIB_L0_STREAM_H

#include "lib/limits.h"

enum l0_channel {
	L0_CHANNEL_LOG = 0,
	L0_CHANNEL_CONTROL = 1,
	L0_CHANNEL_VM = 2,                             /* plus the VM's number: its console */
	L0_CHANNEL_SCREEN = L0_CHANNEL_VM + LIMIT_VMS, /* likewise: its display; from L0 only */
	L0_CHANNELS = L0_CHANNEL_SCREEN + LIMIT_VMS
};

/* Bytes of input that L0 keeps for a VM until its guest reads them. */
#define L0_INPUT_WINDOW 4096u

#endif
