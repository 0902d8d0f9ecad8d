/* held - sorts what comes into the entries.
 *
 * A message is held only when it is whole: its UID, every part that was
 * asked for, and behind its response another FETCH response or the tagged
 * OK. Anything less is lost here, and left to the caller, who asks for it
 * alone: so a message that cannot be read costs its neighbours nothing.
 * Octets are attributed by UID alone, whatever the order in which a server
 * answers; where the UID comes last they wait for it.
 *
 * Memory stays below the budget: of a server that sends more than it listed
 * the surplus is dropped. Runs in a session process.
 */
#include "held.h"

#include <stdlib.h>
#include <string.h>

#include "attributes.h"

#define ROOM_FIRST 256u /* octets, where the server does not announce a size */

/* ---- entries ----------------------------------------------------------- */

static void free_parts(struct held *h, struct held_entry *entry)
{
	for (int i = 0; i < BODY_PARTS; i++) {
		h->memory -= entry->parts[i].size;
		free(entry->parts[i].octets);
		entry->parts[i] = (struct held_part){0};
	}
}

void held_lose(struct held *h, struct held_entry *entry)
{
	free_parts(h, entry);
	entry->state = HELD_LOST;
}

struct held_entry *held_find(struct held *h, size_t message)
{
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->entries[middle].message < message)
			low = middle + 1;
		else
			high = middle;
	}
	return low < h->count && h->entries[low].message == message ? &h->entries[low] : NULL;
}

/* The messages of a drop have ascending UIDs. */
static struct held_entry *find_uid(struct held *h, uint32_t uid)
{
	const struct drop_message *messages = h->drop->messages;
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (messages[h->entries[middle].message].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < h->count && messages[h->entries[low].message].uid == uid ? &h->entries[low] : NULL;
}

void held_shed(struct held *h, size_t message, size_t most)
{
	size_t n = 0;

	while (n < most && h->entries[n].message < message)
		free_parts(h, &h->entries[n++]);
	if (n == 0)
		return;
	h->count -= n;
	h->shed += n;
	memmove(h->entries, h->entries + n, h->count * sizeof(*h->entries));
}

int held_add(struct held *h, size_t message, uint64_t reckoned)
{
	if (h->count == h->room) {
		size_t room = h->room > 0 ? h->room * 2 : 64;
		struct held_entry *entries = realloc(h->entries, room * sizeof(*entries));

		if (entries == NULL)
			return -1;
		h->entries = entries;
		h->room = room;
	}
	h->entries[h->count++] = (struct held_entry){.message = message, .reckoned = reckoned};
	return 0;
}

/* ---- the response that is being read ------------------------------------- */

static void drop_intake(struct held *h)
{
	for (int i = 0; i < BODY_PARTS; i++) {
		h->memory -= h->intake[i].room;
		free(h->intake[i].octets);
		h->intake[i] = (struct held_intake){0};
	}
	h->section = NULL;
	h->uid = 0;
	h->keeping = h->passing = h->surplus = false;
}

static int make_room(struct held *h, struct held_intake *part, size_t room)
{
	char *octets;

	if (room <= part->room)
		return 0;
	if (h->memory + (room - part->room) > h->budget)
		return -1;
	octets = realloc(part->octets, room);
	if (octets == NULL)
		return -1;
	h->memory += room - part->room;
	part->octets = octets;
	part->room = room;
	return 0;
}

/* The octets of a section begin. Returns whether the parse may go on. */
static bool begin_part(struct held *h, enum body_part part, uint32_t origin)
{
	struct line_fetch fetch;
	struct held_entry *entry;
	size_t size;
	const char *line = conn_current_line(&h->drop->conn, &size);

	h->keeping = h->passing = false;
	h->wrong = h->wrong || line_read_fetch(line, size, &fetch) != 0 || h->intake[part].begun || origin != 0 ||
		   (fetch.ranged && !(h->want.parts & 1u << BODY_TEXT));
	if (h->wrong)
		return false;
	h->intake[part].begun = true;
	h->uid = fetch.uid;
	if (fetch.uid == 0)
		h->drop->late_uid = true;
	entry = fetch.uid != 0 ? find_uid(h, fetch.uid) : NULL;
	if (fetch.uid != 0 && (entry == NULL || entry->state == HELD_LOST))
		return true;
	/* a message that has come already */
	h->wrong = entry != NULL && entry->state != HELD_ASKED;
	if (h->wrong)
		return false;
	h->passing = part == BODY_WHOLE && h->wanted != NULL && fetch.uid == h->wanted->uid;
	if (h->passing)
		return true;
	h->keeping = make_room(h, &h->intake[part], fetch.has_literal ? (size_t)fetch.literal : ROOM_FIRST) == 0;
	h->surplus = h->surplus || !h->keeping;
	return true;
}

static void keep(struct held *h, struct held_intake *part, const char *octets, size_t size)
{
	if (part->size + size > part->room && make_room(h, part, (part->size + size) * 2) != 0) {
		h->keeping = false;
		h->surplus = true;
		return;
	}
	memcpy(part->octets + part->size, octets, size);
	part->size += size;
}

static bool take_octets(int type, struct mailimap_msg_att_body_section *section, const char *octets, size_t size,
			void *context)
{
	struct held *h = context;
	enum body_part part;

	if (type != MAILIMAP_MSG_ATT_BODY_SECTION || section == NULL)
		return true;
	part = body_part_of(section->sec_section);
	if (part == BODY_PARTS || !(h->want.parts & 1u << part))
		return true;
	if (h->section != section) {
		h->section = section;
		if (!begin_part(h, part, section->sec_origin_octet))
			return false;
	}
	if (!h->keeping && !h->passing)
		return true;
	transport_progress(h->drop->conn.transport, size);
	if (h->passing)
		return body_pass(h->wanted, octets, size);
	keep(h, &h->intake[part], octets, size);
	return true;
}

/* The wanted parts that the response has, by its items. */
static unsigned parts_there(const struct held *h, const struct mailimap_msg_att *attributes)
{
	unsigned there = 0;

	for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
		bool nil = false;
		enum body_part part = body_part_of_item(clist_content(at), &nil);

		if (part != BODY_PARTS && !nil)
			there |= h->want.parts & 1u << part;
	}
	return there;
}

/* An empty part of a message that was listed with a size is a server's way to say that it has none. */
static bool is_plausible(const struct held *h, const struct held_entry *entry)
{
	enum body_part part = h->want.parts & 1u << BODY_WHOLE ? BODY_WHOLE : BODY_HEADER;

	return h->passing || h->intake[part].size > 0 || h->drop->messages[entry->message].octets == 0;
}

static void give_to(struct held *h, struct held_entry *entry)
{
	for (int i = 0; i < BODY_PARTS; i++) {
		struct held_intake *part = &h->intake[i];

		h->memory -= part->room - part->size;
		entry->parts[i] = (struct held_part){.octets = part->octets, .size = part->size};
		*part = (struct held_intake){0};
	}
	entry->state = HELD_CAME;
	h->came = true;
	h->last = entry->message;
}

/* The message that came last is whole, or what there is of it counts for nothing. */
static void settle_last(struct held *h, bool whole)
{
	struct held_entry *entry = h->came ? held_find(h, h->last) : NULL;

	h->came = false;
	if (entry == NULL || entry->state != HELD_CAME)
		return;
	if (whole)
		entry->state = HELD_WHOLE;
	else
		held_lose(h, entry);
}

/* A FETCH response has ended: the one before it is whole, if it was complete. */
static void take_attributes(struct mailimap_msg_att *attributes, void *context)
{
	struct held *h = context;
	uint32_t uid = attributes_uid(attributes);
	unsigned there = parts_there(h, attributes);
	struct held_entry *entry = uid != 0 ? find_uid(h, uid) : NULL;

	settle_last(h, true);
	/* named otherwise before the octets; or the same message once more */
	h->wrong = h->wrong || (h->uid != 0 && h->uid != uid) ||
		   (there != 0 && entry != NULL && (entry->state == HELD_CAME || entry->state == HELD_WHOLE));
	if (!h->wrong && entry != NULL && entry->state == HELD_ASKED && there == h->want.parts && !h->surplus &&
	    is_plausible(h, entry))
		give_to(h, entry);
	drop_intake(h);
}

/* ---- the answer ---------------------------------------------------------- */

struct conn_taker held_taker(struct held *h, struct body *wanted)
{
	h->wanted = wanted;
	return (struct conn_taker){.attributes = take_attributes, .octets = take_octets, .context = h};
}

void held_conclude(struct held *h, size_t first, size_t count, bool ok)
{
	const struct held_entry *entry = h->came ? held_find(h, h->last) : NULL;

	/* what only a refusal or an end of file follows may be less than whole; some servers send a message ahead of
	 * the tagged OK that stands before it */
	if (entry != NULL && entry >= h->entries + first && entry < h->entries + first + count)
		settle_last(h, ok);
	h->wanted = NULL;
	drop_intake(h);
}

void held_free(struct held *h)
{
	drop_intake(h);
	for (size_t i = 0; i < h->count; i++)
		free_parts(h, &h->entries[i]);
	free(h->entries);
	memset(h, 0, sizeof(*h));
}
