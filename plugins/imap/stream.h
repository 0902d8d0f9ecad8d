/* stream - a transport as libetpan wants to read it. */
#ifndef IMAP_STREAM_H
#define IMAP_STREAM_H

#include <libetpan/mailstream.h>

#include "transport.h"

/* A libetpan stream over t, ended by mailstream_close; t stays the caller's and must outlive it. NULL: no memory. */
mailstream *stream_new(struct transport *t);

#endif
