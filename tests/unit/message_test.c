/* Tests of the records between processes. The table below says once more,
 * apart from the code, what each holds on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/message.h"

/* 4, 8: a number of that many octets; t: text; o: octets; with their bounds. */
struct field {
	char kind;
	uint32_t most;
};

#define OPEN_FIELDS                                                                                                    \
	{                                                                                                              \
		{'8', 0}, {'4', 0}, {'4', 0}, {'t', 128}, {'t', 32}, {'4', 0}, {'8', 0}, {'o', 1024}, {'o', 1024},     \
		    {'o', 1024}, {'o', 1024}, {'o', 12288}, {'4', 0},                                                  \
		{                                                                                                      \
			'8', 0                                                                                         \
		}                                                                                                      \
	}

static const struct {
	enum message_type type;
	const char *name;
	size_t fds;
	struct field fields[15];
} records[] = {
    {MESSAGE_NEIGHBOUR, "NEIGHBOUR", 1, {{'4', 0}}},
    {MESSAGE_LOG, "LOG", 1, {{0, 0}}},
    {MESSAGE_DRAIN, "DRAIN", 0, {{'4', 0}}},
    {MESSAGE_STOP, "STOP", 0, {{'4', 0}}},
    {MESSAGE_READY, "READY", 0, {{0, 0}}},
    {MESSAGE_LOST, "LOST", 0, {{'4', 0}}},
    {MESSAGE_LOGIN,
     "LOGIN",
     2,
     {{'8', 0}, {'t', 128}, {'t', 32}, {'t', 32}, {'o', 1024}, {'o', 12288}, {'4', 0}, {'4', 0}, {'t', 64}, {'o', 64}}},
    {MESSAGE_RESPONSE, "RESPONSE", 0, {{'8', 0}, {'o', 12288}}},
    {MESSAGE_CANCEL, "CANCEL", 0, {{'8', 0}}},
    {MESSAGE_CHALLENGE, "CHALLENGE", 0, {{'8', 0}, {'o', 12288}}},
    {MESSAGE_OPENED, "OPENED", 0, {{'8', 0}, {'8', 0}, {'t', 400}}},
    {MESSAGE_REFUSED, "REFUSED", 0, {{'8', 0}, {'4', 0}, {'t', 400}}},
    {MESSAGE_SPAWN, "SPAWN", 3, {{'8', 0}}},
    {MESSAGE_OPEN, "OPEN", 0, OPEN_FIELDS},
    {MESSAGE_REOPEN, "REOPEN", 2, OPEN_FIELDS},
    {MESSAGE_KEPT, "KEPT", 0, {{'8', 0}, {'8', 0}}},
    {MESSAGE_ENDED, "ENDED", 0, {{'8', 0}, {'8', 0}}},
    {MESSAGE_RENEW, "RENEW", 0, {{'8', 0}}},
    {MESSAGE_FETCH, "FETCH", 0, {{'8', 0}, {'4', 0}, {'4', 0}, {'8', 0}, {'o', 1024}, {'o', 4096}}},
    {MESSAGE_FETCHED, "FETCHED", 0, {{'8', 0}, {'4', 0}, {'8', 0}, {'8', 0}, {'o', 12288}}},
    {MESSAGE_CHECK, "CHECK", 0, {{'8', 0}, {'t', 512}, {'o', 12288}}},
    {MESSAGE_CHECKED, "CHECKED", 0, {{'8', 0}, {'4', 0}}},
    {MESSAGE_FEATURES, "FEATURES", 0, {{'4', 0}, {'4', 0}, {'4', 0}}},
    {MESSAGE_USED, "USED", 0, {{'o', 16}, {'t', 128}}},
};
#define RECORDS (sizeof(records) / sizeof(records[0]))

struct wire {
	unsigned char data[MESSAGE_MAX];
	size_t size;
};

static void put(struct wire *wire, const void *data, size_t size)
{
	memcpy(wire->data + wire->size, data, size);
	wire->size += size;
}

/* A record as it travels: its field `special` has `octets` octets all of them `fill`, the others have five. */
static void build(struct wire *wire, size_t record, size_t special, uint32_t octets, int fill)
{
	uint32_t type = (uint32_t)records[record].type, four;
	uint64_t eight;
	char text[12289];

	wire->size = 0;
	put(wire, &type, 4);
	for (size_t i = 0; records[record].fields[i].kind != 0; i++) {
		uint32_t size = i == special ? octets : 5;

		switch (records[record].fields[i].kind) {
		case '4':
			four = 0x01020304u + (uint32_t)i;
			put(wire, &four, 4);
			break;
		case '8':
			eight = 0x1122334455667788u + i;
			put(wire, &eight, 8);
			break;
		default:
			memset(text, i == special ? fill : (int)('a' + i), size);
			put(wire, &size, 4);
			put(wire, text, size);
			break;
		}
	}
}

/* Decodes out of memory that ends where the record does. */
static int decode_exactly(const void *data, size_t size, struct message *message)
{
	unsigned char *copy = malloc(size == 0 ? 1 : size), again[MESSAGE_MAX];
	int result;

	assert_non_null(copy);
	memcpy(copy, data, size);
	result = message_decode(copy, size, message);
	/* What is taken at all has one form only. */
	if (result == 0) {
		assert_int_equal(message_encode(message, again), size);
		assert_memory_equal(again, copy, size);
	}
	free(copy);
	return result;
}

static void every_type_goes_there_and_back(void **state)
{
	struct message message;
	struct wire wire;

	(void)state;
	assert_int_equal(RECORDS, MESSAGE_TYPES - 1);
	for (size_t i = 0; i < RECORDS; i++) {
		build(&wire, i, SIZE_MAX, 0, 0);
		assert_int_equal(decode_exactly(wire.data, wire.size, &message), 0);
		assert_int_equal(message.type, records[i].type);
		assert_string_equal(message_name(message.type), records[i].name);
		assert_int_equal(message_fds(message.type), records[i].fds);
		assert_true(message_fds(message.type) <= MESSAGE_FDS);
	}
}

static void assert_bytes(struct message_bytes bytes, const char *expected)
{
	assert_int_equal(bytes.size, strlen(expected));
	assert_memory_equal(bytes.data, expected, bytes.size);
}

static struct message travel(const struct message *message)
{
	static unsigned char buffer[MESSAGE_MAX];
	size_t size = message_encode(message, buffer);
	struct message back;

	assert_true(size > 0);
	assert_int_equal(message_decode(buffer, size, &back), 0);
	assert_int_equal(back.type, message->type);
	return back;
}

static void login_keeps_its_fields(void **state)
{
	struct message message = {.type = MESSAGE_LOGIN}, back;

	(void)state;
	message.u.login.id = UINT64_MAX;
	message.u.login.peer = message_text("2001:db8::1");
	message.u.login.tls = message_text("TLSv1.3");
	message.u.login.mechanism = message_text("PLAIN");
	message.u.login.user = message_text("bob");
	message.u.login.response = message_octets("\0a\0b", 4);
	message.u.login.flags = LOGIN_HAS_RESPONSE | LOGIN_UTF8;
	message.u.login.listener = 7;
	back = travel(&message);
	assert_true(back.u.login.id == UINT64_MAX);
	assert_bytes(back.u.login.peer, "2001:db8::1");
	assert_bytes(back.u.login.tls, "TLSv1.3");
	assert_bytes(back.u.login.mechanism, "PLAIN");
	assert_bytes(back.u.login.user, "bob");
	assert_int_equal(back.u.login.response.size, 4);
	assert_memory_equal(back.u.login.response.data, "\0a\0b", 4);
	assert_int_equal(back.u.login.flags, LOGIN_HAS_RESPONSE | LOGIN_UTF8);
	assert_int_equal(back.u.login.listener, 7);
}

static void open_keeps_its_fields(void **state)
{
	struct message message = {.type = MESSAGE_OPEN}, back;

	(void)state;
	message.u.open.id = 7;
	message.u.open.backend = 8;
	message.u.open.flags = LOGIN_UTF8;
	message.u.open.peer = message_text("192.0.2.1");
	message.u.open.user = message_text("bob@example.org");
	message.u.open.upstream_user = message_text("bob");
	message.u.open.secret = message_text("secret");
	back = travel(&message);
	assert_int_equal(back.u.open.id, 7);
	assert_int_equal(back.u.open.backend, 8);
	assert_int_equal(back.u.open.flags, LOGIN_UTF8);
	assert_bytes(back.u.open.peer, "192.0.2.1");
	assert_bytes(back.u.open.tls, "");
	assert_bytes(back.u.open.user, "bob@example.org");
	assert_bytes(back.u.open.upstream_user, "bob");
	assert_bytes(back.u.open.secret, "secret");
}

static void the_others_keep_their_fields(void **state)
{
	struct message message = {.type = MESSAGE_REFUSED}, back;

	(void)state;
	message.u.refused.id = 1;
	message.u.refused.status = 2;
	message.u.refused.text = message_text("why");
	back = travel(&message);
	assert_int_equal(back.u.refused.id, 1);
	assert_int_equal(back.u.refused.status, 2);
	assert_bytes(back.u.refused.text, "why");

	message = (struct message){.type = MESSAGE_OPENED};
	message.u.opened.id = 3;
	message.u.opened.lock = UINT64_C(5) << 60;
	message.u.opened.text = message_text("2 messages");
	back = travel(&message);
	assert_int_equal(back.u.opened.id, 3);
	assert_true(back.u.opened.lock == UINT64_C(5) << 60);
	assert_bytes(back.u.opened.text, "2 messages");

	message = (struct message){.type = MESSAGE_RESPONSE};
	message.u.response.id = 4;
	message.u.response.data = message_text("data");
	back = travel(&message);
	assert_int_equal(back.u.response.id, 4);
	assert_bytes(back.u.response.data, "data");
	message.type = MESSAGE_CHALLENGE;
	back = travel(&message);
	assert_int_equal(back.u.challenge.id, 4);
	assert_bytes(back.u.challenge.data, "data");

	message = (struct message){.type = MESSAGE_SPAWN, .u.spawn.id = 5};
	assert_int_equal(travel(&message).u.spawn.id, 5);
	message = (struct message){.type = MESSAGE_CANCEL, .u.cancel.id = 6};
	assert_int_equal(travel(&message).u.cancel.id, 6);
	message = (struct message){.type = MESSAGE_NEIGHBOUR, .u.neighbour.role = 2};
	assert_int_equal(travel(&message).u.neighbour.role, 2);
	message = (struct message){.type = MESSAGE_LOST, .u.lost.role = 1};
	assert_int_equal(travel(&message).u.lost.role, 1);
	message = (struct message){.type = MESSAGE_DRAIN, .u.drain.milliseconds = UINT32_MAX};
	assert_true(travel(&message).u.drain.milliseconds == UINT32_MAX);
	message = (struct message){.type = MESSAGE_STOP, .u.stop.milliseconds = 30000};
	assert_int_equal(travel(&message).u.stop.milliseconds, 30000);
}

static void truncated_records_are_refused(void **state)
{
	struct message message;
	struct wire wire;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		build(&wire, i, SIZE_MAX, 0, 0);
		for (size_t size = 0; size < wire.size; size++)
			if (decode_exactly(wire.data, size, &message) == 0)
				fail_msg("%s of %zu octets is taken with %zu", records[i].name, wire.size, size);
	}
}

static void trailing_octets_are_refused(void **state)
{
	struct message message;
	struct wire wire;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		build(&wire, i, SIZE_MAX, 0, 0);
		for (size_t more = 1; more <= 16; more++) {
			memset(wire.data + wire.size, 0, more);
			assert_int_equal(decode_exactly(wire.data, wire.size + more, &message), -1);
			memset(wire.data + wire.size, 'x', more);
			assert_int_equal(decode_exactly(wire.data, wire.size + more, &message), -1);
		}
	}
}

static void bounds_hold_when_decoding(void **state)
{
	struct message message;
	struct wire wire;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		for (size_t field = 0; records[i].fields[field].kind != 0; field++) {
			uint32_t most = records[i].fields[field].most;

			if (most == 0)
				continue;
			build(&wire, i, field, 0, 'x');
			assert_int_equal(decode_exactly(wire.data, wire.size, &message), 0);
			build(&wire, i, field, most, 'x');
			assert_int_equal(decode_exactly(wire.data, wire.size, &message), 0);
			build(&wire, i, field, most + 1, 'x');
			if (decode_exactly(wire.data, wire.size, &message) == 0)
				fail_msg("%s takes %u octets as field %zu", records[i].name, most + 1, field);
		}
	}
}

/* A length beyond the record, however large, reads nothing behind it. */
static void lying_lengths_are_refused(void **state)
{
	static const uint32_t lies[] = {6, 7, 128, 0x7fffffffu, 0x80000000u, 0xfffffffbu, UINT32_MAX};
	struct message message;
	struct wire wire;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		build(&wire, MESSAGE_OPENED - 1, SIZE_MAX, 0, 0);
		memcpy(wire.data + 20, &lies[i], 4); /* behind type, id and lock */
		assert_int_equal(decode_exactly(wire.data, wire.size, &message), -1);
	}
}

static void text_has_no_control_characters(void **state)
{
	struct message message;
	struct wire wire;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		for (size_t field = 0; records[i].fields[field].kind != 0; field++) {
			bool text = records[i].fields[field].kind == 't';

			if (records[i].fields[field].most == 0)
				continue;
			for (int fill = 0; fill < 256; fill++) {
				bool control = fill < 0x20 || fill == 0x7f;

				build(&wire, i, field, 1, fill);
				assert_int_equal(decode_exactly(wire.data, wire.size, &message),
						 text && control ? -1 : 0);
			}
		}
	}
}

static void unknown_types_are_refused(void **state)
{
	static const uint32_t types[] = {0, MESSAGE_TYPES, MESSAGE_TYPES + 1, 0x80000000u, UINT32_MAX};
	unsigned char buffer[MESSAGE_MAX];
	struct message message = {.type = MESSAGE_READY};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(decode_exactly(&types[i], 4, &message), -1);
		message.type = (enum message_type)types[i];
		assert_int_equal(message_encode(&message, buffer), 0);
	}
}

static void bounds_hold_when_encoding(void **state)
{
	static unsigned char buffer[MESSAGE_MAX];
	static char octets[MESSAGE_MAX + 1];
	struct message message = {.type = MESSAGE_LOGIN};
	const struct {
		struct message_bytes *bytes;
		size_t most;
	} fields[] = {{&message.u.login.peer, 128},
		      {&message.u.login.tls, 32},
		      {&message.u.login.mechanism, 32},
		      {&message.u.login.user, 1024},
		      {&message.u.login.response, 12288}};

	(void)state;
	memset(octets, 'x', sizeof(octets));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		*fields[i].bytes = message_octets(octets, fields[i].most);
		assert_true(message_encode(&message, buffer) > 0);
		*fields[i].bytes = message_octets(octets, fields[i].most + 1);
		assert_int_equal(message_encode(&message, buffer), 0);
		*fields[i].bytes = message_octets(octets, SIZE_MAX / 2);
		assert_int_equal(message_encode(&message, buffer), 0);
		*fields[i].bytes = message_octets(octets, 0);
	}
	message.u.login.peer = message_text("a\nb");
	assert_int_equal(message_encode(&message, buffer), 0);
}

/* The fullest record of each type fits. */
static void the_fullest_records_fit(void **state)
{
	static char octets[MESSAGE_SECRET_MAX];
	static unsigned char buffer[MESSAGE_MAX];
	struct message message = {.type = MESSAGE_OPEN};

	(void)state;
	memset(octets, 'x', sizeof(octets));
	message.u.open.peer = message_octets(octets, MESSAGE_ADDRESS_MAX);
	message.u.open.tls = message_octets(octets, 32);
	message.u.open.user = message.u.open.upstream_user = message_octets(octets, MESSAGE_NAME_MAX);
	message.u.open.auth_user = message.u.open.folder = message.u.open.user;
	message.u.open.secret = message_octets(octets, MESSAGE_SECRET_MAX);
	assert_true(message_encode(&message, buffer) > MESSAGE_SECRET_MAX);
	assert_int_equal(message_encode(&message, buffer), message_most(MESSAGE_OPEN));
	message = (struct message){.type = MESSAGE_REFUSED, .u.refused.text = message_octets(octets, MESSAGE_TEXT_MAX)};
	assert_int_equal(message_encode(&message, buffer), message_most(MESSAGE_REFUSED));
	message = (struct message){.type = MESSAGE_READY};
	assert_int_equal(message_encode(&message, buffer), message_most(MESSAGE_READY));
}

/* A buffer of that size is enough for every type, and there is one for each that exists. */
static void the_room_for_each_type_is_bounded(void **state)
{
	(void)state;
	for (unsigned type = 1; type < MESSAGE_TYPES; type++)
		assert_in_range(message_most((enum message_type)type), 4, MESSAGE_MAX);
	assert_int_equal(message_most((enum message_type)0), 0);
	assert_int_equal(message_most(MESSAGE_TYPES), 0);
}

/* A repeatable sequence; the generator's quality does not matter. */
static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void mutations_never_break_the_decoder(void **state)
{
	static struct wire wire;
	struct message message;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t record = random_next(&seed) % RECORDS, size;

		build(&wire, record, SIZE_MAX, 0, 0);
		for (uint32_t flips = random_next(&seed) % 4; flips > 0; flips--)
			wire.data[random_next(&seed) % wire.size] = (unsigned char)random_next(&seed);
		size = wire.size;
		if (random_next(&seed) % 4 == 0)
			size = random_next(&seed) % (wire.size + 1);
		(void)decode_exactly(wire.data, size, &message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_type_goes_there_and_back),
	    cmocka_unit_test(login_keeps_its_fields),
	    cmocka_unit_test(open_keeps_its_fields),
	    cmocka_unit_test(the_others_keep_their_fields),
	    cmocka_unit_test(truncated_records_are_refused),
	    cmocka_unit_test(trailing_octets_are_refused),
	    cmocka_unit_test(bounds_hold_when_decoding),
	    cmocka_unit_test(lying_lengths_are_refused),
	    cmocka_unit_test(text_has_no_control_characters),
	    cmocka_unit_test(unknown_types_are_refused),
	    cmocka_unit_test(bounds_hold_when_encoding),
	    cmocka_unit_test(the_fullest_records_fit),
	    cmocka_unit_test(the_room_for_each_type_is_bounded),
	    cmocka_unit_test(mutations_never_break_the_decoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
