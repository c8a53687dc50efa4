/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of kernel images. */
#ifndef NESTOR_UNPACK_H
#define NESTOR_UNPACK_H

#include "arena.h"
#include "bytes.h"

/* No image may be larger than this when unpacked. */
#define UNPACK_LIMIT (512UL << 20)

/*
 * Unpacks @packed: gzip, xz, lzma, zstd, or lz4 in its legacy frame; bytes after its end do not
 * matter. Fails when the result is larger than @limit. Returns NULL, or what is wrong.
 */
const char *unpack(
	struct arena *a, const struct bytes *packed, size_t limit, struct bytes *out);

#endif
