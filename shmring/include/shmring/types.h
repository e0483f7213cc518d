/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words shared by every part of the C API. All times are nanoseconds on CLOCK_MONOTONIC, all sizes are bytes.
 * Structures begin with `struct_size`: initialise each with its SHMRING_*_INIT macro, so that a library newer than the program fills only
 * what the program knows, and sets struct_size to how much the library filled where that is less. 0 is SHMRING_INVALID, and
 * shmring_last_error() names the macro. An array has the size of its elements in the call instead.
 * NULL where a handle or a place for a result belongs is SHMRING_INVALID; functions without a status then do nothing, or return NULL, 0,
 * false, or -1 as a descriptor.
 */
#ifndef SHMRING_TYPES_H
#define SHMRING_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SHMRING_API __attribute__((visibility("default")))
#else
#define SHMRING_API
#endif

/* Any int may come from a C program or through a socket; to C++ an enum holds it only if that is said. */
#ifdef __cplusplus
#define SHMRING_INT : int
#else
#define SHMRING_INT
#endif

#define SHMRING_TIME_NONE UINT64_MAX
#define SHMRING_WAIT_FOREVER UINT64_MAX
#define SHMRING_MAX_PLANES 4
#define SHMRING_NAME_SIZE 64 /* with the closing zero */
#define SHMRING_MAX_READERS 63
#define SHMRING_METADATA_SIZE 4096

/* Result of a call. Zero is success; for everything else shmring_last_error() returns the error message. */
typedef enum shmring_status SHMRING_INT {
  SHMRING_OK = 0,
  SHMRING_TIMEOUT = 1,      /* nothing came in time (or at once, with a timeout of 0) */
  SHMRING_END = 2,          /* the publisher ended the stream and every frame before the end was taken */
  SHMRING_DISCONNECTED = 3, /* the publisher is gone (only where the reader was told not to wait for the next one) */
  SHMRING_INTERRUPTED = 4,  /* shmring_reader_interrupt() was called */
  SHMRING_FULL = 5,         /* no slot is free: the frame is dropped and counted */
  SHMRING_TOO_LARGE = 6,    /* the frame does not fit into a slot: refused and counted */
  SHMRING_TOO_MANY_HELD =
      7,                /* the reader already holds max_held frames, those of former rings counted: release one first */
  SHMRING_IN_USE = 8,   /* the path has a live publisher, the ring its readers, or the name its owner */
  SHMRING_REFUSED = 9,  /* refused by the publisher (the error message says why), or by the mode of its socket */
  SHMRING_INVALID = 10, /* an argument is out of its range */
  SHMRING_PROTOCOL = 11,  /* the peer broke the protocol, or speaks another version of it */
  SHMRING_NO_MEMORY = 12, /* not enough memory; see shmring_last_error() */
  SHMRING_SYSTEM = 13,    /* a system call failed; see shmring_last_error() */
  SHMRING_FORKED = 14     /* this handle belongs to the parent process */
} shmring_status;

/* Drop policy of a lane whose reader is slower than the publisher. */
typedef enum shmring_policy SHMRING_INT {
  SHMRING_DROP_NEWEST = 0,     /* first in, first out: the new frame is dropped while `depth` frames wait */
  SHMRING_DROP_OLDEST = 1,     /* the oldest waiting frame gives way */
  SHMRING_LATEST = 2,          /* a mailbox: one frame waits, always the newest */
  SHMRING_POLICY_DEFAULT = 255 /* whatever the publisher sets for readers that do not ask */
} shmring_policy;

/* Method of waiting for frames. */
typedef enum shmring_wake SHMRING_INT {
  SHMRING_WAKE_BLOCK = 0, /* sleep until the doorbell rings */
  SHMRING_WAKE_ADAPTIVE =
      1 /* sleep until just before the next frame is due, then spin briefly; one such reader a ring */
} shmring_wake;

/* Layout of a video frame's bytes, for readers that do not parse caps. BYTES: not raw video, or a format whose planes are not
 * rows of samples (tiled, compressed, 10 bits packed across bytes). The names are GStreamer's, of video/x-raw and, from BGGR on, of
 * video/x-bayer. */
typedef enum shmring_pixel_format SHMRING_INT {
  SHMRING_BYTES = 0,
  SHMRING_GRAY8 = 1,
  SHMRING_RGB = 2,
  SHMRING_BGR = 3,
  SHMRING_RGBA = 4,
  SHMRING_BGRA = 5,
  SHMRING_RGBX = 6,
  SHMRING_BGRX = 7,
  SHMRING_ARGB = 8,
  SHMRING_ABGR = 9,
  SHMRING_XRGB = 10,
  SHMRING_XBGR = 11,
  SHMRING_NV12 = 12,
  SHMRING_I420 = 13,
  SHMRING_GRAY16_LE = 14,
  SHMRING_ARGB64_LE = 15,
  SHMRING_RGBA64_LE = 16,
  SHMRING_BGRA64_LE = 17,
  SHMRING_ABGR64_LE = 18,
  SHMRING_A444_16LE = 19,
  SHMRING_NV21 = 20,
  SHMRING_YUY2 = 21,
  SHMRING_UYVY = 22,
  SHMRING_YV12 = 23,
  SHMRING_Y41B = 24,
  SHMRING_Y42B = 25,
  SHMRING_Y444 = 26,
  SHMRING_YUV9 = 27,
  SHMRING_YVU9 = 28,
  SHMRING_YVYU = 29,
  SHMRING_VYUY = 30,
  SHMRING_AYUV = 31,
  SHMRING_VUYA = 32,
  SHMRING_RBGA = 33,
  SHMRING_V308 = 34,
  SHMRING_IYU2 = 35,
  SHMRING_RGB16 = 36,
  SHMRING_BGR16 = 37,
  SHMRING_RGB15 = 38,
  SHMRING_BGR15 = 39,
  SHMRING_GRAY16_BE = 40,
  SHMRING_GRAY10_LE16 = 41,
  SHMRING_GBR = 42,
  SHMRING_RGBP = 43,
  SHMRING_BGRP = 44,
  SHMRING_GBRA = 45,
  SHMRING_A420 = 46,
  SHMRING_A422 = 47,
  SHMRING_A444 = 48,
  SHMRING_AV12 = 49,
  SHMRING_NV16 = 50,
  SHMRING_NV61 = 51,
  SHMRING_NV24 = 52,
  SHMRING_P010_10LE = 53,
  SHMRING_P010_10BE = 54,
  SHMRING_P012_LE = 55,
  SHMRING_P012_BE = 56,
  SHMRING_P016_LE = 57,
  SHMRING_P016_BE = 58,
  SHMRING_I420_10LE = 59,
  SHMRING_I420_10BE = 60,
  SHMRING_I420_12LE = 61,
  SHMRING_I420_12BE = 62,
  SHMRING_I422_10LE = 63,
  SHMRING_I422_10BE = 64,
  SHMRING_I422_12LE = 65,
  SHMRING_I422_12BE = 66,
  SHMRING_Y444_10LE = 67,
  SHMRING_Y444_10BE = 68,
  SHMRING_Y444_12LE = 69,
  SHMRING_Y444_12BE = 70,
  SHMRING_Y444_16LE = 71,
  SHMRING_Y444_16BE = 72,
  SHMRING_GBR_10LE = 73,
  SHMRING_GBR_10BE = 74,
  SHMRING_GBR_12LE = 75,
  SHMRING_GBR_12BE = 76,
  SHMRING_GBRA_10LE = 77,
  SHMRING_GBRA_10BE = 78,
  SHMRING_GBRA_12LE = 79,
  SHMRING_GBRA_12BE = 80,
  SHMRING_A444_10LE = 81,
  SHMRING_A444_10BE = 82,
  SHMRING_A444_12LE = 83,
  SHMRING_A444_12BE = 84,
  SHMRING_A444_16BE = 85,
  SHMRING_A420_10LE = 86,
  SHMRING_A420_10BE = 87,
  SHMRING_A420_12LE = 88,
  SHMRING_A420_12BE = 89,
  SHMRING_A420_16LE = 90,
  SHMRING_A420_16BE = 91,
  SHMRING_A422_10LE = 92,
  SHMRING_A422_10BE = 93,
  SHMRING_A422_12LE = 94,
  SHMRING_A422_12BE = 95,
  SHMRING_A422_16LE = 96,
  SHMRING_A422_16BE = 97,
  SHMRING_ARGB64_BE = 98,
  SHMRING_RGBA64_BE = 99,
  SHMRING_BGRA64_BE = 100,
  SHMRING_ABGR64_BE = 101,
  SHMRING_AYUV64 = 102,
  SHMRING_Y210 = 103,
  SHMRING_Y212_LE = 104,
  SHMRING_Y212_BE = 105,
  SHMRING_Y216_LE = 106,
  SHMRING_Y216_BE = 107,
  SHMRING_V216 = 108,
  SHMRING_Y412_LE = 109,
  SHMRING_Y412_BE = 110,
  SHMRING_Y416_LE = 111,
  SHMRING_Y416_BE = 112,
  SHMRING_Y410 = 113,
  SHMRING_R210 = 114,
  SHMRING_BGR10A2_LE = 115,
  SHMRING_RGB10A2_LE = 116,
  SHMRING_GBR_16LE = 117,
  SHMRING_GBR_16BE = 118,
  SHMRING_BGR10X2_LE = 119,
  SHMRING_RGB10X2_LE = 120,
  SHMRING_BGGR = 121,
  SHMRING_GBRG = 122,
  SHMRING_GRBG = 123,
  SHMRING_RGGB = 124,
  SHMRING_BGGR10LE = 125,
  SHMRING_GBRG10LE = 126,
  SHMRING_GRBG10LE = 127,
  SHMRING_RGGB10LE = 128,
  SHMRING_BGGR10BE = 129,
  SHMRING_GBRG10BE = 130,
  SHMRING_GRBG10BE = 131,
  SHMRING_RGGB10BE = 132,
  SHMRING_BGGR12LE = 133,
  SHMRING_GBRG12LE = 134,
  SHMRING_GRBG12LE = 135,
  SHMRING_RGGB12LE = 136,
  SHMRING_BGGR12BE = 137,
  SHMRING_GBRG12BE = 138,
  SHMRING_GRBG12BE = 139,
  SHMRING_RGGB12BE = 140,
  SHMRING_BGGR14LE = 141,
  SHMRING_GBRG14LE = 142,
  SHMRING_GRBG14LE = 143,
  SHMRING_RGGB14LE = 144,
  SHMRING_BGGR14BE = 145,
  SHMRING_GBRG14BE = 146,
  SHMRING_GRBG14BE = 147,
  SHMRING_RGGB14BE = 148,
  SHMRING_BGGR16LE = 149,
  SHMRING_GBRG16LE = 150,
  SHMRING_GRBG16LE = 151,
  SHMRING_RGGB16LE = 152,
  SHMRING_BGGR16BE = 153,
  SHMRING_GBRG16BE = 154,
  SHMRING_GRBG16BE = 155,
  SHMRING_RGGB16BE = 156
} shmring_pixel_format;

/* One plane: an array of rows, columns and components of the samples' type. Sides are the picture's, divided and rounded up; the columns of
 * formats whose pixels share their colour by pairs in one plane (YUY2) are rounded up to even. */
typedef struct shmring_plane_layout {
  uint32_t columns_divisor;
  uint32_t rows_divisor;
  uint32_t components; /* samples side by side for each column, as 3 in RGB, or 2 in YUY2 (Y with U, Y with V) */
} shmring_plane_layout;

/* Layout of a pixel format. */
typedef struct shmring_pixel_layout {
  const char* name;     /* GStreamer's, as in caps */
  uint32_t sample_size; /* bytes: 1, 2 or 4, unsigned */
  uint32_t bits;        /* of a sample that mean something; 0: a sample holds several fields, as in RGB16 or Y410 */
  uint32_t shift;       /* zero bits below them: 6 in P010_10LE, 0 in I420_10LE */
  uint32_t big_endian;  /* 1: the bytes of a sample are in the order of the network */
  uint32_t plane_count;
  shmring_plane_layout planes[SHMRING_MAX_PLANES];
} shmring_pixel_layout;

/* An array in a frame, as numpy and DLPack describe one. The element at [i, j, …] begins at offset + i × strides[0] + j × strides[1] + … of the
 * frame's data. All elements lie within the frame. */
#define SHMRING_MAX_DIMENSIONS 8
typedef struct shmring_array {
  size_t struct_size;
  uint64_t offset;     /* of the first element, bytes */
  uint32_t kind;       /* of number: 'u' unsigned, 'i' signed, 'f' float, 'c' complex, 'b' boolean */
  uint32_t item_size;  /* bytes of a number */
  uint32_t big_endian; /* 1: the bytes of a number are in the order of the network */
  uint32_t dimensions;
  int64_t shape[SHMRING_MAX_DIMENSIONS];
  int64_t strides[SHMRING_MAX_DIMENSIONS]; /* bytes; negative where rows run upwards */
} shmring_array;
#define SHMRING_ARRAY_INIT                                                                       \
  {                                                                                              \
    sizeof(shmring_array), 0, 'u', 1, 0, 0, {0, 0, 0, 0, 0, 0, 0, 0}, { 0, 0, 0, 0, 0, 0, 0, 0 } \
  }

/* Frame flags, a bit set. */
#define SHMRING_FRAME_DELTA_UNIT (1u << 0) /* cannot be decoded without frames before it */
#define SHMRING_FRAME_DISCONT (1u << 1)    /* frames are missing before this one */
#define SHMRING_FRAME_CORRUPTED (1u << 2)
#define SHMRING_FRAME_GAP (1u << 3)
#define SHMRING_FRAME_HEADER (1u << 4)
#define SHMRING_FRAME_MARKER (1u << 5)
#define SHMRING_FRAME_TOP_FIELD_FIRST (1u << 6)
#define SHMRING_FRAME_INTERLACED (1u << 7)
#define SHMRING_FRAME_REPEAT_FIRST_FIELD (1u << 8)
#define SHMRING_FRAME_ONE_FIELD (1u << 9) /* one field of a picture: with TOP_FIELD_FIRST the top one */

typedef struct shmring_plane {
  uint64_t offset; /* of the plane's first byte in the frame's data */
  int32_t stride;  /* from one row to the next */
  uint32_t reserved;
} shmring_plane;

/* Format of frames. `caps` is a GStreamer caps string (UTF-8) or empty; the rest is filled for raw video only. */
typedef struct shmring_format {
  size_t struct_size;
  const char* caps; /* borrowed; from a frame: valid as long as the frame is held */
  uint64_t id;      /* from a frame: differs whenever the format differs; ignored in shmring_publisher_set_format() */
  shmring_pixel_format pixel_format;
  uint32_t width;  /* pixels */
  uint32_t height; /* pixels */
  uint32_t plane_count;
  shmring_plane planes[SHMRING_MAX_PLANES]; /* used by frames that do not bring planes of their own */
} shmring_format;
#define SHMRING_FORMAT_INIT                                  \
  {                                                          \
    sizeof(shmring_format), "", 0, SHMRING_BYTES, 0, 0, 0, { \
      { 0, 0, 0 }                                            \
    }                                                        \
  }

/* One frame: what a publisher says of it, and what a reader finds. */
typedef struct shmring_frame_info {
  size_t struct_size;
  uint64_t sequence;     /* counts every frame offered to the ring, from 1; gaps are frames this reader never gets */
  uint64_t size;         /* bytes */
  uint64_t pts;          /* when the frame was captured or is to be shown; SHMRING_TIME_NONE, as dts: when published */
  uint64_t dts;          /* or SHMRING_TIME_NONE */
  uint64_t duration;     /* ns, or SHMRING_TIME_NONE */
  uint64_t published_at; /* when it was handed over; the age of a frame is now minus this */
  uint64_t offset;       /* the source's own count (a camera's frame number), or SHMRING_TIME_NONE */
  uint32_t flags;
  uint32_t plane_count; /* 0: the format's planes apply */
  shmring_plane planes[SHMRING_MAX_PLANES];
  /* Bytes about the frame that travel with it, at most SHMRING_METADATA_SIZE, or NULL; shmringsink and shmringsrc put GStreamer's metas
   * there (docs/abi.md). Borrowed: from a frame, valid as long as the frame is held. */
  const void* metadata;
  size_t metadata_size;
} shmring_frame_info;
#define SHMRING_FRAME_INFO_INIT                                                                                      \
  {                                                                                                                  \
    sizeof(shmring_frame_info), 0, 0, SHMRING_TIME_NONE, SHMRING_TIME_NONE, SHMRING_TIME_NONE, 0, SHMRING_TIME_NONE, \
        0, 0, {{0, 0, 0}}, NULL, 0                                                                                   \
  }

/* Kinds of records in a frame's metadata (docs/abi.md). Others may come; pass over what you do not know. */
typedef enum shmring_meta_kind SHMRING_INT {
  SHMRING_META_TIMESTAMP = 1,  /* timestamp and duration on the clock that `name`, a GStreamer caps string, says */
  SHMRING_META_SERIALIZED = 2, /* data: what gst_meta_serialize() of GStreamer 1.24 or newer gave */
  SHMRING_META_PARTS = 3,      /* data: size and flags (4 bytes each) of the buffers that the frame is made of */
  SHMRING_META_CUSTOM = 4,     /* GstCustomMeta `name`; data: its GstStructure as text */
  SHMRING_META_REGION =
      5, /* a region of interest of type `name`; data: its parameters, a line of GstStructure text each */
  SHMRING_META_BYTES = 6, /* data: bytes of the publishing application */
  /* What analytics found, as a GstAnalyticsRelationMeta has it; data: a row of the records below, which are items with numbers from 0 in
   * their order, but for RELATIONS. shmring_meta_next() reads it, shmring_meta_add() makes it. */
  SHMRING_META_ANALYTICS = 7,
  SHMRING_META_DETECTION = 8,      /* x, y (int32_t), width and height of an object `name`, confidence, rotation */
  SHMRING_META_CLASSIFICATION = 9, /* data: a row of records SHMRING_META_CLASS */
  SHMRING_META_CLASS = 10,         /* confidence in the class `name` */
  SHMRING_META_TRACKING = 11,      /* track, timestamp of the first sight, last_seen, lost */
  SHMRING_META_RELATIONS = 12      /* data: shmring_relation, one after the other */
} shmring_meta_kind;

/* Relations of GStreamer between two items, first to second; bits, as in GstAnalyticsRelTypes. */
typedef enum shmring_relation_type SHMRING_INT {
  SHMRING_RELATION_IS_PART_OF = 2,
  SHMRING_RELATION_CONTAIN = 4,
  SHMRING_RELATION_RELATE_TO = 8,
  SHMRING_RELATION_N_TO_N = 16 /* GStreamer 1.26 */
} shmring_relation_type;

typedef struct shmring_relation {
  uint16_t first; /* numbers of items */
  uint16_t second;
  uint16_t types; /* shmring_relation_type */
} shmring_relation;

/* One record of a frame's metadata. `name` and `data` have no closing zero; from a frame they are valid as long as its metadata, may have any
 * bytes, and `data` has no alignment. */
typedef struct shmring_meta {
  size_t struct_size;
  uint32_t kind;
  uint32_t x; /* x, y, width and height: pixels of a region */
  uint32_t y;
  uint32_t width;
  uint32_t height;
  int32_t id;         /* of a region */
  int32_t parent;     /* id of the region that it lies in, or -1 */
  uint32_t lost;      /* 1: the track is lost */
  uint64_t timestamp; /* ns */
  uint64_t duration;  /* ns, or SHMRING_TIME_NONE */
  const char* name;
  size_t name_size;
  const void* data;
  size_t data_size;
  uint64_t track;     /* identifier of a track */
  uint64_t last_seen; /* of a track, ns, or SHMRING_TIME_NONE */
  float confidence;   /* below 0: not known */
  float rotation;     /* of a detection, radians */
} shmring_meta;
#define SHMRING_META_INIT                                                                                     \
  {                                                                                                           \
    sizeof(shmring_meta), 0, 0, 0, 0, 0, 0, -1, 0, SHMRING_TIME_NONE, SHMRING_TIME_NONE, NULL, 0, NULL, 0, 0, \
        SHMRING_TIME_NONE, -1, 0                                                                              \
  }

/* A duration in ns, accurate to 12.5 %. Zero before the first measurement. */
typedef struct shmring_times {
  uint64_t count;
  uint64_t p50;
  uint64_t p99;
  uint64_t max;
} shmring_times;

typedef enum shmring_reader_state SHMRING_INT {
  SHMRING_READER_ACTIVE = 0,
  SHMRING_READER_RETIRED = 1, /* gets no frames; what it took is still its own */
  SHMRING_READER_GONE = 2     /* no process has this name now; its counters stay */
} shmring_reader_state;

/* Why a publisher sent a peer away; the places of shmring_ring_stats.violations. */
typedef enum shmring_violation SHMRING_INT {
  SHMRING_VIOLATION_MESSAGE = 0,     /* it sent a message that makes no sense, or not at that time */
  SHMRING_VIOLATION_DESCRIPTORS = 1, /* it sent descriptors (from Linux 6.16 on the kernel refuses them already) */
  SHMRING_VIOLATION_SILENCE = 2,     /* it connected and did not finish its greeting within a second */
  SHMRING_VIOLATION_SEALS = 3,       /* it kept its lane's memory from being sealed */
  SHMRING_VIOLATION_TAIL = 4,        /* it moved its tail outside the queued frames */
  SHMRING_VIOLATION_WAKEUPS = 5      /* it made notifying its reader expensive */
} shmring_violation;
#define SHMRING_VIOLATIONS 8 /* places in the table; the last ones are free */

/* One reader as the publisher sees it. offered = delivered + dropped + pending, over all its generations. */
typedef struct shmring_reader_account {
  char worker[SHMRING_NAME_SIZE];
  shmring_reader_state state;
  shmring_policy drop_policy;
  shmring_wake wake;
  uint32_t pid;
  uint32_t depth;
  uint32_t max_held;
  uint32_t held;       /* frames taken and not yet released */
  uint32_t generation; /* how often this name has attached, from 1 */
  uint64_t offered;
  uint64_t delivered;
  uint64_t dropped;
  uint64_t pending;
  uint64_t stale;             /* delivered, but refused by the reader as older than its max_frame_age */
  uint64_t consecutive_drops; /* since the last delivery */
  uint64_t wakeups;           /* wake-ups sent */
  uint64_t last_offered_at;   /* 0: never */
  uint64_t last_taken_at;     /* as the reader says; 0: never */
  uint64_t last_released_at;  /* as the reader says; 0: never */
  uint64_t last_taken_sequence;
  uint64_t
      unfinished_since; /* since when something is pending or held and nothing was finished; 0: nothing is unfinished */
  shmring_times age;    /* publish to take, as the reader says */
  shmring_times hold;   /* take to release, as the reader says */
  char reason[96];      /* why the lane was retired, or empty */
} shmring_reader_account;

/* The ring as a whole. free_slots + owned + loaned = slots. */
typedef struct shmring_ring_stats {
  size_t struct_size;
  uint32_t publisher_pid;
  uint32_t slots;
  uint32_t free_slots;
  uint32_t owned;  /* queued for, or held by, at least one reader, or the newest frame kept for new readers */
  uint32_t loaned; /* being filled, or published and still shared with others in the publisher's process */
  uint32_t max_readers;
  uint32_t readers; /* attached now */
  uint32_t rings;   /* generations of the ring that still live: 1, or more while old frames are held */
  uint64_t slot_size;
  uint64_t memory;            /* bytes of shared memory */
  uint64_t offered;           /* frames offered to the ring */
  uint64_t published;         /* frames that had a slot */
  uint64_t dropped_no_slot;   /* frames that no reader was offered because no slot was free */
  uint64_t dropped_too_large; /* frames refused because they did not fit */
  uint64_t copied;            /* frames copied into a slot (the others were written in place) */
  uint64_t refused_readers;
  uint64_t
      protocol_violations; /* peers disconnected for a protocol violation: the sum of `violations` but for silence */
  uint64_t last_published_at;
  char caps[256];                          /* the present format's caps, cut at the end if longer */
  uint64_t violations[SHMRING_VIOLATIONS]; /* how many peers were sent away for each shmring_violation */
  uint64_t streamed;                       /* of `copied`: past the caches, as large frames are where that is faster */
  uint64_t dropped_malformed;              /* frames refused because they are not what their format says */
} shmring_ring_stats;
#define SHMRING_RING_STATS_INIT                                                                                        \
  {                                                                                                                    \
    sizeof(shmring_ring_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "", {0, 0, 0, 0, 0, 0, 0, 0}, 0, \
        0                                                                                                              \
  }

/* Error message of the last call of this thread that did not return SHMRING_OK. Never NULL; valid until the next call. */
SHMRING_API const char* shmring_last_error(void);
/* The name of a status: "timeout", "in-use", … Never NULL; "unknown" for a value that this library does not know. */
SHMRING_API const char* shmring_status_name(shmring_status status);
/* The names of the other enumerations' values, as in the elements' properties, in Python and in the command: "drop-oldest" ("publisher" for
 * SHMRING_POLICY_DEFAULT), "adaptive", "retired", … Never NULL; "unknown" for a value that this library does not know. */
SHMRING_API const char* shmring_policy_name(shmring_policy policy);
SHMRING_API const char* shmring_wake_name(shmring_wake wake);
SHMRING_API const char* shmring_reader_state_name(shmring_reader_state state);
/* The name of a violation: "message", "tail", … NULL for a place of the table that is free. */
SHMRING_API const char* shmring_violation_name(shmring_violation violation);
/* The layout of a pixel format, valid for ever; NULL for SHMRING_BYTES and for numbers that this library does not know. */
SHMRING_API const shmring_pixel_layout* shmring_pixel_layout_of(shmring_pixel_format format);
/* The format of that name, as in caps of video/x-raw or video/x-bayer ("NV12", "rggb"); SHMRING_BYTES for any other. */
SHMRING_API shmring_pixel_format shmring_pixel_format_of(const char* name);
/* Describes one plane of a frame, or with SHMRING_WHOLE the whole picture, as an array. `info` and `format` are those of the frame; a publisher
 * may give what it is about to publish. Planes are (rows, columns), or (rows, columns, components) where a column has several samples. The
 * whole picture is the plane where there is one; (planes, rows, columns) where all have one size and lie at equal distances; and of NV12, I420
 * and their like (height × 3 / 2, width) where the planes follow each other without gaps. A frame of application/x-ndarray is the array that
 * its caps describe; other bytes are one plane, (size,).
 * SHMRING_INVALID: there is no such plane, no single array, or the frame is not what its format says; shmring_last_error() says which. */
#define SHMRING_WHOLE (-1)
SHMRING_API shmring_status shmring_array_of(const shmring_format* format, const shmring_frame_info* info, int plane,
                                            shmring_array* array);
/* Steps through the records of a frame's metadata: set `offset` to 0 before the first call. SHMRING_END: there are no more. SHMRING_INVALID: the
 * bytes are no records, which a publisher is free to publish; then the records before that mean nothing, either. */
SHMRING_API shmring_status shmring_meta_next(const void* metadata, size_t size, size_t* offset, shmring_meta* meta);
/* Appends a record to the `size` bytes that `metadata` has, and raises `size`. SHMRING_TOO_LARGE: it does not fit into `capacity` or into
 * SHMRING_METADATA_SIZE, and nothing was changed. */
SHMRING_API shmring_status shmring_meta_add(void* metadata, size_t capacity, size_t* size, const shmring_meta* meta);
/* UTC of a frame's capture, ns since 1970, by the first reference timestamp of its metadata that is timestamp/x-unix or timestamp/x-ntp;
 * SHMRING_TIME_NONE without one. */
SHMRING_API uint64_t shmring_captured_at(const shmring_frame_info* info);
/* The library's log: readers that attach, are refused or leave, and why; no line for single frames. Each level has those before it, too. */
typedef enum shmring_log_level SHMRING_INT {
  SHMRING_LOG_NONE = 0,
  SHMRING_LOG_ERROR = 1,
  SHMRING_LOG_WARNING = 2, /* frames are lost, a peer broke the protocol */
  SHMRING_LOG_INFO = 3,    /* readers and publishers come and go, rings are replaced */
  SHMRING_LOG_DEBUG = 4    /* the steps between */
} shmring_log_level;
/* Called from any thread of the library, often with its locks held: it must neither call back into the library for the same handle nor call
 * shmring_set_log(), and should return soon. `text` is one line without its end, valid during the call. */
typedef void (*shmring_log_callback)(shmring_log_level level, const char* text, void* user);
/* Sets where lines of up to `level` go; NULL: to stderr. Any thread may call it; when it returns, the former callback runs no more. Before the
 * first call the environment variable SHMRING_LOG (error, warning, info or debug) sets the level for stderr; without it nothing is logged. */
SHMRING_API void shmring_set_log(shmring_log_callback callback, void* user, shmring_log_level level);
/* Now on CLOCK_MONOTONIC, ns. */
SHMRING_API uint64_t shmring_now(void);
/* Fills `format` for frames that are arrays of numbers, one after the other: caps application/x-ndarray with dtype and shape. Of `array` kind,
 * item_size, dimensions and shape count; strides are filled in. Returns the size of a frame in bytes (0: no such array, or a wrong argument;
 * shmring_last_error() says which). `caps` (at least 256 bytes, owned by the caller) receives the caps string. */
SHMRING_API uint64_t shmring_format_array(shmring_format* format, shmring_array* array, char* caps, size_t caps_size);
/* Fills `format` for raw video (or Bayer) of the given size, tightly packed rows rounded up to 4 bytes as GStreamer does, and returns the size
 * of a frame in bytes (0: unknown format or size, or a wrong argument; shmring_last_error() says which). `caps` (at least 256 bytes, owned
 * by the caller) receives the caps string. */
SHMRING_API uint64_t shmring_format_video(shmring_format* format, shmring_pixel_format pixel_format, uint32_t width,
                                          uint32_t height, char* caps, size_t caps_size);

#ifdef __cplusplus
}
#endif
#endif
