/* SPDX-License-Identifier: Apache-2.0 */
/* Named tokens and their roles as accounts of Redfish, which nobody changes by it. */
#include <string.h>

#include "serve_redfish.h"

#define SERVICE  REDFISH_ROOT "/AccountService"
#define ACCOUNTS SERVICE "/Accounts"
#define ROLES    SERVICE "/Roles"

/*
 * Redfish's own roles, with the privileges of DSP0266, "Roles", as far as there is something.
 */
static const struct {
	const char *name, *privileges;
} roles[] = {
	[ROLE_READ] = {"ReadOnly", "[\"Login\", \"ConfigureSelf\"]"},
	[ROLE_OPERATE] = {"Operator",
		"[\"Login\", \"ConfigureSelf\", \"ConfigureComponents\"]"},
	[ROLE_ADMIN] = {"Administrator", "[\"Login\", \"ConfigureSelf\", "
					 "\"ConfigureComponents\", \"ConfigureManager\", "
					 "\"ConfigureUsers\"]"},
};

#define ROLE_COUNT (sizeof(roles) / sizeof(roles[0]))

bool serve_redfish_account_service(struct serve_job *j)
{
	json_t *service = redfish_resource(SERVICE, "#AccountService.v1_3_0.AccountService",
		"AccountService", "Accounts: the named tokens of nestor serve");

	json_object_update_new(service, json_pack("{s:b, s:o, s:o, s:o}", "ServiceEnabled", 1,
						"Status", redfish_status("Enabled"), "Accounts",
						redfish_link(SERVICE, "Accounts"), "Roles",
						redfish_link(SERVICE, "Roles")));
	return redfish_done(j, service);
}

/* That of --token-file has no name, and is no account. */
bool serve_redfish_accounts(struct serve_job *j)
{
	json_t *links = json_array();

	for (unsigned i = 0; j->tokens && i < j->tokens->count; i++)
		if (*j->tokens->at[i].who.name)
			json_array_append_new(
				links, redfish_link(ACCOUNTS, j->tokens->at[i].who.name));
	return redfish_done(j, redfish_collection(ACCOUNTS,
				       "#ManagerAccountCollection.ManagerAccountCollection",
				       "Accounts", links));
}

static const struct serve_who *find(const struct serve_job *j)
{
	for (unsigned i = 0; j->tokens && i < j->tokens->count; i++)
		if (strcmp(j->tokens->at[i].who.name, j->request->account) == 0)
			return &j->tokens->at[i].who;
	return NULL;
}

bool serve_redfish_account(struct serve_job *j)
{
	const struct serve_who *who = find(j);
	json_t *account;
	char at[160];

	if (!who)
		return serve_problem(
			&j->problem, 404, "there is no account '%s'", j->request->account);
	snprintf(at, sizeof(at), ACCOUNTS "/%s", who->name);
	account = redfish_resource(
		at, "#ManagerAccount.v1_3_0.ManagerAccount", who->name, "A named token");
	json_object_update_new(account,
		json_pack("{s:s, s:n, s:s, s:b, s:b, s:{s:o}}", "UserName", who->name,
			"Password", "RoleId", roles[who->role].name, "Enabled", 1, "Locked", 0,
			"Links", "Role", redfish_link(ROLES, roles[who->role].name)));
	return redfish_done(j, account);
}

bool serve_redfish_roles(struct serve_job *j)
{
	json_t *links = json_array();

	for (unsigned i = 0; i < ROLE_COUNT; i++)
		json_array_append_new(links, redfish_link(ROLES, roles[i].name));
	return redfish_done(
		j, redfish_collection(ROLES, "#RoleCollection.RoleCollection", "Roles", links));
}

bool serve_redfish_role(struct serve_job *j)
{
	const char *name = j->request->account;
	json_t *role;
	char at[160];
	unsigned i = 0;

	while (i < ROLE_COUNT && strcmp(roles[i].name, name) != 0)
		i++;
	if (i == ROLE_COUNT)
		return serve_problem(&j->problem, 404, "there is no role '%s'", name);
	snprintf(at, sizeof(at), ROLES "/%s", name);
	role = redfish_resource(at, "#Role.v1_2_4.Role", name, name);
	json_object_update_new(
		role, json_pack("{s:s, s:b, s:o}", "RoleId", name, "IsPredefined", 1,
			      "AssignedPrivileges", json_loads(roles[i].privileges, 0, NULL)));
	return redfish_done(j, role);
}
