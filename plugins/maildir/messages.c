/* messages - see messages.h.
 *
 * About 40 octets and the file's name for each; positions are those of the listing, and stay. Runs in session
 * processes.
 */
#include "messages.h"

#include <stdlib.h>
#include <string.h>

#include "name.h"

/* Room for `wanted`, grown by half: 100,000 should not hold room for 131,072. */
static void *reserve(void *memory, size_t *room, size_t wanted, size_t each)
{
	size_t grown = *room + *room / 2 + 64;
	void *moved;

	if (wanted <= *room)
		return memory;
	if (grown < wanted)
		grown = wanted;
	moved = reallocarray(memory, grown, each);
	if (moved != NULL)
		*room = grown;
	return moved;
}

uint32_t text_keep(struct text *text, const char *octets, size_t size)
{
	size_t at = text->size == 0 ? 1 : text->size; /* 0 stands for nowhere */
	char *moved;

	if (at + size + 1 > UINT32_MAX)
		return 0;
	moved = reserve(text->octets, &text->room, at + size + 1, 1);
	if (moved == NULL)
		return 0;
	text->octets = moved;
	memcpy(moved + at, octets, size);
	moved[at + size] = '\0';
	text->size = at + size + 1;
	return (uint32_t)at;
}

uint32_t text_renew(struct text *text, uint32_t at, const char *octets, size_t size)
{
	if (at == 0 || strlen(text->octets + at) < size)
		return text_keep(text, octets, size);
	memcpy(text->octets + at, octets, size);
	text->octets[at + size] = '\0';
	return at;
}

void text_clear(struct text *text)
{
	free(text->octets);
	memset(text, 0, sizeof(*text));
}

const char *messages_name(const struct messages *messages, const struct message *message)
{
	return messages->names.octets + message->at;
}

/* ---- finding ------------------------------------------------------------- */

/* The slot of a base name, or the free one where it belongs. */
static uint32_t *slot_of(const struct messages *messages, const char *base, size_t size)
{
	uint64_t value = 14695981039346656037u;
	size_t slot;

	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char)base[i]) * 1099511628211u;
	for (slot = (size_t)(value ^ value >> 32);; slot++) {
		uint32_t *one = &messages->slots[slot & (messages->slot_count - 1)];
		const struct message *message = *one == 0 ? NULL : &messages->all[*one - 1];

		if (message == NULL ||
		    (message->base == size && memcmp(messages_name(messages, message), base, size) == 0))
			return one;
	}
}

int messages_index(struct messages *messages)
{
	messages_unindex(messages);
	messages->slot_count = 16;
	while (messages->slot_count < messages->count * 2)
		messages->slot_count *= 2;
	messages->slots = calloc(messages->slot_count, sizeof(*messages->slots));
	if (messages->slots == NULL)
		return -1;
	for (size_t i = 0; i < messages->count; i++) {
		const struct message *one = &messages->all[i];

		*slot_of(messages, messages_name(messages, one), one->base) = (uint32_t)i + 1;
	}
	return 0;
}

struct message *messages_find(const struct messages *messages, const char *base, size_t size)
{
	uint32_t slot = messages->slots == NULL ? 0 : *slot_of(messages, base, size);

	return slot == 0 ? NULL : &messages->all[slot - 1];
}

void messages_unindex(struct messages *messages)
{
	free(messages->slots);
	messages->slots = NULL;
	messages->slot_count = 0;
}

/* ---- adding -------------------------------------------------------------- */

static int append(struct messages *messages, const char *name, size_t size, const struct name *parsed)
{
	struct message *all;
	uint32_t at;

	if (messages->count == UINT32_MAX - 1)
		return -1;
	all = reserve(messages->all, &messages->room, messages->count + 1, sizeof(*all));
	if (all == NULL)
		return -1;
	messages->all = all;
	at = text_keep(&messages->names, name, size);
	if (at == 0)
		return -1;
	all[messages->count++] =
	    (struct message){.octets = parsed->octets, .time = parsed->time, .at = at, .base = (uint8_t)parsed->base};
	return 0;
}

/* The last place where a message was found. */
static void place(struct message *message, const struct found *found, bool seen)
{
	message->marks &= (uint8_t) ~(MESSAGE_CUR | MESSAGE_SEEN);
	message->marks |= (uint8_t)((found->in_cur ? MESSAGE_CUR : 0u) | (seen ? MESSAGE_SEEN : 0u));
	message->inode = found->inode;
	message->turn = found->turn;
}

/* A file of a message that is there already. */
static int add_again(struct messages *messages, struct message *message, const struct found *found, bool seen)
{
	bool in_cur = (message->marks & MESSAGE_CUR) != 0;

	if (in_cur != found->in_cur || strcmp(messages_name(messages, message), found->name) != 0) {
		if (message->turn == found->turn) {
			message->marks |= MESSAGE_DOUBLE;
			if (message->inode < found->inode)
				return 0;
		}
		message->at = text_renew(&messages->names, message->at, found->name, strlen(found->name));
	}
	place(message, found, seen);
	return message->at == 0 ? -1 : 0;
}

int messages_add(struct messages *messages, const struct found *found)
{
	size_t size = strlen(found->name);
	struct message *message;
	struct name parsed;
	uint32_t *slot;

	if (size >= NAME_ROOM)
		return 0;
	name_parse(found->name, size, &parsed);
	if (parsed.base == 0)
		return 0;
	message = messages_find(messages, found->name, parsed.base);
	if (message != NULL)
		return add_again(messages, message, found, parsed.seen);
	if (append(messages, found->name, size, &parsed) != 0)
		return -1;
	message = &messages->all[messages->count - 1];
	place(message, found, parsed.seen);
	if (messages->slot_count < messages->count * 2)
		return messages_index(messages);
	slot = slot_of(messages, found->name, parsed.base);
	*slot = (uint32_t)messages->count;
	return 0;
}

/* ---- order --------------------------------------------------------------- */

static int compare(uint64_t one, uint64_t other)
{
	return one < other ? -1 : one > other;
}

static int in_order(const void *left, const void *right, void *context)
{
	const struct messages *messages = context;
	const struct message *one = left, *other = right;
	size_t shorter = one->base < other->base ? one->base : other->base;
	int order;

	if (one->uid != other->uid) /* 0, none, comes last */
		return compare((uint64_t)one->uid - 1, (uint64_t)other->uid - 1);
	order = compare(one->time, other->time);
	if (order == 0)
		order = memcmp(messages_name(messages, one), messages_name(messages, other), shorter);
	return order != 0 ? order : compare(one->base, other->base);
}

void messages_sort(struct messages *messages)
{
	messages_unindex(messages);
	if (messages->count > 1)
		qsort_r(messages->all, messages->count, sizeof(*messages->all), in_order, messages);
}

void messages_drop_absent(struct messages *messages)
{
	size_t kept = 0;

	messages_unindex(messages);
	for (size_t i = 0; i < messages->count; i++)
		if (!(messages->all[i].marks & MESSAGE_ABSENT) && messages->all[i].octets != NAME_UNKNOWN)
			messages->all[kept++] = messages->all[i];
	messages->count = kept;
}

void messages_clear(struct messages *messages)
{
	messages_unindex(messages);
	free(messages->all);
	text_clear(&messages->names);
	memset(messages, 0, sizeof(*messages));
}
