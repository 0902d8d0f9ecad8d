/* arrival - see arrival.h. What follows the header stays in the socket, so that TLS finds its first octet there. */
#include "front/arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "front/front.h"
#include "front/proxy_header.h"

#define WORD_PAUSE 60000 /* milliseconds between two words about connections that were refused */

struct arrival {
	struct client *client;
	struct event *readable;
	evutil_socket_t fd;
	struct proxy_header header;
};

bool arrival_is_from_proxy(struct client *client)
{
	const struct conf_listener *listener = client->listener;
	struct front *front = client->front;

	for (size_t i = 0; i < listener->proxy_count; i++)
		if (network_holds(&listener->proxies[i], client->peer))
			return true;
	front->strangers++;
	if (deadline_left(front->strangers_word) > 0)
		return false;
	log_say(POPGATE_LOG_WARN, client->name,
		"%s is none of the proxy_networks of the listener at port %u: closed; %u such connections since the "
		"last word",
		client->peer, listener->port, front->strangers);
	front->strangers = 0;
	front->strangers_word = deadline_in(WORD_PAUSE);
	return false;
}

static void tell_malformed(const struct client *client, const char *why)
{
	struct front *front = client->front;

	front->malformed++;
	if (deadline_left(front->malformed_word) > 0)
		return;
	log_say(POPGATE_LOG_WARN, client->name,
		"the proxy %s sent no sound header of the PROXY protocol: %s; %u such connections since the last word",
		client->peer, why, front->malformed);
	front->malformed = 0;
	front->malformed_word = deadline_in(WORD_PAUSE);
}

/* A proxy that looks whether anybody is there sends nothing at all. */
static void take_end(const struct arrival *arrival)
{
	if (arrival->header.size > 0)
		tell_malformed(arrival->client, "it ended too soon");
	client_free(arrival->client);
}

static void on_readable(evutil_socket_t fd, short events, void *context)
{
	struct arrival *arrival = context;
	unsigned char octets[PROXY_HEADER_MAX];
	struct sockaddr_storage address;
	enum proxy_event event;
	const char *why;
	size_t used;
	ssize_t got = recv(fd, octets, sizeof(octets), MSG_PEEK);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		take_end(arrival);
		return;
	}
	event = proxy_header_take(&arrival->header, octets, (size_t)got, &used, &address, &why);
	if (recv(fd, octets, used, 0) != (ssize_t)used) {
		client_free(arrival->client);
		return;
	}
	switch (event) {
	case PROXY_MORE:
		return;
	case PROXY_CLIENT:
		client_arrived(arrival->client, (struct sockaddr *)&address);
		return;
	case PROXY_OWN:
		client_arrived(arrival->client, NULL);
		return;
	case PROXY_MALFORMED:
		tell_malformed(arrival->client, why);
		client_free(arrival->client);
		return;
	}
}

struct arrival *arrival_new(struct client *client, evutil_socket_t fd)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	if (arrival == NULL)
		return NULL;
	arrival->client = client;
	arrival->fd = fd;
	arrival->readable = event_new(client->front->base, fd, EV_READ | EV_PERSIST, on_readable, arrival);
	if (arrival->readable != NULL && event_add(arrival->readable, NULL) == 0)
		return arrival;
	if (arrival->readable != NULL)
		event_free(arrival->readable);
	free(arrival);
	return NULL;
}

evutil_socket_t arrival_end(struct arrival **arrival)
{
	evutil_socket_t fd = (*arrival)->fd;

	event_free((*arrival)->readable);
	free(*arrival);
	*arrival = NULL;
	return fd;
}

void arrival_free(struct arrival **arrival)
{
	if (*arrival != NULL)
		close(arrival_end(arrival));
}
