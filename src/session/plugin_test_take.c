/* plugin_test_take - see plugin_test_take.h. Makes of the octets what the host would make of them, for nobody. */
#include "session/plugin_test_take.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deadline.h"
#include "session/plugin_test.h"

#define SAMPLES 50

#define ERRORS_FETCH                                                                                                   \
	(1u << POPGATE_GONE | 1u << POPGATE_TEMP | 1u << POPGATE_PERM | 1u << POPGATE_PROTOCOL | 1u << POPGATE_STOPPED)

static int keep(void *context, const char *data, size_t size)
{
	struct take *take = context;
	size_t room = TAKE_KEPT_MAX - take->kept_size;

	if (!take->keep)
		return 0;
	size = size < room ? size : room; /* a piece that is cut leaves none for those behind it */
	memcpy(take->kept + take->kept_size, data, size);
	take->kept_size += size;
	return 0;
}

/* FNV-1a. */
static uint64_t digest(uint64_t value, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		value = (value ^ data[i]) * 1099511628211u;
	return value;
}

static int take_octets(void *context, const void *data, size_t size)
{
	struct take *take = context;
	int enough;

	take->writes++;
	if (take->refused) {
		take->writes_after++;
		return -1;
	}
	if (take->writes == take->refuse_at) {
		take->refused = true;
		return -1;
	}
	if (take->writes == 1 && take->sleep > 0)
		(void)deadline_poll(NULL, 0, deadline_in(take->sleep));
	take->probe->octets = take->probe->octets || size > 0;
	take->digest = digest(take->digest, data, size);
	take->raw += size;
	enough = size == 0 ? 0 : body_feed(&take->body, data, size, keep, take);
	return enough == 1 || (take->enough_after > 0 && take->raw >= take->enough_after) ? 1 : 0;
}

void take_try(struct take *take, size_t message, int64_t lines)
{
	struct plugin_test *test = take->probe->test;
	const struct conf_limits *limits = &take->probe->session.conf->limits;
	const struct popgate_sink sink = {.write = take_octets, .context = take};

	if (take->pace.window == 0)
		take->pace = (struct popgate_pace){.window = limits->fetch_window, .octets = limits->fetch_minimum};
	if (take->keep && take->kept == NULL && (take->kept = malloc(TAKE_KEPT_MAX)) == NULL)
		plugin_test_skip(test, "out of memory");
	take->digest = 14695981039346656037u;
	take->raw = take->octets = 0;
	take->writes = take->writes_after = take->kept_size = 0;
	take->refused = take->probe->octets = false;
	body_init(&take->body, lines == POPGATE_WHOLE ? INT64_MAX : lines);
	plugin_test_soil(&take->error);
	test->child->call = "fetch";
	take->result = test->plugin->fetch(take->probe->session.drop, message, lines, &sink, &take->pace, &take->error);
	test->child->call = NULL;
	take->octets = body_octets(&take->body);
	if (take->result != 0)
		plugin_test_judge(test, "fetch", &take->error, ERRORS_FETCH, &take->probe->session.secret);
}

const char *take_came(const struct take *take)
{
	static char text[POPGATE_ERROR_TEXT + 32];

	if (take->result == 0)
		return "success";
	snprintf(text, sizeof(text), "%s: %s", plugin_test_status(take->error.status), take->error.text);
	return text;
}

static void must_succeed(const struct take *take, size_t message)
{
	if (take->result != 0)
		plugin_test_fail(take->probe->test, "message %zu: expected fetch to succeed, came %s", message + 1,
				 take_came(take));
}

void take_all(struct take *take, size_t message, int64_t lines)
{
	take_try(take, message, lines);
	must_succeed(take, message);
}

void take_refused(struct take *take, size_t message)
{
	take_try(take, message, POPGATE_WHOLE);
	if (take->refused)
		return;
	must_succeed(take, message);
	plugin_test_skip(take->probe->test, "nothing was refused: the message came in %zu write%s", take->writes,
			 take->writes == 1 ? "" : "s");
}

size_t take_samples(const struct probe *probe)
{
	size_t count = probe->session.maildrop.count;

	return count > SAMPLES ? SAMPLES + 1 : count;
}

size_t take_sample(const struct probe *probe, size_t i)
{
	return i < SAMPLES ? i : probe->session.maildrop.count - 1;
}

size_t take_largest(const struct probe *probe)
{
	const struct maildrop *maildrop = &probe->session.maildrop;
	size_t largest = 0;

	for (size_t i = 1; i < maildrop->count; i++)
		if (maildrop->entries[i].octets > maildrop->entries[largest].octets)
			largest = i;
	return largest;
}
