/* messages - the messages of one maildrop, found by position, or by base name while they are looked for. Pure memory.
 */
#ifndef MAILDIR_MESSAGES_H
#define MAILDIR_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_CUR	1u  /* it lies in cur/, not in new/ */
#define MESSAGE_SEEN	2u  /* has been read */
#define MESSAGE_DOUBLE	4u  /* several files had its base name at the same time */
#define MESSAGE_COUNTED 8u  /* its size was found by reading it */
#define MESSAGE_NAMED	16u /* its UIDL is its name for ever */
#define MESSAGE_ABSENT	32u /* the last look has not found it */
#define MESSAGE_OTHER	64u /* of several files, the last look has not found the one that was listed */

struct message {
	uint64_t octets; /* with CRLF line ends, or NAME_UNKNOWN */
	uint64_t time;	 /* of the delivery, by its name */
	uint64_t inode;	 /* of the file that was listed; 0: unknown */
	uint32_t at;	 /* where among the names its file's is */
	uint32_t given;	 /* while it is listed: where the UIDL on record is; 0: nowhere */
	uint32_t uid;	 /* 0: none */
	uint8_t base;	 /* octets of the base name */
	uint8_t marks;
	uint8_t way;  /* which of the ways to a UIDL, see list.c */
	uint8_t turn; /* in which it was found last */
};

/* A file, as a folder tells of it. */
struct found {
	const char *name;
	uint64_t inode; /* 0: unknown */
	bool in_cur;
	uint8_t turn; /* the reading of both folders, counted; two files of one turn are there at the same time */
};

/* Strings behind each other, each with its NUL. Begins as all zero. */
struct text {
	char *octets;
	size_t size, room;
};

/* Begins as all zero. */
struct messages {
	struct message *all;
	size_t count, room;
	struct text names;
	uint32_t *slots; /* position + 1; 0: free */
	size_t slot_count;
};

/* Adds octets and a NUL; returns where, or 0: no memory. */
uint32_t text_keep(struct text *text, const char *octets, size_t size);
/* The same instead of the string at `at` (0: none), in its place if it fits. */
uint32_t text_renew(struct text *text, uint32_t at, const char *octets, size_t size);
void text_clear(struct text *text);

/* Adds a file's message; what names no message is left out. Of several files with one base name the last turn counts,
 * and in it the smallest inode: the same in each session, wherever they go. 0, or -1: no memory. */
int messages_add(struct messages *messages, const struct found *found);
/* Makes base names findable. 0, or -1: no memory. */
int messages_index(struct messages *messages);
/* The message with this base name; NULL: none. */
struct message *messages_find(const struct messages *messages, const char *base, size_t size);
/* Forgets how to find by base name, which sorting and leaving out make wrong. */
void messages_unindex(struct messages *messages);
/* The present name of a message's file; valid until something is added or renewed. */
const char *messages_name(const struct messages *messages, const struct message *message);
/* Those with a UID first, by it; then by time of delivery; then by name. */
void messages_sort(struct messages *messages);
/* Leaves out those that are MESSAGE_ABSENT, and those whose size is unknown: one that was absent when it was to be
 * read may have been found since. */
void messages_drop_absent(struct messages *messages);
void messages_clear(struct messages *messages);

#endif
