/* imap: the whole plugin, and libetpan behind its guard, before a server that says what the input holds. A listing has
 * no UID 0 and none twice; a message that was fetched with success is the one of that UID, whole, with the tagged OK
 * behind it; UPDATE names the UIDs that it was given and no others, and says of none that it has gone unless the server
 * had said OK to the command that removes.
 *
 * The input's first line: letters for settings, ";", letters for what the client does. */
#include "../../plugins/imap/ahead.h"
#include "../../plugins/imap/commit.h"
#include "../../plugins/imap/conf.h"
#include "../../plugins/imap/drop.h"
#include "../../plugins/imap/extension.h"
#include "../../plugins/imap/fetch.h"
#include "../../plugins/imap/list.h"
#include "../../plugins/imap/login.h"

#include "imap_peer.h"

#define STEPS_MAX 24
#define SINK_MAX  (64u * 1024u)
#define CLIENTS	  "abcA;hcz" /* where the input says nothing else */

extern const struct popgate_plugin popgate_plugin;

struct run {
	struct imap_conf conf;
	struct popgate_open open;
	void *drop;
	uint32_t *uids;
	size_t count;
	char *octets; /* what a fetch brought */
	size_t size;
	bool hinted, token;
	size_t most; /* octets that the sink takes before it has enough; 0: all */
};

/* libetpan forgets what it has parsed of a response that it gives up; the session ends with it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libetpan.so\n";
}

static void check_error(const struct popgate_error *error)
{
	REQUIRE(error->status >= POPGATE_AUTH && error->status <= POPGATE_STOPPED);
	REQUIRE(memchr(error->text, '\0', sizeof(error->text)) != NULL);
}

/* What the plugin sends is lines; no octet of the server's gets into them. */
static void check_sent(void)
{
	for (const char *at = peer_sent(); *at != '\0'; at++)
		REQUIRE(*at == '\r' ? at[1] == '\n' || at[1] == '\0' : (*at >= 0x20 && *at < 0x7f) || at[-1] == '\r');
}

static int take_message(void *context, const struct popgate_message *message)
{
	struct run *run = context;
	unsigned validity, uid;
	char end;

	REQUIRE(sscanf(message->uidl, "%u.%u%c", &validity, &uid, &end) == 2 && validity > 0 && uid > 0);
	REQUIRE(message->octets <= INT64_MAX);
	REQUIRE(run->count == 0 || uid > run->uids[run->count - 1]);
	run->uids = realloc(run->uids, (run->count + 1) * sizeof(*run->uids));
	REQUIRE(run->uids != NULL);
	run->uids[run->count++] = uid;
	return 0;
}

static int take_octets(void *context, const void *data, size_t size)
{
	struct run *run = context;

	REQUIRE(size > 0);
	if (run->size + size > SINK_MAX)
		return -1;
	memcpy(run->octets + run->size, data, size);
	run->size += size;
	return run->most > 0 && run->size >= run->most ? 1 : 0;
}

static void fetch(struct run *run, size_t message, int64_t lines)
{
	const struct popgate_sink sink = {.write = take_octets, .context = run};
	const struct popgate_pace pace = {.window = 5000, .octets = 1};
	struct popgate_error error = {.status = POPGATE_TEMP};
	uint64_t listed;

	if (message >= run->count)
		return;
	listed = ((struct drop *)run->drop)->messages[message].octets;
	run->size = 0;
	run->most = lines == POPGATE_WHOLE ? 0 : 1;
	if (popgate_plugin.fetch(run->drop, message, lines, &sink, &pace, &error) != 0)
		check_error(&error);
	else if (lines == POPGATE_WHOLE && listed <= run->conf.fetch_max)
		REQUIRE(peer_served_body(run->uids[message], run->octets, run->size));
	check_sent();
}

/* As the contract has it: what comes next, and then the first of it. */
static void hint(struct run *run, size_t from, int64_t lines)
{
	size_t messages[8], count = 0;

	for (; count < 8 && from + count < run->count; count++)
		messages[count] = from + count;
	if (count == 0)
		return;
	popgate_plugin.prefetch(run->drop, messages, count, lines, 4096);
	run->hinted = true;
	fetch(run, from, lines);
}

/* ---- UPDATE ---- */

static bool is_chosen(const struct run *run, const size_t *messages, size_t count, unsigned long uid)
{
	for (size_t i = 0; i < count; i++)
		if (run->uids[messages[i]] == uid)
			return true;
	return false;
}

/* Each set of UIDs after `verb` in what was sent holds only what was chosen. Returns the last command's tag. */
static unsigned long check_sets(const struct run *run, const char *verb, const size_t *messages, size_t count)
{
	unsigned long tag = 0;

	for (const char *at = strstr(peer_sent(), verb); at != NULL; at = strstr(at + 1, verb)) {
		const char *line = at;
		char *set = (char *)at + strlen(verb);

		while (line > peer_sent() && line[-1] != '\n')
			line--;
		tag = strtoul(line, NULL, 10);
		do {
			unsigned long low = strtoul(set + (*set == ','), &set, 10);
			unsigned long high = *set == ':' ? strtoul(set + 1, &set, 10) : low;

			REQUIRE(low > 0 && low <= high && high - low < 1000);
			for (; low <= high; low++)
				REQUIRE(is_chosen(run, messages, count, low));
		} while (*set == ',');
	}
	return tag;
}

static void check_update(const struct run *run, const size_t *messages, size_t count, bool any_gone)
{
	unsigned long stored = check_sets(run, " UID STORE ", messages, count),
		      expunged = check_sets(run, " UID EXPUNGE ", messages, count),
		      moved = check_sets(run, " UID MOVE ", messages, count);
	const char *plain = strstr(peer_sent(), " EXPUNGE\r\n");

	check_sets(run, " UID COPY ", messages, count);
	REQUIRE(strstr(peer_sent(), " CLOSE\r\n") == NULL);
	REQUIRE(plain == NULL || (run->conf.without == CONF_ALONE &&
				  (run->conf.delete == CONF_EXPUNGE || run->conf.delete == CONF_MOVE)));
	if (plain != NULL && expunged == 0) {
		while (plain > peer_sent() && plain[-1] != '\n')
			plain--;
		expunged = strtoul(plain, NULL, 10);
	}
	if (!any_gone || run->conf.delete == CONF_KEEP)
		return;
	switch (run->conf.delete) {
	case CONF_EXPUNGE:
		/* or there was nothing left to expunge once all were marked */
		REQUIRE(peer_said_ok(expunged) || peer_said_ok(moved) || (expunged == 0 && peer_said_ok(stored)));
		break;
	case CONF_FLAG:
		REQUIRE(peer_said_ok(stored));
		break;
	case CONF_MOVE:
		REQUIRE(peer_said_ok(moved) || peer_said_ok(expunged) || (expunged == 0 && peer_said_ok(stored)));
		break;
	case CONF_KEEP:
		break;
	}
}

static void commit(struct run *run, size_t from, size_t step)
{
	struct popgate_error error = {.status = POPGATE_TEMP};
	size_t messages[64], count = 0, gone_count = 0;
	unsigned char gone[64] = {0};
	int result;

	for (size_t i = from; i < run->count && count < 64; i += step)
		messages[count++] = i;
	if (count == 0)
		return;
	peer_forget_sent();
	result = popgate_plugin.commit(run->drop, messages, count, gone, peer_host.now() + 5000, &error);
	for (size_t i = 0; i < count; i++)
		gone_count += gone[i];
	if (result == 0)
		REQUIRE(gone_count == count);
	else
		check_error(&error);
	check_sent();
	check_update(run, messages, count, gone_count > 0);
}

/* ---- the run ---- */

/* The letters before ";" . */
static const uint8_t *read_settings(struct run *run, const uint8_t *at, const uint8_t *end)
{
	run->conf = (struct imap_conf){
	    .host = &peer_host,
	    .server = "server",
	    .port = 143,
	    .security = CONF_NONE,
	    .folder = {.name = (char *)"INBOX",
		       .utf7 = (char *)"\"INBOX\"",
		       .utf8 = (char *)"\"INBOX\"",
		       .inbox = true},
	    .trash = {.name = (char *)"Trash", .utf7 = (char *)"\"Trash\"", .utf8 = (char *)"\"Trash\""},
	    .delete = CONF_EXPUNGE,
	    .without = CONF_ALONE,
	    .reconnect_timeout = 5000,
	    .fetch_max = UINT32_MAX,
	    .message_max = UINT32_MAX,
	    .bounds = {.line = 1024 * 1024, .literal = 64 * 1024, .depth = 64},
	    .small = {.octets = 1024 * 1024, .lines = 10000}};
	run->open = (struct popgate_open){.size = sizeof(run->open), .user = "ann"};
	for (; at < end && *at != ';'; at++) {
		run->conf.delete = *at == 'k'	? CONF_KEEP
				   : *at == 'f' ? CONF_FLAG
				   : *at == 'm' ? CONF_MOVE
						: run->conf.delete;
		run->conf.without = *at == 'r' ? CONF_REFUSE : *at == 'v' ? CONF_MOVE_ONLY : run->conf.without;
		run->conf.send_id = run->conf.send_id || *at == 'i';
		run->conf.pipeline_login = run->conf.pipeline_login || *at == 'p';
		run->conf.folder.inbox = run->conf.folder.inbox && *at != 'o';
		run->conf.fetch_max = *at == 's' ? 32 : run->conf.fetch_max;
		run->open.flags |= *at == 'u' ? POPGATE_OPEN_UTF8 : 0;
		run->open.folder = *at == 'j' ? "\\Junk" : run->open.folder;
		run->token = run->token || *at == 't';
	}
	return at < end ? at + 1 : at;
}

/* a-e: RETR; A-E: TOP n 0; 1-5: TOP n 3; h, H, i: RETR 1, TOP 1 0, RETR 3 of a client that reads one after the other;
 * w: it pauses; x, y, z: UPDATE of the first, of all, of each second. */
static void act(struct run *run, char letter)
{
	if (letter >= 'a' && letter <= 'e')
		fetch(run, (size_t)(letter - 'a'), POPGATE_WHOLE);
	else if (letter >= 'A' && letter <= 'E')
		fetch(run, (size_t)(letter - 'A'), 0);
	else if (letter >= '1' && letter <= '5')
		fetch(run, (size_t)(letter - '1'), 3);
	else if (letter == 'h' || letter == 'H')
		hint(run, 0, letter == 'h' ? POPGATE_WHOLE : 0);
	else if (letter == 'i')
		hint(run, 2, POPGATE_WHOLE);
	else if (letter == 'w' && run->hinted)
		popgate_plugin.prefetch(run->drop, NULL, 0, POPGATE_WHOLE, 4096);
	else if (letter == 'x')
		commit(run, 0, run->count + 1);
	else if (letter == 'y' || letter == 'z')
		commit(run, 0, letter == 'y' ? 1 : 2);
}

static void run_client(struct run *run, const char *steps, size_t count)
{
	struct popgate_error error = {.status = POPGATE_TEMP};

	run->open.deadline = peer_host.now() + 5000;
	if (popgate_plugin.open(&run->conf, NULL, &run->open, &run->drop, &error) != 0) {
		check_error(&error);
		return;
	}
	check_sent();
	if (popgate_plugin.list(run->drop, take_message, run, peer_host.now() + 5000, &error) == 0)
		for (size_t i = 0; i < count && i < STEPS_MAX; i++)
			act(run, steps[i]);
	else
		check_error(&error);
	popgate_plugin.close(run->drop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL, *steps;
	struct run run = {.count = 0};
	static bool ready;

	if (!ready)
		REQUIRE(extension_acquire() == 0);
	ready = true;
	if (end == NULL)
		return 0;
	run.octets = malloc(SINK_MAX);
	REQUIRE(run.octets != NULL);
	steps = read_settings(&run, data, end);
	peer_begin(end + 1, size - (size_t)(end + 1 - data));
	if (run.token)
		peer_set_kind(POPGATE_TOKEN);
	run_client(&run, (const char *)steps, (size_t)(end - steps));
	peer_end();
	free(run.octets);
	free(run.uids);
	return 0;
}
