/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/device_list.h"

#include "lib/fmt.h"
#include "lib/limits.h"
#include "policy/setting_int.h"
#include "policy/vm_config.h"
#include "spec/pci.h"

#define VF_WORD       "/vf"
#define VFS_WORD      "/vfs="
#define PORT_WORD     "root-port"
#define ATTACHED_WORD "attached"

#define WRONG_PORT "root-port must be from 1 to 8"
_Static_assert(LIMIT_ROOT_PORTS == 8, "the words above");

/* Two hexadecimal digits of a bus or device, or one of a function. */
static bool take_hex(struct text *t, unsigned digits, unsigned *v)
{
	*v = 0;
	if (t->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++, t->s++, t->len--) {
		char c = (char)(t->s[0] | 0x20);

		if (t->s[0] >= '0' && t->s[0] <= '9')
			*v = *v << 4 | (unsigned)(t->s[0] - '0');
		else if (c >= 'a' && c <= 'f')
			*v = *v << 4 | (unsigned)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static bool take_text(struct text *t, const char *s)
{
	for (; *s != '\0'; s++, t->s++, t->len--)
		if (t->len == 0 || t->s[0] != *s)
			return false;
	return true;
}

static bool starts_with(struct text t, const char *s)
{
	return take_text(&t, s);
}

static bool take_number(struct text t, const char *word, unsigned most, uint64_t *number)
{
	return take_text(&t, word) && text_number(t, number) && *number <= most &&
	       (t.len == 1 || t.s[0] != '0');
}

/* Behind the function: which virtual one of it, or how many its VM may make. */
static bool parse_vf(struct text t, struct machine_device *d)
{
	uint64_t number;

	d->vf = d->vfs = 0;
	if (t.len == 0)
		return true;
	if (take_number(t, VFS_WORD, LIMIT_VFS, &number) && number != 0) {
		d->vfs = (uint16_t)number;
		return true;
	}
	if (!take_number(t, VF_WORD, DEVICE_VF_MAX, &number))
		return false;
	d->vf = (uint16_t)(number + 1);
	return true;
}

/*
 * [pci:][0000:]BUS:DEVICE.FUNCTION[/vfN|/vfs=N], of the first segment, as pci(8) and Linux
 * write them; 00:00.0, the host bridge, cannot be given away.
 */
static bool parse_function(struct text t, struct machine_device *d)
{
	unsigned bus, device, function;

	if (starts_with(t, "pci:"))
		(void)take_text(&t, "pci:");
	if (starts_with(t, "0000:"))
		(void)take_text(&t, "0000:");
	if (!take_hex(&t, 2, &bus) || !take_text(&t, ":") || !take_hex(&t, 2, &device) ||
		!take_text(&t, ".") || !take_hex(&t, 1, &function))
		return false;
	if (!parse_vf(t, d) || device >= PCI_DEVICES || function >= PCI_FUNCTIONS)
		return false;
	d->bdf = PCI_BDF(bus, device, function);
	return d->bdf != 0;
}

static bool has(const struct device_list *l, struct machine_device d)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].bdf == d.bdf && l->at[i].vf == d.vf)
			return true;
	return false;
}

/* KEY=VALUE; /vfs=N is of a function. */
static bool is_option(struct text t)
{
	for (size_t i = 0; i < t.len && t.s[i] != '/'; i++)
		if (t.s[i] == '=')
			return true;
	return false;
}

/* root-port=N or attached=SWITCH, of the function in front. NULL, or what is wrong. */
static const char *parse_option(struct text item, struct machine_device *d, unsigned *seen)
{
	struct text key, value;
	uint64_t number;
	bool port;

	text_key_value(item, &key, &value);
	port = text_is(key, PORT_WORD);
	if (!port && !text_is(key, ATTACHED_WORD))
		return "behind a function may be root-port=N and attached=off";
	if (*seen & (port ? 1u : 2u))
		return "root-port or attached is said of a function twice";
	*seen |= port ? 1u : 2u;
	if (!port) {
		d->absent = text_is(value, "off");
		return d->absent || text_is(value, "on") ? NULL : "attached must be on or off";
	}
	if (!text_number(value, &number) || number == 0 || number > LIMIT_ROOT_PORTS)
		return WRONG_PORT;
	d->root_port = (uint8_t)number;
	return NULL;
}

/* The functions, each with what follows it. False: *why, or NULL. */
static bool parse_list(struct text v, struct device_list *l, const char **why)
{
	struct text item;
	unsigned seen = 0;
	bool more;

	do {
		struct machine_device d = {.vf = 0};

		more = setting_cut(&v, ',', &item);
		if (l->count != 0 && is_option(item)) {
			*why = parse_option(item, &l->at[l->count - 1], &seen);
			if (*why != NULL)
				return false;
			continue;
		}
		if (l->count == DEVICE_LIST_MAX || !parse_function(item, &d) || has(l, d))
			return false;
		l->at[l->count++] = d;
		seen = 0;
	} while (more);
	return true;
}

/* What is said of one function by itself. */
static const char *place_error(const struct device_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].absent && l->at[i].root_port == 0)
			return VM_NOT_ATTACHED;
	return NULL;
}

bool device_list_parse(struct text v, struct device_list *l, const char **why)
{
	*why = NULL;
	*l = (struct device_list){.all = text_is(v, "all")};
	if (l->all || text_is(v, "none"))
		return true;
	if (!parse_list(v, l, why))
		return false;
	*why = place_error(l);
	return *why == NULL;
}

size_t device_name(struct machine_device d, char *buf, size_t size)
{
	size_t n = fmt(buf, size, "pci:%02x:%02x.%u", PCI_BDF_BUS(d.bdf), PCI_BDF_DEVICE(d.bdf),
		PCI_BDF_FUNCTION(d.bdf));

	if (d.vf != 0)
		n += fmt(buf + n, size - n, VF_WORD "%u", d.vf - 1u);
	if (d.vfs != 0)
		n += fmt(buf + n, size - n, VFS_WORD "%u", d.vfs);
	return n;
}

size_t device_list_format(const struct device_list *l, char *buf, size_t size)
{
	size_t n = 0;

	if (device_list_is_empty(l) || l->all)
		return fmt(buf, size, l->all ? "all" : "none");
	for (unsigned i = 0; i < l->count; i++) {
		const struct machine_device *d = &l->at[i];

		if (n != 0)
			n += fmt(buf + n, size - n, ",");
		n += device_name(*d, buf + n, size - n);
		if (d->root_port != 0)
			n += fmt(buf + n, size - n, "," PORT_WORD "=%u", d->root_port);
		if (d->absent)
			n += fmt(buf + n, size - n, "," ATTACHED_WORD "=off");
	}
	return n;
}

bool device_list_is_empty(const struct device_list *l)
{
	return !l->all && l->count == 0;
}

bool device_list_has_virtual(const struct device_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].vf != 0 || l->at[i].vfs != 0)
			return true;
	return false;
}

const struct machine_device *device_list_at_port(const struct device_list *l, uint32_t port)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].root_port == port)
			return &l->at[i];
	return NULL;
}

bool device_list_stays(const struct device_list *l)
{
	return l->all || device_list_at_port(l, 0) != NULL;
}

bool device_list_shares(const struct device_list *a, const struct device_list *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (has(b, a->at[i]))
			return true;
	return false;
}

/* One function, which moves. */
static const char *share_error(struct machine_device a, struct machine_device b)
{
	if (a.root_port == 0 || b.root_port == 0)
		return "another VM has one of its devices; a device moves between VMs that all have "
		       "it behind a root port ('root-port')";
	return a.absent || b.absent
		       ? NULL
		       : "another VM has one of its devices; of VMs that it moves between, all "
			 "but one say 'attached: off'";
}

/* Who has virtual functions of it has it by L0. */
static const char *conflict(struct machine_device a, struct machine_device b)
{
	if (a.bdf != b.bdf)
		return NULL;
	if (a.vf == b.vf)
		return share_error(a, b);
	return a.vf != 0 && b.vf != 0
		       ? NULL
		       : "another VM has one of its devices, or virtual functions of one, which is "
			 "Nestor's own then";
}

const char *device_list_conflict(const struct device_list *a, const struct device_list *b)
{
	const char *why = NULL;

	if (device_list_is_empty(a) || device_list_is_empty(b))
		return NULL;
	if (a->all || b->all)
		return "another VM has one of its devices";
	for (unsigned i = 0; i < a->count; i++)
		for (unsigned k = 0; k < b->count && why == NULL; k++)
			why = conflict(a->at[i], b->at[k]);
	return why;
}

const char *device_list_error(const struct device_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].root_port != 0 &&
			device_list_at_port(l, l->at[i].root_port) != &l->at[i])
			return VM_SLOT_TAKEN;
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].root_port != 0 && l->at[i].vfs != 0)
			return "a device of which the VM makes virtual functions ('/vfs=') stays "
			       "on bus 0: it is behind no root port";
	for (unsigned i = 0; i < l->count; i++)
		for (unsigned k = 0; k < l->count; k++)
			if (l->at[i].bdf == l->at[k].bdf && l->at[i].vf == 0 &&
				l->at[k].vf != 0)
				return "a device with virtual functions that VMs have is "
				       "Nestor's own: 'devices' names it, or those";
	return NULL;
}

unsigned device_list_vfs(const struct device_list *l, uint16_t bdf)
{
	unsigned count = 0;

	for (unsigned i = 0; i < l->count; i++) {
		const struct machine_device *d = &l->at[i];
		unsigned n = d->vf > d->vfs ? d->vf : d->vfs;

		if (d->bdf == bdf && n > count)
			count = n;
	}
	return count;
}

unsigned device_list_made(const struct device_list *l)
{
	unsigned count = 0;

	for (unsigned i = 0; i < l->count; i++)
		count += l->at[i].vfs;
	return count;
}
