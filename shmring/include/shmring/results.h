/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Results: what a worker found in a frame, as JSON in a ring of its own. docs/results.md has the fields and their limits.
 *
 *   shmring_results_options o = SHMRING_RESULTS_OPTIONS_INIT;         shmring_reader_options o = SHMRING_READER_OPTIONS_INIT;
 *   o.socket_path = "/run/cam/person.sock"; o.worker = "person";      o.socket_path = "/run/cam/person.sock";
 *   shmring_results *results;                                         shmring_result_reader *r; shmring_result *result;
 *   shmring_results_open(&o, &results);                               shmring_result_reader_open(&o, &r);
 *   shmring_object person = SHMRING_OBJECT_INIT;                      while (shmring_result_reader_read(r, SHMRING_WAIT_FOREVER, &result) == SHMRING_OK) {
 *   person.label = "person"; person.score = 0.9;                        shmring_result_info info = SHMRING_RESULT_INFO_INIT;
 *   shmring_result_info info = SHMRING_RESULT_INFO_INIT;                shmring_result_info_get(result, &info);
 *   info.objects = &person; info.object_count = 1;                      look_at(info.objects, info.object_count);
 *   shmring_results_send(results, frame, &info);                        shmring_result_free(result); }
 */
#ifndef SHMRING_RESULTS_H
#define SHMRING_RESULTS_H

#include <math.h>

#include <shmring/publisher.h>
#include <shmring/reader.h>
#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Caps of a stream of results. The time of each (pts) is that of the frame which it is of. */
#define SHMRING_RESULT_CAPS "application/x-frame-results, format=(string)json"
#define SHMRING_RESULT_SIZE 65536 /* bytes of the largest JSON */

/* Pixels. */
typedef struct shmring_point {
  double x;
  double y;
} shmring_point;

typedef struct shmring_keypoint {
  double x;
  double y;
  double score; /* or NAN */
} shmring_keypoint;

typedef enum shmring_attribute_kind SHMRING_INT {
  SHMRING_ATTRIBUTE_TEXT = 0,
  SHMRING_ATTRIBUTE_NUMBER = 1,
  SHMRING_ATTRIBUTE_BOOLEAN = 2 /* number is 0 or 1 */
} shmring_attribute_kind;

typedef struct shmring_attribute {
  const char* name;
  shmring_attribute_kind kind;
  const char* text;
  double number;
} shmring_attribute;

/* Something that was found at a place in a frame. */
typedef struct shmring_object {
  const char* label;
  double score;   /* 0 to 1 where the model gives a probability */
  double box[4];  /* x, y, width and height, pixels; it may reach beyond the frame */
  int64_t track;  /* number of the thing, the same in other frames; -1: not known */
  int64_t parent; /* index of an earlier object, of which this one is a part; -1: none */
  const shmring_point* polygon;
  size_t polygon_count;
  const shmring_keypoint* keypoints; /* in the model's order */
  size_t keypoint_count;
  const shmring_attribute* attributes;
  size_t attribute_count;
} shmring_object;
#define SHMRING_OBJECT_INIT \
  { "", 0, {0, 0, 0, 0}, -1, -1, NULL, 0, NULL, 0, NULL, 0 }

/* What the whole frame is. */
typedef struct shmring_classification {
  const char* label;
  double score;
} shmring_classification;

/* What a result says. A text that is NULL or empty, a side of 0 and a time or number that is SHMRING_TIME_NONE are not known. */
typedef struct shmring_result_info {
  size_t struct_size;
  const char* ring;  /* path of the socket of the frame's ring */
  uint64_t sequence; /* of the frame */
  uint64_t pts;      /* of the frame */
  uint32_t width;    /* of the frame, in whose pixels the objects are */
  uint32_t height;
  const char* worker;
  const char* model;
  uint64_t took; /* ns from taking the frame to sending the result */
  const shmring_object* objects;
  size_t object_count;
  size_t object_size; /* bytes from one object to the next: step by it where the library is newer than the program */
  const shmring_classification* classes;
  size_t class_count;
  const char* extra;    /* JSON of an object with anything else */
  uint64_t captured_at; /* of the frame, UTC; not in the JSON, but with the result in its ring; the next too */
  uint64_t sent_at;     /* set by reading */
} shmring_result_info;
#define SHMRING_RESULT_INFO_INIT                                                                                  \
  {                                                                                                               \
    sizeof(shmring_result_info), NULL, SHMRING_TIME_NONE, SHMRING_TIME_NONE, 0, 0, NULL, NULL, SHMRING_TIME_NONE, \
        NULL, 0, sizeof(shmring_object), NULL, 0, NULL, SHMRING_TIME_NONE, SHMRING_TIME_NONE                      \
  }

/* A result that was read. */
typedef struct shmring_result shmring_result;

/* Checks whether the bytes are a result: SHMRING_INVALID, and shmring_last_error() says what is wrong. */
SHMRING_API shmring_status shmring_result_check(const void* json, size_t size);
/* Reads JSON; SHMRING_INVALID as above. The caller frees *result with shmring_result_free(). */
SHMRING_API shmring_status shmring_result_parse(const void* json, size_t size, shmring_result** result);
/* What it says; all of it is valid until it is freed. */
SHMRING_API shmring_status shmring_result_info_get(const shmring_result* result, shmring_result_info* info);
/* NULL is allowed. */
SHMRING_API void shmring_result_free(shmring_result* result);
/* Writes the JSON and a zero behind it; *size receives the bytes without the zero. SHMRING_INVALID: a field is outside its limits, and
 * shmring_last_error() says which. SHMRING_TOO_LARGE: `capacity` is smaller than *size + 1; SHMRING_RESULT_SIZE + 1 is enough for all. */
SHMRING_API shmring_status shmring_result_write(const shmring_result_info* info, char* json, size_t capacity,
                                                size_t* size);

/* A worker's ring of results. Threads and forks as with a publisher. */
typedef struct shmring_results shmring_results;

typedef struct shmring_results_options {
  size_t struct_size;
  const char* socket_path; /* of the socket that it makes; its folder must exist */
  const char* worker;      /* these three are in each result that has none of its own; NULL: none */
  const char* model;
  const char* ring;     /* path of the socket of the ring that the frames are of */
  uint32_t perms;       /* permission bits of the socket file */
  uint32_t max_readers; /* at most SHMRING_MAX_READERS */
  uint32_t depth;       /* results that wait for a reader which pauses, before the oldest is dropped */
} shmring_results_options;
#define SHMRING_RESULTS_OPTIONS_INIT \
  { sizeof(shmring_results_options), NULL, NULL, NULL, NULL, 0600, 8, 64 }

SHMRING_API shmring_status shmring_results_open(const shmring_results_options* options, shmring_results** results);
/* NULL is allowed. */
SHMRING_API void shmring_results_close(shmring_results* results);
/* Sends what was found in a frame. What `info` does not know of sequence, pts, width, height, captured_at and took is the frame's; `frame` may
 * be NULL. SHMRING_INVALID: as shmring_result_write(). SHMRING_FULL: no slot was free, the result is dropped. */
SHMRING_API shmring_status shmring_results_send(shmring_results* results, const shmring_frame* frame,
                                                const shmring_result_info* info);
/* The publisher below, for stats and the end of the stream. It belongs to the results. */
SHMRING_API shmring_publisher* shmring_results_publisher(shmring_results* results);

/* Reads results. Threads as with a reader. */
typedef struct shmring_result_reader shmring_result_reader;

/* As shmring_reader_open(), but SHMRING_POLICY_DEFAULT is SHMRING_DROP_OLDEST: a reader that pauses loses none until `depth` wait. */
SHMRING_API shmring_status shmring_result_reader_open(const shmring_reader_options* options,
                                                      shmring_result_reader** reader);
/* NULL is allowed. */
SHMRING_API void shmring_result_reader_close(shmring_result_reader* reader);
/* Takes the next result, as shmring_reader_read(); the caller frees it. Frames that are no result are passed over, counted and logged. */
SHMRING_API shmring_status shmring_result_reader_read(shmring_result_reader* reader, uint64_t timeout,
                                                      shmring_result** result);
/* Frames that were no result. Any thread. */
SHMRING_API uint64_t shmring_result_reader_refused(const shmring_result_reader* reader);
/* The reader below, for its descriptor, stats and interruption. It belongs to the result reader. */
SHMRING_API shmring_reader* shmring_result_reader_base(shmring_result_reader* reader);

#ifdef __cplusplus
}
#endif
#endif
