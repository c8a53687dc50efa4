/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor check --host --report`: what a person sends who asks why Nestor does not start on a
 * machine, or does. The lines that `--msrs` reads, and as comments what is known of processor,
 * firmware, memory and devices. No names, serial numbers and addresses of networks.
 */
#ifndef NESTOR_HOST_REPORT_H
#define NESTOR_HOST_REPORT_H

#include <stdio.h>

#include "arena.h"
#include "host_devices.h"
#include "nested/caps.h"

/* @proc, @sys: folders like those of Linux. */
void host_report_head(FILE *out, struct arena *a, const char *proc, const char *sys);
/* One of the MSRs that --msrs takes. */
void host_report_caps(FILE *out, const struct vmx_caps *caps);
/* CPUID of the processor that this runs on. */
void host_report_cpuid(FILE *out);
void host_report_machine(FILE *out, struct arena *a, const char *proc, const char *sys);
void host_report_devices(FILE *out, const struct host_devices *d);

#endif
