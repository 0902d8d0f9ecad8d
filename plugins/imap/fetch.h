/* fetch - a message, or its header and some of its text, into a sink. */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "drop.h"

/* As popgate_plugin.fetch. Errors: GONE, TEMP, PERM, STOPPED. */
int fetch_message(void *opaque, size_t message, int64_t lines, const struct popgate_sink *sink,
		  const struct popgate_pace *pace, struct popgate_error *error);

/* As popgate_plugin.prefetch. */
void fetch_ahead(void *opaque, const size_t *messages, size_t count, int64_t lines, uint64_t octets);

#endif
