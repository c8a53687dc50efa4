#include "policy/scenario.h"

#include <stddef.h>

#include "dev/dev.h"
#include "lib/fmt.h"
#include "spec/vmx_features.h"
#include "spec/addr.h"

#define MIN_MEMORY     (4ull << 20)
#define MAX_MEMORY     (1ull << 40)
#define DEFAULT_MEMORY (256ull << 20)

static bool fail(struct scenario *s, const char *error, struct text where)
{
	s->error = error;
	s->where = where;
	return false;
}

static bool name_valid(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		char c = t.s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return t.len > 0 && t.len < VM_NAME_SIZE;
}

static struct vm_images *find(struct scenario *s, struct text name)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		if (text_is(name, s->vms[i].config.name))
			return &s->vms[i];
	}
	return NULL;
}

static bool parse_protocol(struct text v, uint8_t *out)
{
	static const char *const names[] = {
		[PROTOCOL_AUTO] = "auto",
		[PROTOCOL_LINUX] = "linux",
		[PROTOCOL_ELF] = "elf",
		[PROTOCOL_MB1] = "mb1",
		[PROTOCOL_MB2] = "mb2",
	};

	for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (text_is(v, names[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_restart(struct text v, uint8_t *out)
{
	static const char *const names[] = {
		[RESTART_NEVER] = "never",
		[RESTART_ON_RESET] = "on-reset",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_ALWAYS] = "always",
	};

	for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (text_is(v, names[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_number32(struct text v, uint32_t *out)
{
	uint64_t n;

	if (!text_number(v, &n) || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool parse_cpus(struct text v, unsigned *cpus)
{
	uint64_t n;

	if (!text_number(v, &n) || n < 1 || n > DEV_MAX_VCPUS)
		return false;
	*cpus = (unsigned)n;
	return true;
}

static bool parse_memory(struct text v, uint64_t *memory)
{
	return text_number(v, memory) && *memory >= MIN_MEMORY && *memory <= MAX_MEMORY &&
	       *memory % SIZE_2M == 0;
}

/* CPU numbers and ranges: 0,2-3 */
static bool parse_cpu_list(struct text v, uint64_t *mask)
{
	*mask = 0;
	while (v.len > 0) {
		uint64_t range[2];
		struct text item = v, from, to;
		size_t n = 0;

		while (n < v.len && v.s[n] != ',')
			n++;
		item.len = n;
		v = n < v.len ? (struct text){v.s + n + 1, v.len - n - 1}
			      : (struct text){v.s + n, 0};
		from = to = item;
		for (n = 0; n < item.len && item.s[n] != '-'; n++)
			;
		from.len = n;
		if (n < item.len)
			to = (struct text){item.s + n + 1, item.len - n - 1};
		if (!text_number(from, &range[0]) || !text_number(to, &range[1]) ||
			range[0] > range[1] || range[1] > 63)
			return false;
		for (uint64_t i = range[0]; i <= range[1]; i++)
			*mask |= 1ull << i;
	}
	return *mask != 0;
}

static bool parse_weight(struct text v, uint32_t *weight)
{
	return parse_number32(v, weight) && *weight >= 1 && *weight <= WEIGHT_MAX;
}

/* On failure the error lists what exists, and *v is the word at fault. */
static bool parse_features(struct scenario *s, struct text *v, uint64_t *mask)
{
	static const char start[] = "no such choice of VT-x features; ";
	size_t bad, bad_len;

	if (caps_features_parse(v->s, v->len, mask, &bad, &bad_len))
		return true;
	fmt(s->allowed, sizeof(s->allowed), "%s", start);
	caps_features_list(
		s->allowed + sizeof(start) - 1, sizeof(s->allowed) - (sizeof(start) - 1));
	*v = (struct text){v->s + bad, bad_len};
	return fail(s, s->allowed, *v);
}

static bool parse_setting(struct text key, struct text v, struct vm_config *c)
{
	if (text_is(key, "vm"))
		return name_valid(v) && text_copy(v, c->name, sizeof(c->name));
	if (text_is(key, "memory"))
		return parse_memory(v, &c->memory);
	if (text_is(key, "cpus"))
		return parse_cpus(v, &c->cpus);
	if (text_is(key, "weight"))
		return parse_weight(v, &c->weight);
	if (text_is(key, "restart"))
		return parse_restart(v, &c->restart);
	if (text_is(key, "restart_limit"))
		return parse_number32(v, &c->restart_limit);
	if (text_is(key, "pin"))
		return parse_cpu_list(v, &c->allowed_cpus);
	if (text_is(key, "vmx"))
		return text_bool(v, &c->vmx);
	if (text_is(key, "shadow"))
		return text_bool(v, &c->shadow);
	if (text_is(key, "apicv"))
		return text_bool(v, &c->apicv);
	if (text_is(key, "cmdline0"))
		return text_bool(v, &c->cmdline0);
	if (text_is(key, "protocol"))
		return parse_protocol(v, &c->protocol);
	return false;
}

/* Words up to "--"; *rest is what follows it, without the one space. */
static bool parse_settings(struct scenario *s, struct text *rest, struct vm_config *c)
{
	struct text word, key, value;

	while ((word = text_word(rest)).len > 0) {
		if (text_is(word, "--")) {
			if (rest->len > 0) {
				rest->s++;
				rest->len--;
			}
			return true;
		}
		text_key_value(word, &key, &value);
		if (text_is(key, "vmx_features")) {
			if (!parse_features(s, &value, &c->vmx_features))
				return false;
			continue;
		}
		if (!parse_setting(key, value, c))
			return fail(s, "setting not understood or out of range", word);
	}
	return true;
}

static bool add_kernel(struct scenario *s, const struct vm_config *c, struct vm_file file)
{
	if (s->vm_count == SCENARIO_MAX_VMS)
		return fail(s, "too many VMs", file.cmdline);
	if (find(s, text_of(c->name, VM_NAME_SIZE)) != NULL)
		return fail(s, "two kernels for the same VM", file.cmdline);
	s->vms[s->vm_count++] = (struct vm_images){.config = *c, .kernel = file};
	return true;
}

static bool add_other(
	struct scenario *s, bool initrd, const struct vm_config *c, struct vm_file file)
{
	struct vm_images *vm = find(s, text_of(c->name, VM_NAME_SIZE));

	if (vm == NULL)
		return fail(s, "no kernel for this VM before it", file.cmdline);
	if (initrd) {
		vm->initrd = file;
		return true;
	}
	if (vm->module_count == SCENARIO_MAX_MODULES)
		return fail(s, "too many modules", file.cmdline);
	vm->modules[vm->module_count++] = file;
	return true;
}

bool scenario_add(struct scenario *s, struct text line, uint64_t start, uint64_t size)
{
	struct text rest = line, kind = text_word(&rest);
	struct vm_config c = {
		.memory = DEFAULT_MEMORY,
		.cpus = 1,
		.weight = WEIGHT_NORMAL,
		.allowed_cpus = UINT64_MAX,
		.vmx = true,
		.shadow = true,
		.apicv = true,
		.vmx_features = caps_features_default(),
		.cmdline0 = true,
	};

	if (!parse_settings(s, &rest, &c))
		return false;
	if (c.name[0] == '\0')
		return fail(s, "vm=NAME is missing", line);
	if (text_is(kind, "kernel"))
		return add_kernel(s, &c, (struct vm_file){start, size, rest});
	if (text_is(kind, "initrd") || text_is(kind, "module"))
		return add_other(
			s, text_is(kind, "initrd"), &c, (struct vm_file){start, size, rest});
	return fail(s, "a module is kernel, initrd or module", kind);
}
