/* uses - when the password of each device was used last, and from where: a database in the state directory. A device is
 * known by the salt of its password, so that no name is in it, and one that is given a new password begins anew. The
 * agent writes it, `popgate account device list` reads it. */
#ifndef POPGATE_STATE_USES_H
#define POPGATE_STATE_USES_H

#include <popgate/plugin.h>
#include <stdint.h>

#include "common/device.h"
#include "common/message.h"

#define USES_FILE     "devices.sqlite"
#define USES_INTERVAL 60 /* seconds: within so many, uses from one address are one */

struct uses;

struct use {
	int64_t when; /* seconds since 1970 (UTC) */
	char address[MESSAGE_ADDRESS_MAX + 1];
};

/* Opens, and makes what is missing; the directory is there. patience: milliseconds that others may have it. NULL with
 * PERM or TEMP and words for the operator. */
struct uses *uses_open(const char *directory, int patience, struct popgate_error *error);
void uses_close(struct uses **uses);
/* 0, or -1. A use of the last USES_INTERVAL from the same address stands for this one. What is noted outlives the end
 * of any process; of the last minutes before a power failure it may be lost. */
int uses_note(struct uses *uses, const uint8_t salt[DEVICE_SALT], const struct use *use, struct popgate_error *error);
/* 0: *use_r is the last one. 1: there was none. -1 */
int uses_find(struct uses *uses, const uint8_t salt[DEVICE_SALT], struct use *use_r, struct popgate_error *error);

#endif
