/* opening - see opening.h. The credential goes into the OPEN or REOPEN message of one session; the spawner never sees
 * it.
 */
#include "broker/opening.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/route.h"

void opening_close_ends(struct login *login)
{
	if (login->stream >= 0)
		close(login->stream);
	if (login->page >= 0)
		close(login->page);
	login->stream = login->page = -1;
}

const char *opening_find(const struct login *login, struct opening_place *place_r)
{
	const struct conf *conf = login->broker->process->conf;
	const struct conf_route *route;
	size_t i;

	if (route_find(conf, login->listener, login->sasl.name, &i) != 0)
		return "no route is for this name";
	route = &conf->routes[i];
	place_r->number = route->backend;
	place_r->backend = &conf->backends[route->backend];
	if (route_upstream_user(route, login->sasl.name, place_r->user, sizeof(place_r->user)) != 0)
		return "the route's upstream_user cannot be made from this name";
	return NULL;
}

static int spawn(struct login *login)
{
	struct message message = {.type = MESSAGE_SPAWN};
	int ends[2], fds[3], result;

	if (login->broker->spawner == NULL || ipc_pair(ends) != 0)
		return -1;
	login->report = channel_new(login->broker->base, ends[0], login_take_report, login_lose_session, login);
	fds[0] = login->stream;
	fds[1] = login->page;
	fds[2] = ends[1];
	message.u.spawn.id = login->id;
	result = login->report == NULL ? -1 : channel_send(login->broker->spawner, &message, fds);
	close(ends[1]);
	opening_close_ends(login);
	return result;
}

/* type: OPEN, or REOPEN with what a session has from its fork otherwise. */
static int send_open(const struct login *login, enum message_type type, const struct opening_place *place)
{
	const int fds[] = {login->stream, login->page};
	struct message message = {.type = type};
	struct message_open *open = &message.u.open;

	open->id = login->id;
	open->backend = (uint32_t)place->number;
	open->flags = login->flags & LOGIN_UTF8;
	open->peer = message_text(login->peer);
	open->tls = message_text(login->tls);
	open->user = message_text(login->sasl.name);
	open->upstream_user = message_text(place->user);
	open->secret = message_octets(login->sasl.password.data, login->sasl.password.size);
	return channel_send(login->report, &message, fds);
}

/* The drop that was kept open, if there is one of this mailbox. Its session takes the login, or ends. */
static int reopen(struct login *login, const struct opening_place *place)
{
	struct broker *broker = login->broker;

	if (broker->process->conf->limits.keep_open == 0)
		return -1;
	login->backend = place->number;
	free(login->upstream_user);
	login->upstream_user = strdup(place->user); /* NULL: it will not be kept */
	login->report = kept_take(&broker->kept, place->number, place->user);
	if (login->report == NULL)
		return -1;
	channel_give(login->report, login_take_report, login_lose_session, login);
	if (send_open(login, MESSAGE_REOPEN, place) == 0) {
		login->reopening = true;
		return 0;
	}
	channel_free(&login->report);
	return -1;
}

int opening_start(struct login *login, const struct opening_place *place)
{
	if (!login->anew && reopen(login, place) == 0)
		return 0;
	if (spawn(login) != 0 || send_open(login, MESSAGE_OPEN, place) != 0)
		return -1;
	secret_clear(&login->sasl.password);
	return 0;
}
