/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/net_config.h"

#include "lib/bits.h"
#include "lib/fmt.h"
#include "spec/net.h"

#define NETWORK_ROW 0u

#define ROW(name, kind, member) name, name, kind, SETTING_AT(struct net_config, member)

const struct setting net_settings[] = {
	{ROW("network", SETTING_NAME, network), .help = "the network it is on"},
	{ROW("mac", SETTING_MAC, mac), .help = "its address"},
	{ROW("vlan", SETTING_NUMBER, vlan), .max = VLAN_ID_MAX,
		.help = "the VLAN that it is in; 0: none"},
	{ROW("trunk", SETTING_SWITCH, trunk), .help = "frames are tagged with their VLAN"},
	{ROW("rate", SETTING_SIZE, rate), .min = 0, .max = 1ull << 40, .unit = 64 << 10,
		.help = "bits a second that it may send; 0: no limit"},
	{ROW("frames", SETTING_NUMBER, frames), .max = 100000000,
		.help = "frames a second that it may send; 0: no limit"},
	{ROW("mtu", SETTING_NUMBER, mtu), .min = ETH_MTU_MIN, .max = 65535,
		.initial = ETH_MTU_DEFAULT, .help = "the largest packet"},
	{ROW("queues", SETTING_NUMBER, queues), .max = LIMIT_QUEUES,
		.help = "pairs of queues, for as many flows at once; 0: one for each vCPU, "
			"as far as there are so many"},
	{ROW("spoof", SETTING_SWITCH, spoof), .help = "it may send from other addresses"},
	{ROW("offload", SETTING_SWITCH, offload), .initial = true,
		.help = "it may leave checksums and segments to the receiver"},
	{ROW("root-port", SETTING_NUMBER, root_port), .max = LIMIT_ROOT_PORTS,
		.help = "the root port that it is behind; 0: it is on bus 0"},
	{ROW("vfs", SETTING_NUMBER, vfs), .max = LIMIT_VFS,
		.help = "virtual functions (SR-IOV) that the guest may turn on"},
	{ROW("attached", SETTING_SWITCH, attached), .initial = true,
		.help = "it is there from the start"},
	{.kind = SETTING_END},
};

/* FNV-1a over what tells devices apart; an address that nobody has by birth. */
uint64_t net_config_mac(const struct net_list *l, unsigned index, const char *vm)
{
	uint64_t hash = 0xcbf29ce484222325;

	if (l->at[index].mac != 0)
		return l->at[index].mac;
	for (; *vm != '\0'; vm++)
		hash = (hash ^ (uint8_t)*vm) * 0x100000001b3;
	hash = (hash ^ index) * 0x100000001b3;
	hash ^= hash >> 32;
	return UINT64_C(0x524e) << 32 | (hash & 0xffffffff);
}

/* The second byte counts on, so that those of devices with addresses in a row differ, too. */
uint64_t net_config_vf_mac(uint64_t mac, unsigned number)
{
	uint64_t second = (mac + (UINT64_C(1) + number) * (UINT64_C(1) << 32)) & 0xff00000000;

	return (mac & UINT64_C(0xff00ffffffff)) | second |
	       (uint64_t)ETH_LOCAL << (ETH_MAC_SIZE - 1) * 8;
}

unsigned net_list_vfs(const struct net_list *l, unsigned index)
{
	unsigned vfs = 0;

	for (unsigned i = 0; i < index; i++)
		vfs += l->at[i].vfs;
	return vfs;
}

unsigned net_config_queues(const struct net_config *c, unsigned cpus)
{
	unsigned wanted = c->queues != 0 ? c->queues : cpus;

	return wanted < LIMIT_QUEUES ? wanted : LIMIT_QUEUES;
}

const char *net_config_error(const struct net_config *c)
{
	if (c->network[0] == '\0')
		return "the network device has no network";
	if (!c->attached && c->root_port == 0)
		return VM_NOT_ATTACHED;
	if (c->vfs != 0 && c->root_port == 0)
		return "only what is behind a root port ('root-port') has virtual functions "
		       "('vfs')";
	if (c->trunk && c->vlan != 0)
		return "a trunk has no VLAN of its own";
	return NULL;
}

const struct net_config *net_list_at_port(const struct net_list *l, uint32_t port)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].root_port == port)
			return &l->at[i];
	return NULL;
}

/* Takes off *rest what is before the separator, and it; false when there is none. */
static bool cut(struct text *rest, char separator, struct text *before)
{
	*before = (struct text){rest->s, 0};
	while (before->len < rest->len && rest->s[before->len] != separator)
		before->len++;
	if (before->len == rest->len)
		return false;
	*rest = (struct text){rest->s + before->len + 1, rest->len - before->len - 1};
	return true;
}

static void say(char *must, const char *why)
{
	fmt(must, SETTING_TEXT_SIZE, "%s", why);
}

static unsigned row_of(struct text key)
{
	unsigned i = 0;

	while (net_settings[i].kind != SETTING_END && !text_is(key, net_settings[i].key))
		i++;
	return i;
}

/* KEY=VALUE, where the rows in *seen have their values. */
static bool parse_word(struct text word, struct net_config *c, uint32_t *seen, char *must)
{
	struct text key, value;
	struct refusal r;
	unsigned row;

	text_key_value(word, &key, &value);
	row = row_of(key);
	if (*seen >> row & 1) {
		fmt(must, SETTING_TEXT_SIZE, "%s is given twice%s", net_settings[row].key,
			row == NETWORK_ROW ? ": it is the first word" : "");
		return false;
	}
	*seen |= BIT(row);
	if (settings_parse(net_settings, word, c, &r))
		return true;
	say(must, r.why);
	return false;
}

static bool parse_one(struct text rest, struct net_config *c, char *must)
{
	struct text word;
	uint32_t seen = BIT(NETWORK_ROW);
	const char *error;
	bool more = cut(&rest, ',', &word);

	settings_init(net_settings, c);
	if (!setting_parse(&net_settings[NETWORK_ROW], word, c, must))
		return false;
	while (more) {
		more = cut(&rest, ',', &word);
		if (!parse_word(word, c, &seen, must))
			return false;
	}
	error = net_config_error(c);
	if (error != NULL)
		say(must, error);
	return error == NULL;
}

bool net_list_parse(struct text value, struct net_list *l, char *must)
{
	struct text one, rest = value;
	bool more;

	__builtin_memset(l, 0, sizeof(*l));
	do {
		more = cut(&rest, '+', &one);
		if (l->count == LIMIT_NETS) {
			say(must, "not so many network devices");
			return false;
		}
		if (!parse_one(one, &l->at[l->count++], must))
			return false;
	} while (more);
	return true;
}

size_t net_list_format(const struct net_list *l, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < l->count; i++) {
		n += fmt(buf + n, size - n, "%s%s", i == 0 ? "" : "+", l->at[i].network);
		for (const struct setting *s = net_settings + 1; s->kind != SETTING_END; s++) {
			if (setting_is_default(s, &l->at[i]))
				continue;
			n += fmt(buf + n, size - n, ",%s=", s->key);
			n += setting_format(s, &l->at[i], buf + n, size - n);
		}
	}
	return n;
}
