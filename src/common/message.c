/* message - see message.h. Pure: one table says what each message holds, one
 * encoder and one decoder follow it. Any process. */
#include "common/message.h"

#include <stdbool.h>
#include <string.h>

enum field_kind { FIELD_END, FIELD_U32, FIELD_U64, FIELD_OCTETS, FIELD_TEXT };

struct field {
	enum field_kind kind;
	size_t offset; /* in struct message */
	size_t most;   /* octets */
};

#define FIELDS_MAX 14

struct layout {
	const char *name;
	size_t fds;
	struct field fields[FIELDS_MAX];
};

#define AT(member) offsetof(struct message, u.member)
#define U32(member)                                                                                                    \
	{                                                                                                              \
		FIELD_U32, AT(member), 0                                                                               \
	}
#define U64(member)                                                                                                    \
	{                                                                                                              \
		FIELD_U64, AT(member), 0                                                                               \
	}
#define OCTETS(member, most)                                                                                           \
	{                                                                                                              \
		FIELD_OCTETS, AT(member), most                                                                         \
	}
#define TEXT(member, most)                                                                                             \
	{                                                                                                              \
		FIELD_TEXT, AT(member), most                                                                           \
	}

#define OPEN_FIELDS                                                                                                    \
	{                                                                                                              \
		U64(open.id), U32(open.backend), U32(open.flags), TEXT(open.peer, MESSAGE_ADDRESS_MAX),                \
		    TEXT(open.tls, 32), U32(open.secret_kind), U64(open.expires), OCTETS(open.user, MESSAGE_NAME_MAX), \
		    OCTETS(open.upstream_user, MESSAGE_NAME_MAX), OCTETS(open.auth_user, MESSAGE_NAME_MAX),            \
		    OCTETS(open.folder, MESSAGE_NAME_MAX), OCTETS(open.secret, MESSAGE_SECRET_MAX),                    \
		    U32(open.login_delay), U64(open.octets)                                                            \
	}

static const struct layout layouts[MESSAGE_TYPES] = {
    [MESSAGE_NEIGHBOUR] = {"NEIGHBOUR", 1, {U32(neighbour.role)}},
    [MESSAGE_LOG] = {"LOG", 1, {{0}}},
    [MESSAGE_DRAIN] = {"DRAIN", 0, {U32(drain.milliseconds)}},
    [MESSAGE_STOP] = {"STOP", 0, {U32(stop.milliseconds)}},
    [MESSAGE_READY] = {"READY", 0, {{0}}},
    [MESSAGE_LOST] = {"LOST", 0, {U32(lost.role)}},
    [MESSAGE_LOGIN] = {"LOGIN",
		       2,
		       {U64(login.id), TEXT(login.peer, MESSAGE_ADDRESS_MAX), TEXT(login.tls, 32),
			TEXT(login.mechanism, 32), OCTETS(login.user, MESSAGE_NAME_MAX),
			OCTETS(login.response, MESSAGE_SECRET_MAX), U32(login.flags), U32(login.listener),
			TEXT(login.timestamp, MESSAGE_TIMESTAMP_MAX), OCTETS(login.binding, MESSAGE_BINDING_MAX)}},
    [MESSAGE_RESPONSE] = {"RESPONSE", 0, {U64(response.id), OCTETS(response.data, MESSAGE_SECRET_MAX)}},
    [MESSAGE_CANCEL] = {"CANCEL", 0, {U64(cancel.id)}},
    [MESSAGE_CHALLENGE] = {"CHALLENGE", 0, {U64(challenge.id), OCTETS(challenge.data, MESSAGE_SECRET_MAX)}},
    [MESSAGE_OPENED] = {"OPENED", 0, {U64(opened.id), U64(opened.lock), TEXT(opened.text, MESSAGE_TEXT_MAX)}},
    [MESSAGE_REFUSED] = {"REFUSED", 0, {U64(refused.id), U32(refused.status), TEXT(refused.text, MESSAGE_TEXT_MAX)}},
    [MESSAGE_SPAWN] = {"SPAWN", 3, {U64(spawn.id)}},
    [MESSAGE_OPEN] = {"OPEN", 0, OPEN_FIELDS},
    [MESSAGE_REOPEN] = {"REOPEN", 2, OPEN_FIELDS},
    [MESSAGE_KEPT] = {"KEPT", 0, {U64(kept.id), U64(kept.octets)}},
    [MESSAGE_ENDED] = {"ENDED", 0, {U64(ended.id), U64(ended.octets)}},
    [MESSAGE_RENEW] = {"RENEW", 0, {U64(renew.id)}},
    [MESSAGE_FETCH] = {"FETCH",
		       0,
		       {U64(fetch.id), U32(fetch.source), U32(fetch.flags), U64(fetch.serial),
			OCTETS(fetch.user, MESSAGE_NAME_MAX), OCTETS(fetch.spec, MESSAGE_SPEC_MAX)}},
    [MESSAGE_FETCHED] = {"FETCHED",
			 0,
			 {U64(fetched.id), U32(fetched.secret_kind), U64(fetched.expires), U64(fetched.serial),
			  OCTETS(fetched.secret, MESSAGE_SECRET_MAX)}},
    [MESSAGE_CHECK] = {"CHECK",
		       0,
		       {U64(check.id), TEXT(check.hash, MESSAGE_HASH_MAX), OCTETS(check.password, MESSAGE_SECRET_MAX)}},
    [MESSAGE_CHECKED] = {"CHECKED", 0, {U64(checked.id), U32(checked.verdict)}},
    [MESSAGE_FEATURES] = {"FEATURES",
			  0,
			  {U32(features.proofs), U32(features.login_delay), U32(features.login_delay_varies)}},
    [MESSAGE_USED] = {"USED", 0, {OCTETS(used.device, MESSAGE_DEVICE_MAX), TEXT(used.peer, MESSAGE_ADDRESS_MAX)}},
};

static bool is_text(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] < 0x20 || data[i] == 0x7f)
			return false;
	return true;
}

/* ---- encoding ---- */

struct writer {
	unsigned char *data;
	size_t size;
	bool failed;
};

static void put(struct writer *writer, const void *data, size_t size)
{
	if (writer->failed || size > MESSAGE_MAX - writer->size) {
		writer->failed = true;
		return;
	}
	if (size > 0)
		memcpy(writer->data + writer->size, data, size);
	writer->size += size;
}

static void put_field(struct writer *writer, const struct field *field, const unsigned char *at)
{
	struct message_bytes bytes;
	uint32_t size;

	switch (field->kind) {
	case FIELD_END:
		return;
	case FIELD_U32:
		put(writer, at, sizeof(uint32_t));
		return;
	case FIELD_U64:
		put(writer, at, sizeof(uint64_t));
		return;
	case FIELD_OCTETS:
	case FIELD_TEXT:
		memcpy(&bytes, at, sizeof(bytes));
		if (bytes.size > field->most || (field->kind == FIELD_TEXT && !is_text(bytes.data, bytes.size))) {
			writer->failed = true;
			return;
		}
		size = (uint32_t)bytes.size;
		put(writer, &size, sizeof(size));
		put(writer, bytes.data, bytes.size);
		return;
	}
}

size_t message_most(enum message_type type)
{
	size_t most = sizeof(uint32_t);

	if (type == 0 || type >= MESSAGE_TYPES)
		return 0;
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		const struct field *field = &layouts[type].fields[i];

		switch (field->kind) {
		case FIELD_END:
			break;
		case FIELD_U64:
			most += sizeof(uint64_t);
			break;
		case FIELD_U32:
		case FIELD_OCTETS:
		case FIELD_TEXT:
			most += sizeof(uint32_t) + field->most;
			break;
		}
	}
	return most;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written to through the writer */
size_t message_encode(const struct message *message, unsigned char *buffer)
{
	struct writer writer = {buffer, 0, false};
	uint32_t type = (uint32_t)message->type;

	if (type == 0 || type >= MESSAGE_TYPES)
		return 0;
	put(&writer, &type, sizeof(type));
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		const struct field *field = &layouts[type].fields[i];

		put_field(&writer, field, (const unsigned char *)message + field->offset);
	}
	return writer.failed ? 0 : writer.size;
}

/* ---- decoding ---- */

struct reader {
	const unsigned char *data;
	size_t size;
};

static int get(struct reader *reader, void *out, size_t size)
{
	if (size > reader->size)
		return -1;
	memcpy(out, reader->data, size);
	reader->data += size;
	reader->size -= size;
	return 0;
}

static int get_bytes(struct reader *reader, const struct field *field, unsigned char *at)
{
	struct message_bytes bytes;
	uint32_t size;

	if (get(reader, &size, sizeof(size)) != 0 || size > field->most || size > reader->size)
		return -1;
	bytes.data = reader->data;
	bytes.size = size;
	if (field->kind == FIELD_TEXT && !is_text(bytes.data, bytes.size))
		return -1;
	reader->data += size;
	reader->size -= size;
	memcpy(at, &bytes, sizeof(bytes));
	return 0;
}

static int get_field(struct reader *reader, const struct field *field, unsigned char *at)
{
	switch (field->kind) {
	case FIELD_END:
		return 0;
	case FIELD_U32:
		return get(reader, at, sizeof(uint32_t));
	case FIELD_U64:
		return get(reader, at, sizeof(uint64_t));
	case FIELD_OCTETS:
	case FIELD_TEXT:
		return get_bytes(reader, field, at);
	}
	return -1;
}

int message_decode(const unsigned char *buffer, size_t size, struct message *message_r)
{
	struct reader reader = {buffer, size};
	struct message message;
	uint32_t type;

	memset(&message, 0, sizeof(message));
	if (get(&reader, &type, sizeof(type)) != 0 || type == 0 || type >= MESSAGE_TYPES)
		return -1;
	message.type = (enum message_type)type;
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		const struct field *field = &layouts[type].fields[i];

		if (get_field(&reader, field, (unsigned char *)&message + field->offset) != 0)
			return -1;
	}
	if (reader.size != 0)
		return -1;
	*message_r = message;
	return 0;
}

size_t message_fds(enum message_type type)
{
	return layouts[type].fds;
}

const char *message_name(enum message_type type)
{
	return layouts[type].name;
}

struct message_bytes message_text(const char *text)
{
	return message_octets(text, strlen(text));
}

struct message_bytes message_octets(const void *data, size_t size)
{
	struct message_bytes bytes = {data, size};

	return bytes;
}
