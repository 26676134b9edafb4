/* TensorBoard event files: TFRecords (length, masked CRC-32C, data, masked CRC-32C) of protobuf Events.
 * Written by hand, since the few fields that scalars need are a hundred lines:
 *     Event   {1: double wall_time, 2: int64 step, 3: string file_version | 5: Summary}
 *     Summary {1: repeated Value {1: string tag, 2: float simple_value}} */
#ifndef TERSE_TRAIN_TFEVENTS_H
#define TERSE_TRAIN_TFEVENTS_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct tfevents_value {
    const char *tag; /* "train/loss"; at most 200 bytes are taken */
    float value;
};

enum { TFEVENTS_VALUES_MAX = 64, TFEVENTS_RECORD_MAX = 64 * 256 };

/* CRC-32C (Castagnoli, reflected 0x82F63B78) of data[0..n). */
uint32_t crc32c(const void *data, size_t n);

/* One record: the first of a file ("brain.Event:2"), and the scalars of a step. out[TFEVENTS_RECORD_MAX]
 * receives it; returns its length. n <= TFEVENTS_VALUES_MAX. */
size_t tfevents_version_record(double wall_time, uint8_t *out);
size_t tfevents_scalar_record(double wall_time, uint64_t step, const struct tfevents_value *values, size_t n,
                              uint8_t *out);

/* Where records of steps above `step` begin in an open event file, or the first torn one: *keep bytes are
 * good. *last: highest step among them. Both checksums of every record are checked. Errors: EIO. */
int tfevents_scan(int fd, uint64_t step, uint64_t *keep, uint64_t *last, struct err *e);

#endif
