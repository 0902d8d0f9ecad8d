/* uidl - what unique ids are made of. Pure. */
#ifndef MAILDIR_UIDL_H
#define MAILDIR_UIDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UIDL_ROOM 71u /* 70 octets and the NUL */

/* What a format is filled with. */
struct uidl_parts {
	uint32_t uid, uidvalidity;
	const char *base; /* name */
	size_t size;	  /* of it */
};

/* What is wrong with a format in the manner of Dovecot's pop3_uidl_format; NULL: nothing. %u is the UID, %v
 * UIDVALIDITY, %f the base name; between % and the letter 0, a width and X (or x) for hexadecimal may stand. */
const char *uidl_format_fault(const char *format);
/* Writes the id of a message. 0, or -1: it would be none that POP3 allows. */
int uidl_by_format(const char *format, const struct uidl_parts *parts, char uidl_r[UIDL_ROOM]);
/* Octets as they are. 0, or -1: they are none that POP3 allows. */
int uidl_literal(const char *octets, size_t size, char uidl_r[UIDL_ROOM]);
/* The base name itself, or its digest where it can't be an id. */
void uidl_by_name(const char *base, size_t size, char uidl_r[UIDL_ROOM]);
/* The first 40 hexadecimal digits of the SHA-256 of the base name; turn > 0: another one each. */
void uidl_digest(const char *base, size_t size, unsigned turn, char uidl_r[UIDL_ROOM]);

#endif
