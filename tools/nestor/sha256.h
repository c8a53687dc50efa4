/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) of a piece of memory. Pure. */
#ifndef NESTOR_SHA256_H
#define NESTOR_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32u

void sha256(const void *data, size_t size, uint8_t hash[SHA256_SIZE]);

#endif
