/* plugin_test_host - see plugin_test_host.h. Takes no lock of a maildrop and speaks with no client. */
#include "session/plugin_test_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_settings.h"
#include "common/deadline.h"
#include "session/plugin_test.h"

#define ERRORS_OPEN                                                                                                    \
	(1u << POPGATE_AUTH | 1u << POPGATE_TEMP | 1u << POPGATE_PERM | 1u << POPGATE_IN_USE |                         \
	 1u << POPGATE_PROTOCOL | 1u << POPGATE_STOPPED)
#define ERRORS_LIST (1u << POPGATE_TEMP | 1u << POPGATE_PERM | 1u << POPGATE_PROTOCOL | 1u << POPGATE_STOPPED)

/* ---- what the plugin sees ---- */

static struct probe *probe_of(struct popgate_session *session)
{
	return (struct probe *)session; /* its first member */
}

#define DAY 86400000 /* milliseconds */

/* How far the plugin's clock is ahead: a scripted wait takes no time, and yet its deadline has passed then. */
static int64_t ahead;

static int64_t test_now(void)
{
	return deadline_now() + ahead;
}

static int64_t true_time(int64_t time)
{
	return time > INT64_MAX / 2 ? time : time - ahead;
}

static enum popgate_wait time_out(const struct probe *probe, int64_t deadline)
{
	int64_t left = deadline - test_now();

	if (left > DAY)
		plugin_test_fail(probe->test, "expected a wait that ends, came one without a deadline");
	ahead += left;
	return POPGATE_TIMEOUT;
}

/* A deadline that has passed makes it a look, which tells what is even of an upstream that says nothing any more. */
static enum popgate_wait test_wait(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	struct probe *probe = probe_of(session);
	bool begun = !probe->after_octets || probe->octets, look = deadline <= test_now();

	probe->waits++;
	if (probe->script == PROBE_TRUTH || !begun || (look && probe->script == PROBE_TIMEOUT))
		return host_functions.wait(session, fd, events, true_time(deadline));
	if (!probe->scripted)
		probe->since = deadline_now();
	probe->scripted = true;
	return probe->script == PROBE_GONE ? POPGATE_CLIENT_GONE : time_out(probe, deadline);
}

static int test_credential(struct popgate_session *session, struct popgate_credential *credential_r,
			   struct popgate_error *error)
{
	probe_of(session)->credentials++;
	return host_functions.credential(session, credential_r, error);
}

static int test_lock(struct popgate_session *session, const char *folder, struct popgate_error *error)
{
	struct probe *probe = probe_of(session);

	(void)error;
	if (folder == NULL)
		plugin_test_fail(probe->test, "expected a folder's name for lock(), came NULL");
	if (probe->locks++ == 0)
		probe->locked_first = probe->credentials == 0;
	return 0;
}

static void test_log(struct popgate_session *session, enum popgate_log_level level, const char *format, ...)
{
	const struct secret *secret = session == NULL ? NULL : &session->secret;
	char text[900];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (secret != NULL && secret->size >= 4 && strstr(text, (const char *)secret->data) != NULL)
		plugin_test_fail(probe_of(session)->test, "expected no secret in log(), came the password");
	host_functions.log(session, level, "%s", text);
}

static int test_use_path(const struct popgate_settings *settings, const char *path, unsigned flags)
{
	return host_functions.use_path(settings, path, flags);
}

static int test_setting_choice(const struct popgate_settings *settings, const char *key)
{
	return host_functions.setting_choice(settings, key);
}

static enum popgate_secret_kind test_secret_kind(struct popgate_session *session)
{
	return host_functions.secret_kind(session);
}

/* There is no other password, and nobody who has one. */
static int test_renew(struct popgate_session *session, struct popgate_credential *credential_r,
		      struct popgate_error *error)
{
	(void)credential_r;
	probe_of(session)->renewals++;
	error->status = POPGATE_AUTH;
	snprintf(error->text, sizeof(error->text), "there is no newer credential");
	return -1;
}

const struct popgate_host plugin_test_host = {
    .size = sizeof(struct popgate_host),
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .setting_string = conf_setting_string,
    .setting_int = conf_setting_int,
    .setting_bool = conf_setting_bool,
    .now = test_now,
    .wait = test_wait,
    .credential = test_credential,
    .lock = test_lock,
    .log = test_log,
    .use_path = test_use_path,
    .setting_choice = test_setting_choice,
    .secret_kind = test_secret_kind,
    .renew = test_renew,
};

/* ---- drops ---- */

struct probe *probe_new(struct plugin_test *test)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL || secret_set(&probe->session.secret, test->password->data, test->password->size) != 0)
		plugin_test_skip(test, "out of memory");
	probe->test = test;
	probe->session.conf = test->conf;
	probe->session.backend = test->conf->backends;
	probe->session.lock.fd = -1;
	probe->session.in = -1;
	probe->session.output.fd = probe->session.output.watched = -1;
	probe->session.upstream_user = strdup(test->options->user);
	return probe;
}

int64_t probe_deadline(const struct probe *probe)
{
	return test_now() + probe->session.conf->limits.upstream_timeout;
}

int probe_try(struct probe *probe, int64_t deadline, struct popgate_error *error)
{
	struct plugin_test *test = probe->test;
	const struct popgate_open open = {.size = sizeof(open),
					  .user = probe->session.upstream_user,
					  .flags = probe->session.utf8 ? POPGATE_OPEN_UTF8 : 0,
					  .deadline = deadline,
					  .folder = probe->session.folder};
	void *const nothing = &probe->session.drop; /* no drop of a plugin is there */
	int result;

	probe->session.drop = nothing;
	plugin_test_soil(error);
	test->child->call = "open";
	result = test->plugin->open(test->instance, &probe->session, &open, &probe->session.drop, error);
	test->child->call = NULL;
	if (result == 0 && probe->session.drop == nothing)
		plugin_test_fail(test, "expected a drop of a successful open, came none");
	if (result == 0)
		return 0;
	if (probe->session.drop != nothing)
		plugin_test_fail(test, "expected no drop of an open that failed, came one");
	probe->session.drop = NULL;
	plugin_test_judge(test, "open", error, ERRORS_OPEN, &probe->session.secret);
	return -1;
}

struct probe *probe_open(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	struct popgate_error error;

	if (probe_try(probe, probe_deadline(probe), &error) != 0)
		plugin_test_fail(test, "expected open to succeed, came %s: %s", plugin_test_status(error.status),
				 error.text);
	test->child->call = "offers";
	probe->session.offers = plugin_offers(test->plugin, probe->session.drop);
	test->child->call = NULL;
	return probe;
}

struct listing {
	struct probe *probe;
	enum maildrop_fault fault;
};

static int take_listed(void *context, const struct popgate_message *message)
{
	struct listing *listing = context;
	const struct conf_limits *limits = &listing->probe->session.conf->limits;

	if (listing->fault == MAILDROP_FINE)
		listing->fault = maildrop_add(&listing->probe->session.maildrop, message, limits->max_messages);
	if (listing->fault != MAILDROP_FINE) /* at once: whoever goes on need not come back */
		plugin_test_fail(listing->probe->test, "message %zu: expected one that popgate takes, came: %s",
				 listing->probe->session.maildrop.count + 1, maildrop_fault_text(listing->fault));
	return 0;
}

typedef int snapshot_fn(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);

static void snapshot(struct probe *probe, const char *call, snapshot_fn *function)
{
	struct plugin_test *test = probe->test;
	struct listing listing = {.probe = probe};
	struct popgate_error error;
	int result;

	plugin_test_soil(&error);
	test->child->call = call;
	result = function(probe->session.drop, take_listed, &listing, probe_deadline(probe), &error);
	test->child->call = NULL;
	if (result != 0) {
		plugin_test_judge(test, call, &error, ERRORS_LIST, &probe->session.secret);
		plugin_test_fail(test, "expected %s to succeed, came %s: %s", call, plugin_test_status(error.status),
				 error.text);
	}
	listing.fault = maildrop_check(&probe->session.maildrop);
	if (listing.fault != MAILDROP_FINE)
		plugin_test_fail(test, "expected a listing that popgate takes, came: %s",
				 maildrop_fault_text(listing.fault));
}

void probe_list(struct probe *probe)
{
	snapshot(probe, "list", probe->test->plugin->list);
}

void probe_refresh(struct probe *probe)
{
	maildrop_clear(&probe->session.maildrop);
	probe->session.updating = false;
	snapshot(probe, "refresh", probe->test->plugin->refresh);
}

void probe_compare(const struct plugin_test *test, const struct maildrop *before, const struct maildrop *after)
{
	if (before->count != after->count)
		plugin_test_fail(test, "expected %zu messages again, came %zu", before->count, after->count);
	for (size_t i = 0; i < before->count; i++) {
		const char *id = maildrop_id(before, &before->entries[i]),
			   *other = maildrop_id(after, &after->entries[i]);

		if (strcmp(id, other) != 0)
			plugin_test_fail(test, "message %zu: expected the id %s again, came %s", i + 1, id, other);
		if (before->entries[i].octets != after->entries[i].octets)
			plugin_test_fail(test, "message %zu: expected %llu octets again, came %llu", i + 1,
					 (unsigned long long)before->entries[i].octets,
					 (unsigned long long)after->entries[i].octets);
	}
}

struct probe *probe_listed(struct plugin_test *test, size_t least)
{
	struct probe *probe = probe_open(test);
	size_t count;

	probe_list(probe);
	count = probe->session.maildrop.count;
	if (count < least)
		plugin_test_skip(test, "the maildrop has %zu message%s, %zu are needed", count, count == 1 ? "" : "s",
				 least);
	return probe;
}

void probe_close(struct probe **probe)
{
	struct plugin_test *test = (*probe)->test;

	test->child->call = "close";
	test->plugin->close((*probe)->session.drop);
	test->child->call = NULL;
	maildrop_clear(&(*probe)->session.maildrop);
	secret_clear(&(*probe)->session.secret);
	free((*probe)->session.upstream_user);
	free((*probe)->session.auth_user);
	free((*probe)->session.folder);
	free(*probe);
	*probe = NULL;
}
