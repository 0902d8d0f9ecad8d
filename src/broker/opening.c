/* opening - see opening.h. The credential goes into the OPEN or REOPEN message of one session; the spawner never sees
 * it.
 */
#include "broker/opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/login_name.h"
#include "common/route.h"

void opening_close_ends(struct login *login)
{
	if (login->stream >= 0)
		close(login->stream);
	if (login->page >= 0)
		close(login->page);
	login->stream = login->page = -1;
}

static void enter(struct opening_place *place, const struct conf *conf, size_t backend,
		  const struct conf_source *source)
{
	*place = (struct opening_place){.number = backend, .backend = &conf->backends[backend], .source = source};
}

static const char *follow_route(const struct login *login, struct opening_place *place)
{
	const struct conf *conf = login->broker->process->conf;
	const char *user = login_user(login);
	const struct conf_route *route;
	size_t i;

	if (route_find(conf, login->listener, user, &i) != 0)
		return "no route is for this name";
	route = &conf->routes[i];
	enter(place, conf, route->backend, &route->source);
	place->route = route;
	if (route_upstream_user(route, user, place->user, sizeof(place->user)) != 0)
		return "the route's upstream_user cannot be made from this name";
	return NULL;
}

/* What the account says of it. */
static void follow_account(const struct account *account, struct opening_place *place)
{
	place->folder = account->folder;
	if (account->source.kind != CONF_SOURCE_CLIENT || account->source.auth_user != NULL)
		place->source = &account->source;
	if (account->upstream_user != NULL || account->backend != ACCOUNT_BY_ROUTE)
		snprintf(place->user, sizeof(place->user), "%s",
			 account->upstream_user != NULL ? account->upstream_user : account->user);
}

/* Those that the login may ask for. */
static const struct conf_folders *folders_for(const struct login *login, const struct opening_place *place)
{
	static const struct conf_folders none;

	if (login->account != NULL && login->account->folders.count > 0)
		return &login->account->folders;
	return place->route != NULL ? &place->route->folders : &none;
}

static const char *find(const struct login *login, struct opening_place *place)
{
	const struct account *account = login->account;
	const char *why = NULL;

	if (account != NULL && account->backend != ACCOUNT_BY_ROUTE)
		enter(place, login->broker->process->conf, account->backend, &account->source);
	else
		why = follow_route(login, place);
	if (why != NULL)
		return why;
	if (account != NULL)
		follow_account(account, place);
	if (login->folder != NULL) {
		place->folder = login_name_folder(folders_for(login, place), login->folder);
		place->denied = place->folder == NULL;
	}
	return NULL;
}

int opening_find(struct login *login)
{
	login->place = malloc(sizeof(*login->place));
	if (login->place == NULL)
		return -1;
	login->nowhere = find(login, login->place);
	if (login->nowhere == NULL)
		return 0;
	free(login->place);
	login->place = NULL;
	return 0;
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
static int send_open(const struct login *login, enum message_type type)
{
	const struct opening_place *place = login->place;
	const uint32_t own = login->proved && place->source->kind == CONF_SOURCE_CLIENT ? LOGIN_PROVED : 0;
	const uint32_t stranger = login->broker->accounts != NULL && !login->proved ? LOGIN_STRANGER : 0;
	const uint32_t delays = login->broker->delays ? LOGIN_DELAYS : 0;
	const int fds[] = {login->stream, login->page};
	struct message message = {.type = type};
	struct message_open *open = &message.u.open;

	open->id = login->id;
	open->backend = (uint32_t)place->number;
	open->flags = (login->flags & LOGIN_UTF8) | own | stranger | delays | (place->denied ? LOGIN_DENIED : 0);
	if (type == MESSAGE_REOPEN && login->trial)
		open->flags |= LOGIN_TRIAL;
	open->login_delay = login->policy.login_delay;
	open->octets = policy_allowance(login);
	open->secret_kind = login->secret_kind;
	open->expires = login->expires;
	open->auth_user = message_text(place->source->auth_user == NULL ? "" : place->source->auth_user);
	open->folder = message_text(place->folder == NULL ? "" : place->folder);
	open->peer = message_text(login->peer);
	open->tls = message_text(login->tls);
	open->user = message_text(login->sasl.name);
	open->upstream_user = message_text(place->user);
	open->secret = message_octets(login->secret.data, login->secret.size);
	return channel_send(login->report, &message, fds);
}

/* The drop that was kept open, if there is one of this mailbox. Its session takes the login, or ends. */
static int reopen(struct login *login)
{
	const struct opening_place *place = login->place;
	struct broker *broker = login->broker;
	const char *why;

	if (broker->process->conf->limits.keep_open == 0 || place->denied)
		return -1;
	login->backend = place->number;
	free(login->mailbox);
	login->mailbox = NULL;
	/* no name holds a control character */
	if (asprintf(&login->mailbox, "%s\n%s", place->user, place->folder == NULL ? "" : place->folder) < 0)
		login->mailbox = NULL; /* it will not be kept */
	if (login->mailbox != NULL)
		login->report = kept_take(&broker->kept, place->number, login->mailbox, &login->lock);
	if (login->report == NULL)
		return -1;
	channel_give(login->report, login_take_report, login_lose_session, login);
	login->trial = !login->proved && policy_judge(login, POLICY_PROVED, &why) != 0;
	if (send_open(login, MESSAGE_REOPEN) == 0) {
		login->reopening = true;
		return 0;
	}
	channel_free(&login->report);
	login->trial = false;
	return -1;
}

int opening_start(struct login *login)
{
	if (!login->anew && reopen(login) == 0)
		return 0;
	if (spawn(login) != 0 || send_open(login, MESSAGE_OPEN) != 0)
		return -1;
	secret_clear(&login->secret);
	return 0;
}
