/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts. */
#ifndef NESTOR_HELP_H
#define NESTOR_HELP_H

#include "command.h"

/* Prints the help for a verb, or for the tool, to standard output. */
void help_print(enum verb on);

/* Prints the words of --vmx-features or --cpu-features: presets, features, and those not
 * implemented yet. */
void help_print_features(const struct feature_family *family);

#endif
