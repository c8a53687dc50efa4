/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/config.h"

static struct l0_config current = {.log = LOG_INFO, .time_limit = UINT64_MAX};

const struct l0_config *l0_config(void)
{
	return &current;
}

void config_set(const struct l0_config *config)
{
	current = *config;
}

void config_stop(void)
{
	__atomic_store_n(&current.time_limit, 0, __ATOMIC_SEQ_CST);
}
