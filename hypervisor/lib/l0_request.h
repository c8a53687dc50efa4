/* SPDX-License-Identifier: Apache-2.0 */
/* What the host tool may send to L0: one byte each. */
#ifndef NESTOR_LIB_L0_REQUEST_H
#define NESTOR_LIB_L0_REQUEST_H

enum l0_request {
	REQUEST_STOP = 'S' /* report on all VMs, and end */
};

#endif
