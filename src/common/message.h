/* message - the typed, bounded records that processes send each other. Pure.
 *
 * Sender and receiver distrust each other: decoding checks type, order,
 * bounds, text and that nothing is left over. Who sends what:
 *
 *   supervisor -> all       NEIGHBOUR LOG DRAIN STOP
 *   all -> supervisor       READY LOST
 *   front -> broker         LOGIN RESPONSE CANCEL
 *   broker -> front         CHALLENGE OPENED REFUSED FEATURES
 *   broker -> spawner       SPAWN
 *   broker -> session       OPEN REOPEN FETCHED REFUSED
 *   session -> broker       OPENED REFUSED KEPT ENDED RENEW
 *   broker -> helper        CHECK
 *   helper -> broker        CHECKED
 *   broker -> agent         FETCH USED
 *   agent -> broker         FETCHED REFUSED
 */
#ifndef POPGATE_COMMON_MESSAGE_H
#define POPGATE_COMMON_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX 20480 /* octets of an encoded message */
#define MESSAGE_FDS 3	  /* descriptors that may come with one */

#define MESSAGE_NAME_MAX      1024  /* login names, user names */
#define MESSAGE_SECRET_MAX    12288 /* passwords and SASL responses */
#define MESSAGE_SPEC_MAX      4096  /* where a credential comes from */
#define MESSAGE_HASH_MAX      512   /* of crypt(3) */
#define MESSAGE_TEXT_MAX      400   /* text of a reply, without its status and CRLF */
#define MESSAGE_ADDRESS_MAX   128   /* "[v6]:port" and the like */
#define MESSAGE_TIMESTAMP_MAX 64    /* of a greeting */
#define MESSAGE_DEVICE_MAX    16    /* a salt */
#define MESSAGE_BINDING_MAX   64    /* what is bound to of TLS */

enum message_type {
	MESSAGE_NEIGHBOUR = 1, /* + channel end: the new neighbour of that role */
	MESSAGE_LOG,	       /* + descriptor: log to this from now on */
	MESSAGE_DRAIN,	       /* no new work; end when idle */
	MESSAGE_STOP,	       /* end, finishing what runs */
	MESSAGE_READY,	       /* loaded and checked */
	MESSAGE_LOST,	       /* the channel to that neighbour is gone: another is wanted */
	MESSAGE_LOGIN,	       /* + stream end, phase page */
	MESSAGE_RESPONSE,
	MESSAGE_CANCEL,
	MESSAGE_CHALLENGE,
	MESSAGE_OPENED,
	MESSAGE_REFUSED,
	MESSAGE_SPAWN, /* + stream end, phase page, report channel end */
	MESSAGE_OPEN,
	MESSAGE_REOPEN, /* + stream end, phase page: as OPEN, for a session that was kept */
	MESSAGE_KEPT,	/* the drop outlives its client: the next login of the same user may have it */
	MESSAGE_ENDED,	/* the client's part is over, and nothing is kept */
	MESSAGE_RENEW,	/* the upstream has refused the credential, or it is about to expire */
	MESSAGE_FETCH,	/* a credential from where its source says */
	MESSAGE_FETCHED,
	MESSAGE_CHECK, /* a password against a hash */
	MESSAGE_CHECKED,
	MESSAGE_FEATURES, /* what the accounts allow clients to prove themselves with */
	MESSAGE_USED,	  /* the password of a device was used */
	MESSAGE_TYPES
};

/* Octets inside the buffer that the message was decoded from; size 0: empty. */
struct message_bytes {
	const unsigned char *data;
	size_t size;
};

struct message_neighbour {
	uint32_t role; /* enum process_role */
};

struct message_seconds {
	uint32_t milliseconds; /* how long running work may take */
};

#define LOGIN_HAS_RESPONSE 1u	/* an initial response came with the command, perhaps empty */
#define LOGIN_UTF8	   2u	/* the client issued UTF8 */
#define LOGIN_PROVED	   4u	/* OPEN: proved here; the secret is the client's own, or none */
#define LOGIN_PROXIED	   8u	/* a proxy has told the peer's address */
#define LOGIN_DELAYS	   16u	/* OPEN: clients are told of login_delay */
#define LOGIN_EXPORTER	   32u	/* the binding is tls-exporter (RFC 9266), else tls-unique (RFC 5929) */
#define LOGIN_DENIED	   64u	/* OPEN: the user is to be proved and then refused: the folder is none for him */
#define LOGIN_STRANGER	   256u /* OPEN: there are accounts, and none has proved this user */
#define LOGIN_TRIAL	   128u /* REOPEN: it is only to be said by KEPT that the drop would be for this login */

struct message_login {
	uint64_t id;			/* the connection's; also the session's in logs */
	struct message_bytes peer;	/* address without port */
	struct message_bytes tls;	/* "TLSv1.3" and the like; empty in clear */
	struct message_bytes mechanism; /* SASL name, "APOP", or "USER" for USER and PASS */
	struct message_bytes user;	/* USER and APOP only */
	struct message_bytes response;	/* the password, APOP's digest, or the decoded initial response */
	uint32_t flags;
	uint32_t listener;		/* index in the configuration's */
	struct message_bytes timestamp; /* APOP: the greeting's */
	struct message_bytes binding;	/* of TLS, where a mechanism that is bound to it is offered; empty: none is */
};

struct message_response { /* RESPONSE and CHALLENGE, decoded */
	uint64_t id;
	struct message_bytes data;
};

struct message_id { /* CANCEL, SPAWN, RENEW */
	uint64_t id;
};

struct message_ended { /* KEPT and ENDED */
	uint64_t id;
	uint64_t octets; /* that the client was sent */
};

struct message_opened {
	uint64_t id;
	uint64_t lock;		   /* which one the session has: the folder, by whatever name it was asked for */
	struct message_bytes text; /* what follows "+OK " */
};

/* What a proved login is refused with by the broker itself, beside enum popgate_status. */
enum message_refusal {
	REFUSAL_LOGIN_DELAY = 256, /* too soon after the last one */
	REFUSAL_SESSIONS,	   /* too many at a time */
	REFUSAL_OCTETS,		   /* too much today */
	REFUSAL_TOKEN		   /* there is no token for the mailbox, and none to be had by itself */
};

struct message_refused {
	uint64_t id;
	uint32_t status;	   /* enum popgate_status, of the broker also enum message_refusal */
	struct message_bytes text; /* for the log: why */
};

struct message_open { /* OPEN and REOPEN */
	uint64_t id;
	uint32_t backend; /* index in conf.backends */
	uint32_t flags;	  /* LOGIN_UTF8 */
	struct message_bytes peer, tls;
	uint32_t secret_kind;		    /* enum popgate_secret_kind */
	uint64_t expires;		    /* when another is to be asked for, milliseconds of CLOCK_MONOTONIC; 0: never */
	struct message_bytes user;	    /* as the client gave it */
	struct message_bytes upstream_user; /* as the route made it */
	struct message_bytes auth_user;	    /* who authenticates; empty: upstream_user */
	struct message_bytes folder;	    /* empty: the backend's */
	struct message_bytes secret;
	uint32_t login_delay; /* the user's, seconds */
	uint64_t octets;      /* that may be sent; 0: any number */
};

#define FETCH_NEWER 1u /* the one that was fetched last has been refused upstream */

struct message_fetch {
	uint64_t id;
	uint32_t source; /* enum conf_source_kind */
	uint32_t flags;
	uint64_t serial;	   /* with NEWER: that of the one that was refused */
	struct message_bytes user; /* the account's or the login's name */
	struct message_bytes spec; /* conf_source.text */
};

struct message_fetched {
	uint64_t id;
	uint32_t secret_kind; /* enum popgate_secret_kind */
	uint64_t expires;     /* as in OPEN */
	uint64_t serial;      /* which token of the account's it is; 0: it is none */
	struct message_bytes secret;
};

struct message_check {
	uint64_t id;
	struct message_bytes hash; /* crypt(3) */
	struct message_bytes password;
};

enum message_verdict { CHECK_RIGHT, CHECK_WRONG, CHECK_FAILED };

struct message_checked {
	uint64_t id;
	uint32_t verdict; /* enum message_verdict */
};

struct message_features {
	uint32_t proofs;	     /* ACCOUNT_... that any account has */
	uint32_t login_delay;	     /* the longest of any user, seconds */
	uint32_t login_delay_varies; /* 1: there are others */
};

struct message_used {
	struct message_bytes device; /* the salt of its password */
	struct message_bytes peer;   /* address without port */
};

struct message {
	enum message_type type;
	union {
		struct message_neighbour neighbour, lost;
		struct message_seconds drain, stop;
		struct message_login login;
		struct message_response response, challenge;
		struct message_id cancel, spawn, renew;
		struct message_ended kept, ended;
		struct message_opened opened;
		struct message_refused refused;
		struct message_open open;
		struct message_fetch fetch;
		struct message_fetched fetched;
		struct message_check check;
		struct message_checked checked;
		struct message_features features;
		struct message_used used;
	} u;
};

/* How many octets a message of this type has at most; 0: there is no such type. */
size_t message_most(enum message_type type);
/* Writes the message into buffer, which has room for message_most() octets.
 * Returns its octets, or 0 when a field exceeds its bound or the whole MESSAGE_MAX. */
size_t message_encode(const struct message *message, unsigned char *buffer);
/* Reads a message; its bytes point into buffer. Returns 0, or -1 when it is not well-formed. */
int message_decode(const unsigned char *buffer, size_t size, struct message *message_r);
/* How many descriptors come with a message of this type, always. */
size_t message_fds(enum message_type type);
/* "LOGIN" and the like, for logs. */
const char *message_name(enum message_type type);
/* Octets as a struct message_bytes. */
struct message_bytes message_text(const char *text);
struct message_bytes message_octets(const void *data, size_t size);

#endif
