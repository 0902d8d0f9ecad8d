/* fetch - a message's octets from its file into a sink. */
#ifndef MAILDIR_FETCH_H
#define MAILDIR_FETCH_H

#include "drop.h"

/* Writes the whole file. 0, also when the sink has had enough; or -1: GONE, TEMP, PERM, STOPPED. */
int fetch_into(struct drop *drop, size_t position, const struct popgate_sink *sink, struct popgate_error *error);
/* As popgate_plugin.fetch. */
int fetch_message(void *opaque, size_t message, int64_t lines, const struct popgate_sink *sink,
		  const struct popgate_pace *pace, struct popgate_error *error);

#endif
