/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/log.h"
#include "lib/fmt.h"
#include "nested/caps.h"
#include "vmx/vmx.h"

static bool probe(void)
{
	const char *missing = "";

	switch (vmx_probe(&missing)) {
	case VMX_OK:
		return true;
	case VMX_ABSENT:
		log_error("this CPU has no VT-x: Nestor cannot run VMs here");
		break;
	case VMX_LOCKED_OFF:
		log_error("VT-x is locked off by the firmware (IA32_FEATURE_CONTROL): "
			  "enable it in the firmware's setup");
		break;
	case VMX_INSUFFICIENT:
		log_error("this CPU's VT-x lacks %s, which Nestor needs", missing);
		break;
	}
	return false;
}

/* The features by the names that scenarios use. */
static void log_features(void)
{
	uint64_t have = caps_machine_features(&vmx_caps) & ~(1ull << CAPS_FEATURE_BASE);
	char line[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++)
		if (have >> i & 1)
			used += fmt(line + used, sizeof(line) - used, " %s",
				caps_feature_name((enum caps_feature)i));
	log_info("VT-x of this machine:%s", line);
}

bool vmx_start(void)
{
	if (!probe())
		return false;
	if (!vmx_cpu_on()) {
		log_error("VMXON failed");
		return false;
	}
	log_features();
	return true;
}
