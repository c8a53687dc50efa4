/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/mitigations.h"

#include "policy/cpuid.h"

/* Vulnerabilities that cpu_models.def speaks of. */
enum model_issue {
	MODEL_MMIO = 1 << 0,
	MODEL_RETBLEED = 1 << 1,
	MODEL_GDS = 1 << 2,
	MODEL_SRBDS = 1 << 3,
	MODEL_RFDS = 1 << 4,
	MODEL_ITS = 1 << 5,
	MODEL_ITS_INSIDE = 1 << 6, /* ... but not between a guest and its host */
	MODEL_MDS = 1 << 7,
	MODEL_L1TF = 1 << 8,
	MODEL_ITLB_MULTIHIT = 1 << 9,
	MODEL_PBRSB = 1 << 10,
	MODEL_SSB = 1 << 11,
	MODEL_VMSCAPE = 1 << 12
};

struct cpu_model {
	uint8_t model, first, last; /* steppings */
	uint16_t affected, is_free; /* enum model_issue */
};

#define A(id) MODEL_##id
#define F(id) MODEL_##id
#define NONE  0
static const struct cpu_model models[] = {
#define MODEL(model, first, last, name, affected, is_free) \
	{model, first, last, affected, is_free},
#include "policy/cpu_models.def"
};
#undef A
#undef F

#define FAMILY(signature)    (((signature) >> 8 & 0xf) + ((signature) >> 20 & 0xff))
#define CPU_MODEL(signature) (((signature) >> 4 & 0xf) | ((signature) >> 12 & 0xf0))
#define STEPPING(signature)  ((signature)&0xf)

static const struct cpu_model *model_of(uint32_t signature)
{
	static const struct cpu_model other;

	if (FAMILY(signature) != 6)
		return &other;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (models[i].model == CPU_MODEL(signature) &&
			STEPPING(signature) >= models[i].first &&
			STEPPING(signature) <= models[i].last)
			return &models[i];
	return &other;
}

static const char *const names[] = {
#define ISSUE(id, name, affected, open) [SPECULATION_##id] = name,
#define WAY(id, possible, actions, what)
#include "policy/mitigations.def"
};

static const char *const still_open[] = {
#define ISSUE(id, name, affected, open) [SPECULATION_##id] = open,
#define WAY(id, possible, actions, what)
#include "policy/mitigations.def"
};

const char *speculation_name(enum speculation_issue issue)
{
	return names[issue];
}

const char *mitigation_state_text(enum mitigation_state state)
{
	static const char *const text[] = {"Not affected", "Mitigation: ", "Vulnerable: "};

	return text[state];
}

struct speculation_facts speculation_facts_of(const struct cpuid_leaf *vendor,
	const struct cpuid_leaf *features, const struct cpuid_leaf *extended,
	const struct cpuid_leaf *more, const struct cpuid_leaf *topology, uint64_t arch_caps)
{
	bool intel = cpuid_is_intel(vendor->ebx, vendor->ecx, vendor->edx);

	return (struct speculation_facts){
		.signature = features->eax,
		.features = extended->edx,
		.arch_caps = arch_caps,
		.intel = intel,
		.rtm = extended->ebx & cpuid_mask(CPUID_RTM),
		.gather = features->ecx & cpuid_mask(CPUID_AVX) ||
			  extended->ebx & cpuid_mask(CPUID_AVX2),
		.bhi_ctrl = more->edx & cpuid_mask(CPUID_BHI_CTRL),
		.on_hypervisor = features->ecx & cpuid_mask(CPUID_HYPERVISOR),
		.threads = (topology->ecx & 0xff00) == CPUID_LEVEL_SMT &&
			   (topology->ebx & 0xffff) > 1,
		.one_vm = true, /* unless L0's command line says otherwise */
	};
}

#define CAP(bit)  ((m->arch_caps & ARCH_CAP_##bit) != 0)
#define HAS(flag) ((m->features & cpuid_mask(CPUID_##flag)) != 0)
#define A(id)     ((model->affected & MODEL_##id) != 0)
#define F(id)     ((model->is_free & MODEL_##id) != 0)
#define KNOWN(id) ((found & 1u << SPECULATION_##id) != 0)

/* A bit for each issue that the processor has. */
static uint32_t affected_by(const struct speculation_facts *m)
{
	const struct cpu_model *model = model_of(m->signature);
	uint32_t found = 0;

	if (!m->intel)
		return 0;
#define ISSUE(id, name, affected, open) found |= (affected) ? 1u << SPECULATION_##id : 0;
#define WAY(id, possible, actions, what)
#include "policy/mitigations.def"
	return found;
}

struct way {
	uint8_t issue;
	bool possible;
	uint32_t actions;
	const char *what;
};

/* The rows of mitigations.def, looked at on this processor. */
#define FLUSH_L1D      MITIGATION_FLUSH_L1D
#define CLEAR_BUFFERS  MITIGATION_CLEAR_BUFFERS
#define BARRIER        MITIGATION_BARRIER
#define NESTED_BARRIER MITIGATION_NESTED_BARRIER
#define HOST_IBRS      MITIGATION_HOST_IBRS
#define IBRS_AT_EXIT   MITIGATION_IBRS_AT_EXIT
#define FILL_RSB       MITIGATION_FILL_RSB
#define HOST_BHI_DIS   MITIGATION_HOST_BHI_DIS
#define CLEAR_REGS     MITIGATION_CLEAR_REGS
#define TSX_OFF        MITIGATION_TSX_OFF
#define MCU_OPT        MITIGATION_MCU_OPT
#define SMALL_CODE     MITIGATION_SMALL_CODE
#define CLEAR_HISTORY  MITIGATION_CLEAR_HISTORY
#define THUNKS         MITIGATION_THUNKS

static void go_ways(const struct speculation_facts *m, uint32_t found, struct mitigations *out)
{
	const struct cpu_model *model = model_of(m->signature);
	const struct way ways[] = {
#define ISSUE(id, name, affected, open)
#define WAY(id, possible, actions, what) {SPECULATION_##id, possible, actions, what},
#include "policy/mitigations.def"
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned issue = ways[i].issue;

		if (!(found >> issue & 1) || !ways[i].possible ||
			out->issue[issue].state != MITIGATION_OPEN)
			continue;
		out->issue[issue].state = MITIGATION_DONE;
		out->issue[issue].what = ways[i].what;
		out->actions |= ways[i].actions;
	}
}

/*
 * Bits of IA32_ARCH_CAPABILITIES that say no more than that an issue is not there. No processor
 * has ITS_NO: hypervisors set it (Intel, "Indirect Target Selection"). One below may name
 * another model than there is: then it alone knows of the others, and tells of them itself.
 */
static uint64_t free_of(const struct speculation_facts *m, uint32_t found)
{
	static const struct {
		uint64_t bit;
		uint8_t issue;
	} told[] = {
		{ARCH_CAP_SSB_NO, SPECULATION_SSB},
		{ARCH_CAP_MDS_NO, SPECULATION_MDS},
		{ARCH_CAP_GDS_NO, SPECULATION_GDS},
		{ARCH_CAP_RFDS_NO, SPECULATION_RFDS},
		{ARCH_CAP_ITS_NO, SPECULATION_ITS},
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (!(found >> told[i].issue & 1))
			bits |= told[i].bit;
	if (!m->intel)
		return 0;
	return m->on_hypervisor ? bits & ARCH_CAP_ITS_NO : bits;
}

void mitigations_judge(
	const struct speculation_facts *facts, enum mitigation_mode mode, struct mitigations *m)
{
	struct speculation_facts f = *facts;
	uint32_t found;

	f.one_thread = mode == MITIGATIONS_NOSMT;
	found = affected_by(&f);
	*m = (struct mitigations){.free_of = free_of(&f, found)};
	for (unsigned i = 0; i < SPECULATION_COUNT; i++) {
		bool open = found >> i & 1;

		m->issue[i].state = open ? MITIGATION_OPEN : MITIGATION_NOT_AFFECTED;
		m->issue[i].what = !open                     ? ""
				   : mode == MITIGATIONS_OFF ? "mitigations=off"
							     : still_open[i];
	}
	if (mode != MITIGATIONS_OFF)
		go_ways(&f, found, m);
}

enum speculation_issue mitigations_open(const struct mitigations *m)
{
	unsigned i = 0;

	while (i < SPECULATION_COUNT && m->issue[i].state != MITIGATION_OPEN)
		i++;
	return (enum speculation_issue)i;
}

uint64_t mitigations_host_spec_ctrl(const struct mitigations *m)
{
	return (m->actions & MITIGATION_HOST_IBRS ? SPEC_CTRL_IBRS : 0) |
	       (m->actions & MITIGATION_HOST_BHI_DIS ? SPEC_CTRL_BHI_DIS_S : 0);
}

/* ---- what L1 sees ---- */

/* What is the processor's, whoever runs on it; not which other MSRs there are. */
#define ARCH_CAPS_OFFERED                                                                      \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SKIP_L1D |            \
		ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO |                  \
		ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO |                  \
		ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO |      \
		ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | \
		ARCH_CAP_ITS_NO)

/* What CPUID says of IA32_SPEC_CTRL's bits (SDM vol. 4, table 2-2; vol. 2A, CPUID). */
static uint64_t spec_ctrl_offered(const struct cpuid_table *t)
{
	static const struct {
		uint64_t bits;
		uint8_t flag; /* enum cpuid_field */
	} rows[] = {
		{SPEC_CTRL_IBRS, CPUID_IBRS_IBPB},
		{SPEC_CTRL_STIBP, CPUID_STIBP},
		{SPEC_CTRL_SSBD, CPUID_SSBD},
		{SPEC_CTRL_IPRED_DIS_U | SPEC_CTRL_IPRED_DIS_S, CPUID_IPRED_CTRL},
		{SPEC_CTRL_RRSBA_DIS_U | SPEC_CTRL_RRSBA_DIS_S, CPUID_RRSBA_CTRL},
		{SPEC_CTRL_PSFD, CPUID_PSFD},
		{SPEC_CTRL_DDPD_U, CPUID_DDPD_U},
		{SPEC_CTRL_BHI_DIS_S, CPUID_BHI_CTRL},
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (cpuid_policy_has(t, (enum cpuid_field)rows[i].flag))
			bits |= rows[i].bits;
	return bits;
}

void speculation_offer_make(
	struct speculation_offer *o, const struct cpuid_table *t, uint64_t arch_caps)
{
	bool ibrs = cpuid_policy_has(t, CPUID_IBRS_IBPB);

	*o = (struct speculation_offer){
		.spec_ctrl = spec_ctrl_offered(t),
		.has_arch_caps = cpuid_policy_has(t, CPUID_ARCH_CAPABILITIES),
		.has_pred_cmd = ibrs,
		.has_flush_cmd = cpuid_policy_has(t, CPUID_L1D_FLUSH),
	};
	if (o->has_arch_caps)
		o->arch_caps = arch_caps & ARCH_CAPS_OFFERED;
}

bool is_speculation_msr(uint32_t msr)
{
	return msr == MSR_SPEC_CTRL || msr == MSR_PRED_CMD || msr == MSR_FLUSH_CMD ||
	       msr == MSR_ARCH_CAPABILITIES;
}

bool speculation_readable(const struct speculation_offer *o, uint32_t msr)
{
	return (msr == MSR_SPEC_CTRL && o->spec_ctrl != 0) ||
	       (msr == MSR_ARCH_CAPABILITIES && o->has_arch_caps);
}

bool speculation_takes(const struct speculation_offer *o, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_SPEC_CTRL:
		return o->spec_ctrl != 0 && !(value & ~o->spec_ctrl);
	case MSR_PRED_CMD:
		return o->has_pred_cmd && !(value & ~PRED_CMD_IBPB);
	case MSR_FLUSH_CMD:
		return o->has_flush_cmd && !(value & ~FLUSH_CMD_L1D);
	default:
		return false;
	}
}

static bool exists(const struct speculation_offer *o, uint32_t msr)
{
	return speculation_readable(o, msr) || speculation_takes(o, msr, 0);
}

enum denial speculation_denial(const struct speculation_offer *o, uint32_t msr, bool write)
{
	if (!exists(o, msr))
		return DENIAL_MSR_UNKNOWN;
	if (write && msr == MSR_ARCH_CAPABILITIES)
		return DENIAL_MSR_READ_ONLY;
	return DENIAL_MSR_SPECULATION;
}
