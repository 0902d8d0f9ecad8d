/* maildrop - see maildrop.h. Pure memory; distrusts what the plugin lists. */
#include "session/maildrop.h"

#include <stdlib.h>
#include <string.h>

#define ID_MAX 70

static bool id_is_fit(const char *id, size_t size)
{
	if (size == 0 || size > ID_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)id[i] < 0x21 || (unsigned char)id[i] > 0x7e)
			return false;
	return true;
}

/* Grows by half: a maildrop of 100,000 should not hold room for 131,072. */
static int reserve(void **memory, size_t *room, size_t wanted, size_t each)
{
	size_t grown = *room + *room / 2 + 64;
	void *moved;

	if (wanted <= *room)
		return 0;
	if (grown < wanted)
		grown = wanted;
	moved = reallocarray(*memory, grown, each);
	if (moved == NULL)
		return -1;
	*memory = moved;
	*room = grown;
	return 0;
}

enum maildrop_fault maildrop_add(struct maildrop *maildrop, const struct popgate_message *message, size_t most)
{
	size_t id_size = message->uidl == NULL ? 0 : strnlen(message->uidl, ID_MAX + 1);
	struct maildrop_entry *entry;
	void *entries = maildrop->entries, *ids = maildrop->ids;

	if (maildrop->count >= most || maildrop->ids_size > UINT32_MAX - (ID_MAX + 1))
		return MAILDROP_TOO_MANY;
	if (!id_is_fit(message->uidl, id_size))
		return MAILDROP_BAD_ID;
	if (message->octets > INT64_MAX || maildrop->octets > INT64_MAX - message->octets)
		return MAILDROP_BAD_SIZE;
	if (reserve(&entries, &maildrop->room, maildrop->count + 1, sizeof(*entry)) != 0)
		return MAILDROP_NO_MEMORY;
	maildrop->entries = entries;
	if (reserve(&ids, &maildrop->ids_room, maildrop->ids_size + id_size + 1, 1) != 0)
		return MAILDROP_NO_MEMORY;
	maildrop->ids = ids;
	entry = &maildrop->entries[maildrop->count++];
	entry->octets = message->octets;
	entry->id = (uint32_t)maildrop->ids_size;
	entry->deleted = false;
	memcpy(maildrop->ids + maildrop->ids_size, message->uidl, id_size + 1);
	maildrop->ids_size += id_size + 1;
	maildrop->octets += message->octets;
	return MAILDROP_FINE;
}

static size_t hash(const char *id)
{
	uint64_t value = 14695981039346656037u;

	for (; *id != '\0'; id++)
		value = (value ^ (unsigned char)*id) * 1099511628211u;
	return (size_t)(value ^ value >> 32);
}

enum maildrop_fault maildrop_check(const struct maildrop *maildrop)
{
	enum maildrop_fault fault = MAILDROP_FINE;
	size_t slots = 16;
	uint32_t *table; /* message number, 0: free */

	while (slots < maildrop->count * 2)
		slots *= 2;
	table = calloc(slots, sizeof(*table));
	if (table == NULL)
		return MAILDROP_NO_MEMORY;
	for (size_t i = 0; i < maildrop->count && fault == MAILDROP_FINE; i++) {
		const char *id = maildrop->ids + maildrop->entries[i].id;
		size_t slot = hash(id) & (slots - 1);

		while (table[slot] != 0 && strcmp(maildrop->ids + maildrop->entries[table[slot] - 1].id, id) != 0)
			slot = (slot + 1) & (slots - 1);
		if (table[slot] != 0)
			fault = MAILDROP_DOUBLE_ID;
		table[slot] = (uint32_t)i + 1;
	}
	free(table);
	return fault;
}

const char *maildrop_fault_text(enum maildrop_fault fault)
{
	switch (fault) {
	case MAILDROP_FINE:
		return "fine";
	case MAILDROP_BAD_ID:
		return "the backend listed a message without a valid unique id";
	case MAILDROP_BAD_SIZE:
		return "the backend listed an impossible size";
	case MAILDROP_DOUBLE_ID:
		return "the backend listed one unique id for two messages";
	case MAILDROP_TOO_MANY:
		return "the maildrop has more messages than limits.max_messages";
	case MAILDROP_NO_MEMORY:
		return "out of memory while listing the maildrop";
	}
	return "";
}

struct maildrop_entry *maildrop_find(struct maildrop *maildrop, uint64_t number)
{
	if (number < 1 || number > maildrop->count || maildrop->entries[number - 1].deleted)
		return NULL;
	return &maildrop->entries[number - 1];
}

const char *maildrop_id(const struct maildrop *maildrop, const struct maildrop_entry *entry)
{
	return maildrop->ids + entry->id;
}

void maildrop_delete(struct maildrop *maildrop, struct maildrop_entry *entry)
{
	entry->deleted = true;
	maildrop->deleted++;
	maildrop->octets -= entry->octets;
}

void maildrop_restore(struct maildrop *maildrop)
{
	for (size_t i = 0; i < maildrop->count; i++) {
		if (maildrop->entries[i].deleted)
			maildrop->octets += maildrop->entries[i].octets;
		maildrop->entries[i].deleted = false;
	}
	maildrop->deleted = 0;
}

void maildrop_clear(struct maildrop *maildrop)
{
	free(maildrop->entries);
	free(maildrop->ids);
	memset(maildrop, 0, sizeof(*maildrop));
}
