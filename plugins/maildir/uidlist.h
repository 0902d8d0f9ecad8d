/* uidlist - the lines of the file dovecot-uidlist, version 3. Pure.
 *
 * "3 V<uidvalidity> N<next uid> G<guid>", then for each message "<uid> [<letter><value> ...] :<file name>". */
#ifndef MAILDIR_UIDLIST_H
#define MAILDIR_UIDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the lines so far have told; begins as all zero. */
struct uidlist {
	bool begun; /* a first line has come */
	bool sound; /* and it was a header that we know */
	uint32_t uidvalidity, last;
};

struct uidlist_record {
	uint32_t uid;
	uint64_t octets;  /* with CRLF line ends, or NAME_UNKNOWN */
	const char *base; /* into the line: the file's base name */
	size_t base_size;
	const char *uidl; /* into the line: the UIDL on record; NULL: none, empty: the base name */
	size_t uidl_size;
};

/* Takes the next line. True: *record_r tells of a message. False: it is the header, or of no use. */
bool uidlist_take(struct uidlist *list, const char *line, size_t size, struct uidlist_record *record_r);

#endif
