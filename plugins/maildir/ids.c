/* ids - see ids.h.
 *
 * dovecot-uidlist is the user's file, and may say anything: who has no UID there comes first to the own name, and
 * whoever would get an id that is taken goes on to the next way. Runs in a session process.
 */
#include "ids.h"

#include <stdlib.h>
#include <string.h>

/* Ways to an id, best first; from WAY_DIGEST on a digest each, with its turn. */
enum { WAY_DOVECOT, WAY_NAME, WAY_DIGEST, WAY_LAST = 255 };

struct slot {
	uint32_t hash, position; /* + 1; 0: free */
};

struct choice {
	const struct ids *ids;
	struct slot *slots;
	size_t count;
};

static int write_dovecot(const struct ids *ids, const struct message *message, char uidl_r[UIDL_ROOM])
{
	const struct uidl_parts parts = {.uid = message->uid,
					 .uidvalidity = ids->uidvalidity,
					 .base = messages_name(ids->messages, message),
					 .size = message->base};
	const char *given = message->given == 0 ? NULL : ids->given->octets + message->given;

	if (given != NULL)
		return uidl_literal(given, strlen(given), uidl_r);
	return uidl_by_format(ids->format, &parts, uidl_r);
}

void ids_write(const struct ids *ids, const struct message *message, char uidl_r[UIDL_ROOM])
{
	const char *base = messages_name(ids->messages, message);

	if (message->way == WAY_DOVECOT && write_dovecot(ids, message, uidl_r) == 0)
		return;
	if (message->way <= WAY_NAME)
		uidl_by_name(base, message->base, uidl_r);
	else
		uidl_digest(base, message->base, message->way - WAY_DIGEST, uidl_r);
}

static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u;

	for (; *text != '\0'; text++)
		value = (value ^ (unsigned char)*text) * 16777619u;
	return value;
}

/* The slot of an id, or the free one where it belongs. */
static struct slot *slot_of(const struct choice *choice, const char *uidl, uint32_t value)
{
	for (size_t at = value ^ value >> 16;; at++) {
		struct slot *slot = &choice->slots[at & (choice->count - 1)];
		char other[UIDL_ROOM];

		if (slot->position == 0)
			return slot;
		if (slot->hash != value)
			continue;
		ids_write(choice->ids, &choice->ids->messages->all[slot->position - 1], other);
		if (strcmp(other, uidl) == 0)
			return slot;
	}
}

static void choose(struct choice *choice, size_t position)
{
	struct message *message = &choice->ids->messages->all[position];

	for (;; message->way++) {
		char uidl[UIDL_ROOM];
		struct slot *slot;
		uint32_t value;

		ids_write(choice->ids, message, uidl);
		value = hash(uidl);
		slot = slot_of(choice, uidl, value);
		if (slot->position == 0) {
			*slot = (struct slot){.hash = value, .position = (uint32_t)position + 1};
			return;
		}
		if (message->way == WAY_LAST) /* the host refuses the listing */
			return;
	}
}

static bool is_dovecots(const struct message *message)
{
	return message->uid != 0 && !(message->marks & MESSAGE_NAMED);
}

int ids_choose(const struct ids *ids)
{
	struct choice choice = {.ids = ids, .count = 16};

	while (choice.count < ids->messages->count * 2)
		choice.count *= 2;
	choice.slots = calloc(choice.count, sizeof(*choice.slots));
	if (choice.slots == NULL)
		return -1;
	for (size_t i = 0; i < ids->messages->count; i++) {
		ids->messages->all[i].way = is_dovecots(&ids->messages->all[i]) ? WAY_DOVECOT : WAY_NAME;
		if (ids->messages->all[i].way == WAY_NAME)
			choose(&choice, i);
	}
	for (size_t i = 0; i < ids->messages->count; i++)
		if (ids->messages->all[i].way == WAY_DOVECOT)
			choose(&choice, i);
	free(choice.slots);
	return 0;
}
