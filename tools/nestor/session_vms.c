/* SPDX-License-Identifier: Apache-2.0 */
/* The VMs of a run; see session_vms.h. */
#include "session_vms.h"

#include <stdio.h>
#include <string.h>

#include "record.h"

void session_vms_init(
	struct session_vms *v, const struct scenario_spec *s, const struct vm_files *files)
{
	*v = (struct session_vms){.files = files, .shown = scenario_shown(s)};
	v->several = v->shown > 1;
	for (unsigned i = 0; i < s->vm_count; i++) {
		snprintf(v->at[i].name, LIMIT_NAME, "%s", s->vms[i].config.name);
		v->at[i].files = i;
	}
}

/* SCENARIO_MAX_VMS: there is none of this name. */
static unsigned find(const struct session_vms *v, const char *name)
{
	unsigned i = 0;

	while (i < SCENARIO_MAX_VMS && (!*name || strcmp(v->at[i].name, name) != 0))
		i++;
	return i;
}

static unsigned come(struct session_vms *v, const char *record)
{
	uint64_t number = record_number(record, "number");
	char name[LIMIT_NAME];
	unsigned like;

	if (number >= SCENARIO_MAX_VMS)
		return SCENARIO_MAX_VMS;
	record_text(record, "like", name, sizeof(name));
	like = find(v, name);
	v->at[number].files = like < SCENARIO_MAX_VMS ? v->at[like].files : 0;
	record_text(record, "vm", v->at[number].name, LIMIT_NAME);
	v->at[number].later = true;
	v->several = true;
	return (unsigned)number;
}

unsigned session_vms_record(struct session_vms *v, const char *record)
{
	char name[LIMIT_NAME];
	unsigned i;

	if (record_is(record, "vm-defined"))
		return come(v, record);
	record_text(record, "vm", name, sizeof(name));
	i = find(v, name);
	if (i < SCENARIO_MAX_VMS)
		*v->at[i].name = 0;
	return i;
}

const struct bytes *session_vms_image(const struct session_vms *v, const char *name)
{
	unsigned i = find(v, name);

	return i < SCENARIO_MAX_VMS && v->files ? &v->files[v->at[i].files].kernel.image : NULL;
}

bool session_vms_hides(const struct session_vms *v, const char *name)
{
	unsigned i = find(v, name);

	return i < SCENARIO_MAX_VMS && !v->at[i].later && i >= v->shown;
}
