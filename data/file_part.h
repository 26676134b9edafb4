/* Rows of a file that lie together. */
#ifndef TERSE_DATA_FILE_PART_H
#define TERSE_DATA_FILE_PART_H

#include <stdint.h>

/* Rows [first, first + rows), and the bytes of the file that they take: of Parquet a row group's columns,
 * compressed; some hundred rows of JSON, not compressed. Known without reading them: what a forecast is
 * scaled by. */
struct file_part {
    uint64_t first, rows, bytes;
};

#endif
