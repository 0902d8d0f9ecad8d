/* client - one connection of a POP3 client: TLS, the greeting, AUTHORIZATION,
 * then a relay of octets or the session's own, then the end. Front process, event-driven. */
#ifndef POPGATE_FRONT_CLIENT_H
#define POPGATE_FRONT_CLIENT_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/message.h"
#include "pop3/authorization.h"
#include "pop3/line.h"

struct arrival;
struct front;
struct relay;

enum client_state {
	CLIENT_ARRIVING,  /* its proxy has not said who it is */
	CLIENT_HANDSHAKE, /* TLS is being negotiated */
	CLIENT_SPEAKING,  /* AUTHORIZATION: its lines are ours to answer */
	CLIENT_STLS,	  /* "+OK" to STLS is leaving */
	CLIENT_ASKING,	  /* the broker has a credential of it */
	CLIENT_RELAYING,  /* logged in: a session answers */
	CLIENT_LOST,	  /* its session died: every command is refused */
	CLIENT_CLOSING	  /* the last octets are leaving */
};

struct client {
	struct front *front;
	struct client *previous, *next; /* all clients */
	struct client *same_bucket;	/* of the table by id */
	struct client *older, *newer;	/* those that have not logged in */
	uint64_t id;
	uint64_t tally_key;
	char name[LOG_SESSION_SIZE]; /* the id, for logs */
	char peer[MESSAGE_ADDRESS_MAX];
	const struct conf_listener *listener;
	enum client_state state;
	bool finished; /* the client sends no more */
	bool paused;   /* its lines wait until its replies have left */
	bool pending;  /* the broker knows of a login of it */
	bool greeted;
	bool shared;			/* a session holds the socket too */
	bool waiting;			/* it has not logged in, and makes way where there is no room */
	bool leaving;			/* CLOSING: until the timer's end it may take what is buffered */
	bool proxied;			/* its address is what a proxy said */
	unsigned still;			/* looks in a row at which it had taken nothing of what waits */
	uint64_t taken;			/* what it had taken at the last one */
	struct arrival *arrival;	/* ARRIVING: has the socket; else NULL */
	struct bufferevent *connection; /* NULL as long as it arrives */
	struct event *timer;
	int64_t login_deadline; /* the login must be proven by then */
	struct line_reader reader;
	struct authorization authorization;
	struct relay *relay;
};

/* Takes an accepted socket over. On failure the socket is closed, nothing else happens. */
void client_new(struct front *front, evutil_socket_t fd, const struct sockaddr *address, socklen_t address_size,
		const struct conf_listener *listener);
/* Ends at once, whatever is buffered. */
void client_free(struct client *client);
/* Sends what is buffered, says goodbye, ends. */
void client_close(struct client *client);

/* Has no more than a moment to log in: what its login would be judged by is out of date. A login that is judged right
 * now may take its time. */
void client_hurry(struct client *client);

/* The proxy has said whose the connection is; address NULL: its own, or nobody's in particular. */
void client_arrived(struct client *client, const struct sockaddr *address);
/* Acts on the octets at hand, as the state demands. */
void client_take_input(struct client *client);
/* Appends to what the client is sent. */
void client_write(struct client *client, const void *data, size_t size);
/* From now on it is ended when it takes nothing of what waits for it during stall_timeout. */
void client_watch_stall(struct client *client);
/* Sets the deadline of the current state, from now. */
void client_set_timer(struct client *client, int64_t milliseconds);
struct timeval client_time(int64_t milliseconds);
const struct conf_limits *client_limits(const struct client *client);

/* The broker's answers to a client that is ASKING (authorize.c, as client_lost). */
void client_challenge(struct client *client, const unsigned char *data, size_t size);
void client_refused(struct client *client, unsigned status);
void client_opened(struct client *client, const unsigned char *text, size_t size);

/* The relay's: its session died while nothing torn had been sent. The octets in `unanswered`
 * are commands that the session had not answered. */
void client_lost(struct client *client, struct evbuffer *unanswered);

#endif
