/* SPDX-License-Identifier: Apache-2.0 */
/* Events as Redfish has them. */
#ifndef NESTOR_SERVE_REDFISH_EVENTS_H
#define NESTOR_SERVE_REDFISH_EVENTS_H

#include <stdint.h>

#include "serve_log.h"

/*
 * The record that a reader of the log has got, as an Event resource, malloc'ed; NULL: it is
 * none of Redfish's, or of another type than @types, bits of SERVE_EVENT_TYPES; 0: all.
 */
char *redfish_event(const char *record, const struct serve_log_reader *r, const char *context,
	uint32_t types);

#endif
