/* shaky_waits - how shaky_plugin.c waits for its upstream, and how that goes wrong. */

/* Waits as one that has an upstream does. */
static int await(const struct drop *drop, const struct popgate_pace *pace, struct popgate_error *error)
{
	const struct popgate_host *host = drop->shaky->host;
	int64_t deadline = is(drop->shaky, "no-deadline") ? INT64_MAX : host->now() + pace->window;

	switch (host->wait(drop->session, drop->ready[0], POPGATE_READABLE, deadline)) {
	case POPGATE_CLIENT_GONE:
		if (is(drop->shaky, "gone-late"))
			sleep(2);
		if (is(drop->shaky, "gone-temp"))
			return fail(error, POPGATE_TEMP, "gone");
		return is(drop->shaky, "gone-ignored") ? 0 : fail(error, POPGATE_STOPPED, "gone");
	case POPGATE_TIMEOUT:
		if (is(drop->shaky, "timeout-stopped"))
			return fail(error, POPGATE_STOPPED, "silent");
		return is(drop->shaky, "timeout-ignored") ? 0 : fail(error, POPGATE_TEMP, "silent");
	case POPGATE_READY:
	case POPGATE_WAIT_FAILED:
		break;
	}
	return 0;
}

/* An upstream that takes its time for the last message, where that is the first to be fetched. */
static int wait_long(const struct drop *drop, size_t message, const struct popgate_pace *pace,
		     struct popgate_error *error)
{
	const struct popgate_host *host = drop->shaky->host;
	bool slow = message == MESSAGES - 1;
	int64_t begun = host->now();

	for (size_t i = 0; i < MESSAGES; i++)
		slow = slow && (i == message || !drop->fetched[i]);
	if (!slow)
		return 0;
	switch (host->wait(drop->session, drop->ready[1], POPGATE_READABLE, begun + 2200)) {
	case POPGATE_CLIENT_GONE:
		return fail(error, POPGATE_STOPPED, "gone");
	case POPGATE_TIMEOUT:
		return host->now() - begun < pace->window ? 0 : fail(error, POPGATE_TEMP, "too slow");
	case POPGATE_READY:
	case POPGATE_WAIT_FAILED:
		break;
	}
	return fail(error, POPGATE_TEMP, "no wait");
}
