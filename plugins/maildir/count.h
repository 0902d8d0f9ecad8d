/* count - the octets that a message has with CRLF line ends, as the host sends it. Pure. */
#ifndef MAILDIR_COUNT_H
#define MAILDIR_COUNT_H

#include <stddef.h>
#include <stdint.h>

/* Begins as all zero. */
struct count {
	uint64_t octets;
	char last; /* the octet before this piece */
};

void count_feed(struct count *count, const char *data, size_t size);
/* The whole, once every piece has come: a last line without an end gets one. */
uint64_t count_total(const struct count *count);

#endif
