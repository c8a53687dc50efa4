#include "policy/options.h"

#include "cpu/log.h"
#include "cpu/power.h"

static bool choose(struct text value, const char *const *names, uint8_t *out)
{
	for (uint8_t i = 0; names[i] != NULL; i++) {
		if (text_is(value, names[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool number32(struct text value, uint32_t *out)
{
	uint64_t v;

	if (!text_number(value, &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool parse_word(struct text key, struct text value, struct options *o)
{
	static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
	static const char *const modes[] = {"none", "bochs", "qemu", NULL};

	if (text_is(key, "log"))
		return choose(value, levels, &o->log);
	if (text_is(key, "mux"))
		return text_bool(value, &o->mux);
	if (text_is(key, "explain"))
		return text_bool(value, &o->explain);
	if (text_is(key, "tsc_khz"))
		return number32(value, &o->tsc_khz);
	if (text_is(key, "maxcpus"))
		return number32(value, &o->maxcpus);
	if (text_is(key, "poweroff"))
		return choose(value, modes, &o->poweroff);
	if (text_is(key, "ram"))
		return o->ram_zeroed = text_is(value, "zeroed");
	if (text_is(key, "limit"))
		return text_number(value, &o->limit);
	if (text_is(key, "epoch"))
		return text_number(value, &o->epoch);
	if (text_is(key, "posted"))
		return text_bool(value, &o->posted);
	if (text_is(key, "selftest"))
		return o->selftest_fault = text_is(value, "fault");
	return false;
}

void options_parse(struct text line, struct options *o, options_error_fn bad)
{
	struct text word, key, value;

	*o = (struct options){.log = LOG_INFO, .maxcpus = UINT32_MAX, .limit = UINT64_MAX};
	while ((word = text_word(&line)).len > 0) {
		text_key_value(word, &key, &value);
		if (!parse_word(key, value, o))
			bad(word);
	}
}
