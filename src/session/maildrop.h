/* maildrop - the snapshot of one maildrop: what STAT, LIST and UIDL tell, and
 * which messages are marked. Pure memory. Message numbers run from 1. */
#ifndef POPGATE_SESSION_MAILDROP_H
#define POPGATE_SESSION_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <popgate/plugin.h>

struct maildrop_entry {
	uint64_t octets;
	uint32_t id; /* where its UIDL begins in maildrop.ids */
	bool deleted;
};

struct maildrop {
	struct maildrop_entry *entries;
	size_t count, room;
	char *ids;
	size_t ids_size, ids_room;
	uint64_t octets; /* of the messages not marked */
	size_t deleted;
};

enum maildrop_fault {
	MAILDROP_FINE,
	MAILDROP_BAD_ID,   /* not 1-70 octets of 0x21-0x7E */
	MAILDROP_BAD_SIZE, /* 2^63 or more, alone or in sum */
	MAILDROP_DOUBLE_ID,
	MAILDROP_TOO_MANY,
	MAILDROP_NO_MEMORY
};

/* Appends a message; most: how many there may be. */
enum maildrop_fault maildrop_add(struct maildrop *maildrop, const struct popgate_message *message, size_t most);
/* Checks the whole once it is complete: ids are unique. */
enum maildrop_fault maildrop_check(const struct maildrop *maildrop);
/* In words, for the log. */
const char *maildrop_fault_text(enum maildrop_fault fault);
/* The entry of a number that is there and not marked, or NULL. */
struct maildrop_entry *maildrop_find(struct maildrop *maildrop, uint64_t number);
const char *maildrop_id(const struct maildrop *maildrop, const struct maildrop_entry *entry);
void maildrop_delete(struct maildrop *maildrop, struct maildrop_entry *entry);
/* RSET. */
void maildrop_restore(struct maildrop *maildrop);
void maildrop_clear(struct maildrop *maildrop);

#endif
