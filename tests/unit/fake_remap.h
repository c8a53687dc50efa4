/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without devices that a VM owns: nothing follows from the tables of a virtual unit.
 */
#ifndef NESTOR_TESTS_FAKE_REMAP_H
#define NESTOR_TESTS_FAKE_REMAP_H

#include "dev/vvtd.h"

void dev_remap_changed(struct platform *p, const struct vvtd_invalidation *i)
{
	(void)p;
	(void)i;
}

bool dev_remap_work(struct platform *p, unsigned *most)
{
	(void)p;
	(void)most;
	return false;
}

void dev_remap_faults(struct platform *p)
{
	(void)p;
}

bool dev_remap_waits(const struct platform *p)
{
	(void)p;
	return false;
}

#endif
