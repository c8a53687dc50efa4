/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What streams need from outside: provided by vm/ in L0, by fakes in tests.
 */
#ifndef NESTOR_STREAM_SEAM_H
#define NESTOR_STREAM_SEAM_H

/* Something came for a VM by one of its streams: it shall look soon. From any VM. */
void stream_arrived(unsigned vm);

#endif
