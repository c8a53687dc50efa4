/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much L0 logs.
 */
#ifndef NESTOR_LIB_LOG_LEVEL_H
#define NESTOR_LIB_LOG_LEVEL_H

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG
};

#endif
