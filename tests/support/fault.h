/* Failing the n-th allocation or the n-th file operation, for programs in tests/fault.
 *
 * The Makefile links those with --wrap for the calls of our own objects; the file calls are defined here
 * under their own names too, so that shared libraries (libhdf5) come through them as well. Usage:
 *
 *     for (long n = 1;; n++) {
 *         fault_arm(FAULT_ALLOC, n);
 *         int rc = operation();
 *         if (!fault_disarm()) break;      the operation ran untouched: all its calls have had their turn
 *         ... rc must be an error, and nothing half-done
 *     }
 */
#ifndef TERSE_TESTS_SUPPORT_FAULT_H
#define TERSE_TESTS_SUPPORT_FAULT_H

enum fault_kind {
    FAULT_NONE,
    FAULT_ALLOC, /* malloc, calloc, realloc, posix_memalign, aligned_alloc, mmap of our objects: no memory */
    FAULT_WRITE, /* open for writing, write, pwrite (half of it is written), fsync, rename: disk full */
    FAULT_FULL,  /* as FAULT_WRITE, and every such call after it, until fault_disarm */
    FAULT_READ,  /* open for reading, read, pread: EIO */
    FAULT_FLIP,  /* write, pwrite: succeeds, but a bit on the disk is another */
    FAULT_SPACE  /* statvfs: a disk with nothing free, from the n-th call on */
};

/* From now on the n-th call (from 1) of that kind in this process fails (once, but for FAULT_FULL). */
void fault_arm(enum fault_kind kind, long n);
/* Back to normal. 1 when the fault has happened. */
int fault_disarm(void);
/* Open file descriptors of this process. */
int fault_open_files(void);
/* 1 when the leak sanitizer is linked and finds a leak (it says where); else 0. */
int fault_leaks(void);

#endif
