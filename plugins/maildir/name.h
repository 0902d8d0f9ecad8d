/* name - the file names of messages. Pure.
 *
 * UNIQUE[,S=OCTETS][,W=OCTETS][:2,FLAGS]: what stands before :2, (or :1,) is the base name, which never changes,
 * and may hold other colons; what follows says the flags, and changes with them. */
#ifndef MAILDIR_NAME_H
#define MAILDIR_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_ROOM    256u	/* octets of a file's name, with the NUL */
#define NAME_UNKNOWN UINT64_MAX /* a size that nobody has told */

struct name {
	size_t base;	 /* octets of the base name; 0: this names no message */
	uint64_t time;	 /* of the delivery: the digits it begins with, else 0 */
	uint64_t octets; /* with CRLF line ends, or NAME_UNKNOWN */
	bool seen;
};

/* Octets of the base name. */
size_t name_base(const char *name, size_t size);
/* Takes a name apart; any octets are allowed. */
void name_parse(const char *name, size_t size, struct name *name_r);
/* `with_crlf` if it can be the size of a message that has `on_disk` octets in its file (either may be NAME_UNKNOWN),
 * else NAME_UNKNOWN. */
uint64_t name_believe(uint64_t with_crlf, uint64_t on_disk);
/* Whether the flags hold this one. */
bool name_has_flag(const char *name, size_t size, char flag);
/* The name that the file has in cur/ with one more flag, in its order among the others. 0, or -1: it doesn't fit. */
int name_with_flag(const char *name, char flag, char name_r[NAME_ROOM]);

#endif
