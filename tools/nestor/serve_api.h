/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of `nestor serve`: a function for each handler in serve_route.def. */
#ifndef NESTOR_SERVE_API_H
#define NESTOR_SERVE_API_H

#include <stdbool.h>

#include "serve_auth.h"
#include "serve_reply.h"
#include "serve_route.h"
#include "serve_run.h"

struct serve_job {
	const char *at;                    /* the run's socket */
	const struct serve_tokens *tokens; /* NULL: there are none */
	struct serve_who who;              /* who asks, or has logged in */
	const struct serve_request *request;
	bool octets; /* the client wants bytes as they are */
	struct serve_run run;
	struct serve_problem problem;
	struct serve_reply *reply; /* empty at the beginning */
};

/* What can be changed of the request's VM, as the schema Devices has it; NULL: why is in the
 * problem. */
json_t *serve_devices_of(struct serve_job *j);

/* The condition of RFC 9110, 13.1.1 "If-Match", for what is as @object says; or a problem. */
bool serve_meets_condition(struct serve_job *j, const json_t *object);

/* Fill the reply; or false: why is in the problem. */
typedef bool (*serve_handler)(struct serve_job *j);

bool serve_version(struct serve_job *j);
bool serve_vms(struct serve_job *j);
bool serve_vm(struct serve_job *j);
bool serve_action(struct serve_job *j);
bool serve_stat(struct serve_job *j);
bool serve_registers(struct serve_job *j);
bool serve_vmcs(struct serve_job *j);
bool serve_memory(struct serve_job *j);
bool serve_vm_stat(struct serve_job *j);
bool serve_explain(struct serve_job *j);
bool serve_poke(struct serve_job *j);
bool serve_balloon(struct serve_job *j);
bool serve_define(struct serve_job *j);
bool serve_destroy(struct serve_job *j);
bool serve_type(struct serve_job *j);
bool serve_bundle(struct serve_job *j);
bool serve_page(struct serve_job *j);
bool serve_events(struct serve_job *j);
bool serve_console(struct serve_job *j);
bool serve_metrics(struct serve_job *j);
bool serve_openapi(struct serve_job *j);
bool serve_redfish_versions(struct serve_job *j);
bool serve_redfish_root(struct serve_job *j);
bool serve_redfish_odata(struct serve_job *j);
bool serve_redfish_metadata(struct serve_job *j);
bool serve_redfish_systems(struct serve_job *j);
bool serve_redfish_system(struct serve_job *j);
bool serve_redfish_reset(struct serve_job *j);
bool serve_redfish_managers(struct serve_job *j);
bool serve_redfish_manager(struct serve_job *j);
bool serve_redfish_chassis_all(struct serve_job *j);
bool serve_redfish_chassis(struct serve_job *j);
bool serve_redfish_session_service(struct serve_job *j);
bool serve_redfish_sessions(struct serve_job *j);
bool serve_redfish_login(struct serve_job *j);
bool serve_redfish_session(struct serve_job *j);
bool serve_redfish_logout(struct serve_job *j);
bool serve_change(struct serve_job *j);
bool serve_devices(struct serve_job *j);
bool serve_boot(struct serve_job *j);
bool serve_insert(struct serve_job *j);
bool serve_eject(struct serve_job *j);
bool serve_link(struct serve_job *j);
bool serve_attach(struct serve_job *j);
bool serve_detach(struct serve_job *j);
bool serve_images(struct serve_job *j);
bool serve_networks(struct serve_job *j);
bool serve_disks(struct serve_job *j);
bool serve_redfish_boot(struct serve_job *j);
bool serve_redfish_media(struct serve_job *j);
bool serve_redfish_medium(struct serve_job *j);
bool serve_redfish_insert(struct serve_job *j);
bool serve_redfish_eject(struct serve_job *j);
bool serve_redfish_nets(struct serve_job *j);
bool serve_redfish_net(struct serve_job *j);
bool serve_redfish_processors(struct serve_job *j);
bool serve_redfish_processor(struct serve_job *j);
bool serve_redfish_task_service(struct serve_job *j);
bool serve_redfish_tasks(struct serve_job *j);
bool serve_redfish_event_service(struct serve_job *j);
bool serve_redfish_subscriptions(struct serve_job *j);
bool serve_redfish_subscribe(struct serve_job *j);
bool serve_redfish_subscription(struct serve_job *j);
bool serve_redfish_unsubscribe(struct serve_job *j);
bool serve_redfish_registries(struct serve_job *j);
bool serve_redfish_registry(struct serve_job *j);
bool serve_redfish_messages(struct serve_job *j);
bool serve_redfish_storages(struct serve_job *j);
bool serve_redfish_storage(struct serve_job *j);
bool serve_redfish_drive(struct serve_job *j);
bool serve_redfish_volumes(struct serve_job *j);
bool serve_redfish_volume(struct serve_job *j);
bool serve_redfish_account_service(struct serve_job *j);
bool serve_redfish_accounts(struct serve_job *j);
bool serve_redfish_account(struct serve_job *j);
bool serve_redfish_roles(struct serve_job *j);
bool serve_redfish_role(struct serve_job *j);
bool serve_redfish_memories(struct serve_job *j);
bool serve_redfish_memory(struct serve_job *j);

/* Answers @request with what its route's handler says. @who asks; a login is of whoever it says
 * afterwards. */
void serve_answer(const struct serve_request *request, const char *at,
	const struct serve_tokens *tokens, struct serve_who *who, bool octets,
	struct serve_reply *reply);

#endif
