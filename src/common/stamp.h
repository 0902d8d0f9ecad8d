/* stamp - a time as people read it. Pure. */
#ifndef POPGATE_COMMON_STAMP_H
#define POPGATE_COMMON_STAMP_H

#include <stdint.h>

#define STAMP_SIZE 32 /* octets, with the NUL */

/* Seconds since 1970 as "2026-11-30T12:00:00Z" (RFC 3339); "?" where there is no such year. */
void stamp_write(int64_t seconds, char text_r[STAMP_SIZE]);

#endif
