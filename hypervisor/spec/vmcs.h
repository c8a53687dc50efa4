/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMCS fields: dense ids derived from vmcs_fields.def, and what an encoding says about its
 * field (SDM appendix B, 24.11.2 "VMREAD, VMWRITE, and Encodings of VMCS Fields").
 */
#ifndef NESTOR_SPEC_VMCS_H
#define NESTOR_SPEC_VMCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vmcs_fid {
#define F(name, enc, exists, group, flags) FID_##name,
#include "spec/vmcs_fields.def"
	FID_COUNT,
	FID_NONE = FID_COUNT
};

/* The encoding of each field under its SDM name: VMCS_GUEST_RIP and so on. */
enum vmcs_encoding {
#define F(name, enc, exists, group, flags) VMCS_##name = (enc),
#include "spec/vmcs_fields.def"
};

enum vmcs_width {
	VMCS_WIDTH_16,
	VMCS_WIDTH_64,
	VMCS_WIDTH_32,
	VMCS_WIDTH_NATURAL
};

enum vmcs_type {
	VMCS_TYPE_CONTROL,
	VMCS_TYPE_INFO,
	VMCS_TYPE_GUEST,
	VMCS_TYPE_HOST
};

/* See vmcs_fields.def. Values are bits so that a set of groups is a mask. */
enum vmcs_group {
	GROUP_INFO = 1,
	GROUP_HOT = 2,
	GROUP_RARE = 4,
	GROUP_CTL = 8,
	GROUP_HOST = 16,
	GROUP_GONE = 32,
	GROUP_LOADED = 64
};

/* 24.2 "Format of the VMCS Region": in the first word, beside the revision identifier */
#define VMCS_SHADOW_INDICATOR (1u << 31)

enum vmcs_field_flags {
	FIELD_SR = 1,
	FIELD_SW = 3, /* writable without an exit implies readable */
	FIELD_SW_ONLY = 2,
	FIELD_CHK_C = 4,
	FIELD_CHK_H = 8,
	FIELD_CHK_G = 16
};

static inline enum vmcs_width vmcs_width(uint32_t enc)
{
	return (enum vmcs_width)((enc >> 13) & 3);
}

static inline enum vmcs_type vmcs_type(uint32_t enc)
{
	return (enum vmcs_type)((enc >> 10) & 3);
}

/* Bit 0 of an encoding selects the upper half of a 64-bit field. */
static inline bool vmcs_is_high(uint32_t enc)
{
	return enc & 1;
}

/*
 * The dense id of a full-access encoding, or of the "high" encoding of a 64-bit field; FID_NONE
 * for every other of the 2^32 values.
 */
enum vmcs_fid vmcs_fid_of(uint32_t encoding);

/* The row of a field, for code that walks all of them. */
struct vmcs_field {
	const char *name; /* SDM-like name, for example "GUEST_RIP" */
	uint16_t encoding;
	uint8_t group;       /* enum vmcs_group */
	uint8_t flags;       /* enum vmcs_field_flags */
	uint8_t exists_word; /* enum vmcs_exists_word */
	uint8_t exists_bit;
};

enum vmcs_exists_word {
	EXISTS_ALWAYS,
	EXISTS_PIN,
	EXISTS_PROC,
	EXISTS_PROC2,
	EXISTS_PROC3,
	EXISTS_EXIT,
	EXISTS_ENTRY,
	EXISTS_VMFUNC
};

extern const struct vmcs_field vmcs_fields[FID_COUNT];

/* Access rights of guest segments (24.4.1): bits 11:8 and 31:17 are reserved, and not kept. */
#define VMCS_AR_MASK 0x1f0ffull

static inline bool vmcs_is_access_rights(uint32_t enc)
{
	return enc >= VMCS_GUEST_ES_AR && enc <= VMCS_GUEST_TR_AR;
}

/* The bits a field can hold, by its width: 0xffff, 0xffffffff or all; of access rights less. */
static inline uint64_t vmcs_value_mask(uint32_t enc)
{
	switch (vmcs_width(enc)) {
	case VMCS_WIDTH_16:
		return 0xffff;
	case VMCS_WIDTH_32:
		return vmcs_is_access_rights(enc) ? VMCS_AR_MASK : 0xffffffff;
	default:
		return ~0ull;
	}
}

#endif
