/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of kernel images; see unpack.h. */
#include "unpack.h"

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#define LZ4_LEGACY_BLOCK (8U << 20)
#define DAMAGED          "its compressed kernel is damaged"

static const char *unpack_gzip(const struct bytes *in, size_t limit, struct bytes *out)
{
	z_stream z = {
		.next_in = in->data,
		.avail_in = (uInt)in->size,
		.next_out = out->data,
		.avail_out = (uInt)limit,
	};
	int status;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return "out of memory";
	status = inflate(&z, Z_FINISH);
	out->size = z.total_out;
	inflateEnd(&z);
	return status == Z_STREAM_END ? NULL : DAMAGED;
}

static const char *unpack_xz(const struct bytes *in, size_t limit, struct bytes *out)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret status;

	if (lzma_auto_decoder(&s, UNPACK_LIMIT, 0) != LZMA_OK)
		return "out of memory";
	s.next_in = in->data;
	s.avail_in = in->size;
	s.next_out = out->data;
	s.avail_out = limit;
	status = lzma_code(&s, LZMA_RUN);
	out->size = s.total_out;
	lzma_end(&s);
	return status == LZMA_STREAM_END ? NULL : DAMAGED;
}

static const char *unpack_zstd(const struct bytes *in, size_t limit, struct bytes *out)
{
	size_t frame = ZSTD_findFrameCompressedSize(in->data, in->size);

	if (ZSTD_isError(frame))
		return DAMAGED;
	out->size = ZSTD_decompress(out->data, limit, in->data, frame);
	return ZSTD_isError(out->size) ? DAMAGED : NULL;
}

/* Blocks of a 4-byte size and that many bytes, after a magic number of 4 bytes. */
static const char *unpack_lz4(const struct bytes *in, size_t limit, struct bytes *out)
{
	size_t at = 4;
	uint64_t size;

	out->size = 0;
	while (bytes_get(in, at, 4, &size) && size && bytes_has(in, at + 4, size)) {
		size_t room = limit - out->size;
		int got;

		room = room > LZ4_LEGACY_BLOCK ? LZ4_LEGACY_BLOCK : room;
		got = LZ4_decompress_safe((const char *)in->data + at + 4,
			(char *)out->data + out->size, (int)size, (int)room);
		if (got < 0)
			return DAMAGED;
		out->size += (size_t)got;
		at += 4 + size;
	}
	return out->size ? NULL : DAMAGED;
}

struct format {
	const char *magic;
	size_t magic_size;
	const char *(*unpack)(const struct bytes *in, size_t limit, struct bytes *out);
};

static const struct format formats[] = {
	{"\x1f\x8b", 2, unpack_gzip},
	{"\xfd"
	 "7zXZ",
		5, unpack_xz},
	{"\x5d\0\0", 3, unpack_xz},
	{"\x28\xb5\x2f\xfd", 4, unpack_zstd},
	{"\x02\x21\x4c\x18", 4, unpack_lz4},
};

const char *unpack(struct arena *a, const struct bytes *packed, size_t limit, struct bytes *out)
{
	const size_t count = sizeof(formats) / sizeof(formats[0]);

	if (limit > UNPACK_LIMIT)
		return "its kernel is larger than 512 MiB when unpacked";
	for (size_t i = 0; i < count; i++) {
		if (!bytes_match(packed, 0, formats[i].magic, formats[i].magic_size))
			continue;
		*out = (struct bytes){arena_alloc(a, limit + 1), 0};
		return formats[i].unpack(packed, limit, out);
	}
	return "its kernel is not compressed with gzip, lz4, xz, lzma or zstd";
}
