/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of dev/vpass need of its seam that look at no messages: one CPU, no posting; and a
 * clock of milliseconds.
 */
#ifndef NESTOR_TESTS_PASS_IDLE_H
#define NESTOR_TESTS_PASS_IDLE_H

#include "dev/vpass.h"

static uint64_t idle_now;

uint64_t dev_pass_now(void)
{
	return idle_now;
}

uint64_t dev_pass_ticks(unsigned ms)
{
	return ms;
}

void dev_pass_separate(const struct vpass_function *f)
{
	(void)f;
}

void dev_pass_lock(void)
{
}

void dev_pass_unlock(void)
{
}

uint32_t dev_pass_target(const struct vpass_function *f)
{
	(void)f;
	return 0;
}

bool dev_pass_posts(const struct vpass_function *f)
{
	(void)f;
	return false;
}

bool dev_pass_post(const struct vpass_function *f, unsigned i, const struct vpci_posted *to)
{
	(void)f;
	(void)i;
	(void)to;
	return false;
}

void dev_pass_ask_reset(struct platform *p, const struct vpass_function *f)
{
	(void)p;
	(void)f;
}

#endif
