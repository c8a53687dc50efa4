/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that speak Redfish: what all resources have. */
#ifndef NESTOR_SERVE_REDFISH_H
#define NESTOR_SERVE_REDFISH_H

#include "serve_api.h"

#define REDFISH_ROOT "/redfish/v1"

/* Takes @object over, as the answer. */
bool redfish_done(struct serve_job *j, json_t *object);
/* What each resource begins with. */
json_t *redfish_resource(const char *at, const char *type, const char *id, const char *name);
json_t *redfish_link(const char *folder, const char *name);
/* Takes @members over. */
json_t *redfish_collection(const char *at, const char *type, const char *name, json_t *members);
json_t *redfish_status(const char *state);

/* The ComputerSystem of the request, whose devices these are; NULL: why is in the problem. */
json_t *redfish_system(struct serve_job *j, json_t *devices);

/* ---- serve_redfish_devices.c ---- */

/* The object `Boot`, of what serve_devices_of has. */
json_t *redfish_boot(const json_t *devices);

#endif
