/* popgate/plugin.h - the contract between popgate and a backend plugin.
 *
 * A plugin turns one POP3 maildrop into something remote or local: an IMAP
 * folder, a directory, a database. It is a shared module that exports one
 * object, `popgate_plugin`. popgate looks at that object's data before it
 * calls any of the module's functions, and refuses the module when the data
 * does not fit (see "Versions" below).
 *
 * Processes. configure() runs once in the spawner process, which has no
 * network and no credential; nothing of what it makes may be changed later.
 * Every open maildrop is a process of its own, forked from the spawner:
 * open(), list(), fetch(), commit() and close() of one drop run there, one
 * after the other, on one thread. A plugin needs no locks, may block (only
 * in host->wait, see there) and may keep no state between two drops.
 *
 * The sandbox. Sessions run no programs, make no threads or children, send no signals, listen on
 * no port and make no memory executable: load all modules in configure(). They connect where they like, and read what
 * resolving names and verifying certificates needs (/etc, the libraries' folders);
 * other files only where configure() has said so by host->use_path.
 *
 * Results. A function that can fail returns 0, or -1 with *error filled in.
 * error->text is for the operator's log; it never reaches the POP3 client
 * and must hold no secret. Outputs named _r are set on success only.
 *
 * Strings are NUL-terminated UTF-8, owned by whoever passed them, valid until
 * the call returns unless said otherwise. Times are milliseconds of
 * CLOCK_MONOTONIC; a deadline is such a time, never a duration. When it has
 * passed a call fails with TEMP rather than wait; open() and commit() then
 * begin nothing.
 *
 * Versions. POPGATE_ABI_MAJOR grows when an existing plugin would break,
 * POPGATE_ABI_MINOR when something was added at the end of a structure. A
 * module is loaded when its major equals the host's and its minor is not
 * newer; what came after its minor is absent, and no bit of it counts. Every
 * structure that may grow begins with its size.
 */
#ifndef POPGATE_PLUGIN_H
#define POPGATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POPGATE_PLUGIN_MAGIC 0x50474154u /* "PGAT" */
#define POPGATE_ABI_MAJOR    1u
#define POPGATE_ABI_MINOR    3u

/* ---- errors ---------------------------------------------------------- */

/* What went wrong, in terms of what the POP3 client is told. */
enum popgate_status {
	POPGATE_AUTH = 1, /* the credential was refused: -ERR [AUTH] */
	POPGATE_TEMP,	  /* unreachable, overloaded, timed out: -ERR [SYS/TEMP] */
	POPGATE_PERM,	  /* needs an administrator: -ERR [SYS/PERM] */
	POPGATE_IN_USE,	  /* the maildrop is locked: -ERR [IN-USE] */
	POPGATE_PROTOCOL, /* the peer broke its protocol: -ERR [SYS/TEMP], the drop is dead */
	POPGATE_GONE,	  /* this one message is no longer there: plain -ERR, the drop lives */
	POPGATE_STOPPED	  /* the client has gone or the sink refused: nothing is answered */
};

#define POPGATE_ERROR_TEXT 256

/* Owned by the caller. */
struct popgate_error {
	enum popgate_status status;
	char text[POPGATE_ERROR_TEXT]; /* one line, may be cut */
};

/* ---- settings -------------------------------------------------------- */

enum popgate_key_type {
	POPGATE_KEY_STRING,
	POPGATE_KEY_BOOL,
	POPGATE_KEY_INT,     /* min..max */
	POPGATE_KEY_SECONDS, /* min..max, seconds */
	POPGATE_KEY_OCTETS,  /* min..max, octets */
	POPGATE_KEY_CHOICE,  /* a string out of `choices` */
	POPGATE_KEY_FILE     /* a string; relative to the configuration file's folder */
};

#define POPGATE_KEY_REQUIRED 1u
#define POPGATE_KEY_SECRET   2u /* the value is never printed, nor is the default */

/* One key that a backend's section may hold. The table ends with name NULL. */
struct popgate_key {
	const char *name;
	enum popgate_key_type type;
	unsigned flags;
	const char *fallback;	    /* default as it would stand in the file, strings unquoted; NULL: unset */
	int64_t min, max;	    /* INT, SECONDS, OCTETS: inclusive; both 0: no bound */
	const char *const *choices; /* CHOICE: ends with NULL */
	const char *help;	    /* one line, no final dot */
};

/* The checked values of one backend's section. Opaque; read through the host. */
struct popgate_settings;

/* ---- the host -------------------------------------------------------- */

/* One open maildrop as the host sees it. Opaque. */
struct popgate_session;

enum popgate_log_level { POPGATE_LOG_WARN, POPGATE_LOG_INFO, POPGATE_LOG_DEBUG };

#define POPGATE_READABLE 1u
#define POPGATE_WRITABLE 2u

enum popgate_wait {
	POPGATE_READY,	     /* fd is ready, or has an error pending that read or write will show */
	POPGATE_TIMEOUT,     /* the deadline has passed */
	POPGATE_CLIENT_GONE, /* give up with POPGATE_STOPPED; never returned during commit() */
	POPGATE_WAIT_FAILED  /* the wait itself failed (memory, bad descriptor) */
};

/* A credential. The bytes are wiped when the session ends; don't copy them
 * to where they outlive the call that needed them. */
struct popgate_credential {
	const char *user; /* whom to authenticate as. Another than open->user: a master user, who acts for that one
			   * (only with POPGATE_TAKES_MASTER) */
	const unsigned char *secret;
	size_t secret_size; /* octets; a NUL follows them */
};

/* ABI 1.3: what a secret is. */
enum popgate_secret_kind {
	POPGATE_PASSWORD,
	POPGATE_TOKEN, /* an OAuth 2.0 access token (RFC 6750); only with POPGATE_TAKES_TOKEN */
	POPGATE_NONE   /* empty: something else proves the user (a certificate); only with POPGATE_TAKES_NONE */
};

struct popgate_host {
	size_t size;
	unsigned abi_major, abi_minor;

	/* Settings, for configure() only. The strings live as long as the
	 * instance. string: NULL when unset without default. Asking for a key
	 * that the table lacks, or with the wrong type, ends the process. */
	const char *(*setting_string)(const struct popgate_settings *settings, const char *key);
	int64_t (*setting_int)(const struct popgate_settings *settings, const char *key);
	int (*setting_bool)(const struct popgate_settings *settings, const char *key);

	/* The monotonic clock in milliseconds. */
	int64_t (*now)(void);

	/* The only place where a plugin blocks: waits until fd is readable or
	 * writable (`events`) or the deadline passes. A deadline that has
	 * passed already makes it a look: READY if fd is ready now, else TIMEOUT. */
	enum popgate_wait (*wait)(struct popgate_session *session, int fd, unsigned events, int64_t deadline);

	/* The current credential of this drop's user. *credential_r stays valid
	 * until the next call. May block (a token may have to be renewed). */
	int (*credential)(struct popgate_session *session, struct popgate_credential *credential_r,
			  struct popgate_error *error);

	/* Takes the maildrop's lock; to be called in open(), once, as soon as
	 * the upstream has accepted the credential. `folder` is the folder's
	 * canonical name upstream. Fails with IN_USE when another session
	 * holds the maildrop (after a wait of 2 s at most), STOPPED, or TEMP.
	 * Returns 1 instead of 0 when another session has held it until now:
	 * what was read of the maildrop before is out of date.
	 * The host releases it after close(), or before. */
	int (*lock)(struct popgate_session *session, const char *folder, struct popgate_error *error);

	/* One line for the operator's log; session may be NULL in configure().
	 * Control characters are escaped by the host; no secrets. */
	void (*log)(struct popgate_session *session, enum popgate_log_level level, const char *format, ...)
#if defined(__GNUC__)
	    __attribute__((format(printf, 3, 4)))
#endif
	    ;

	/* ABI 1.1, for configure() only: its sessions open files in the folder `path` (absolute, there
	 * already) and below; with POPGATE_PATH_WRITE they also make, change, rename and remove them. 0, or
	 * -1: no memory, or not absolute. */
	int (*use_path)(const struct popgate_settings *settings, const char *path, unsigned flags);

	/* ABI 1.3, for configure() only: the position in `choices` of a CHOICE's value; -1: unset without default. */
	int (*setting_choice)(const struct popgate_settings *settings, const char *key);
	/* ABI 1.3: what the secret is that credential() gives in this session. */
	enum popgate_secret_kind (*secret_kind)(struct popgate_session *session);
	/* ABI 1.3: the upstream has refused the credential that was given last. As credential(), with one that is newer
	 * than that; or -1: AUTH, there is no other (always so with a password), PERM, TEMP. At most once between two
	 * that were accepted. May block. */
	int (*renew)(struct popgate_session *session, struct popgate_credential *credential_r,
		     struct popgate_error *error);
};

#define POPGATE_PATH_WRITE 1u

/* ---- the plugin ------------------------------------------------------ */

/* One message of the snapshot, in maildrop order. */
#define POPGATE_SEEN 1u
struct popgate_message {
	const char *uidl; /* RFC 1939: 1-70 octets of 0x21-0x7E; the same for the same content for ever,
			   * never used again; unique within the maildrop. The host checks. */
	uint64_t octets;  /* with CRLF line ends, the last line's too; below 2^63. See POPGATE_EXACT_SIZE */
	unsigned flags;	  /* POPGATE_SEEN */
};

/* Takes one message of the listing. Returns 0, or -1: stop, fail with STOPPED
 * (the host has seen something impossible, or ran out of memory). */
typedef int popgate_list_fn(void *context, const struct popgate_message *message);

/* Where fetch() writes: raw RFC 5322 octets in chunks of any size; the host
 * alone makes line ends CRLF, stuffs dots and cuts at TOP's line count.
 * write() may block while the client is slow. It returns
 *   0  go on
 *   1  enough: the host needs no more of this message (TOP); return success
 *  -1  stop: return -1 with STOPPED */
struct popgate_sink {
	int (*write)(void *context, const void *data, size_t size);
	void *context;
};

/* How slow a fetch may be: at least `octets` in each `window` milliseconds (1 at least) in
 * which it waited for the upstream (time in sink->write does not count). */
struct popgate_pace {
	int64_t window;
	uint64_t octets;
};

#define POPGATE_WHOLE ((int64_t)-1) /* fetch: the whole message */

/* open(): what the client asked for. */
#define POPGATE_OPEN_UTF8 1u /* RFC 6856: the client takes UTF-8 headers */
/* From ABI 1.3. There are local accounts, and it was none that proved this user: who has one must not show. A
 * credential that is of no use here, whoever has it, is refused like a wrong one, with POPGATE_AUTH. */
#define POPGATE_OPEN_STRANGER 2u

struct popgate_open {
	size_t size;
	const char *user; /* upstream name, as the route made it */
	unsigned flags;	  /* POPGATE_OPEN_... */
	int64_t deadline; /* for connect, login and select together */
	/* ABI 1.3 */
	const char *folder; /* the folder that the login asks for instead of the settings' one, in UTF-8, without
			     * control characters; NULL: none. Only with POPGATE_TAKES_FOLDER */
};

/* Capabilities: which optional functions are there (see at each), */
#define POPGATE_CAN_PREFETCH 1u
#define POPGATE_CAN_REFRESH  2u
/* and, from ABI 1.2, facts about what is listed.
 * EXACT_SIZE: `octets` is what the whole message has once the host has made each line end CRLF, without stuffed
 * dots; a last line that lacks its end gets one, of which only the LF counts where the message ends in a lone CR. The
 * host holds the plugin to it: a whole message of other size fails as with PROTOCOL.
 * STABLE_ID: ids come from the messages, not from the server's numbering, and survive a move of the mailbox to another
 * server. */
#define POPGATE_EXACT_SIZE 4u
#define POPGATE_STABLE_ID  8u
/* From ABI 1.3, what open() can work with; takes() may leave some out. A login that needs more is refused as PERM.
 * TAKES_FOLDER: open->folder. TAKES_TOKEN, TAKES_NONE: secrets of that kind. TAKES_MASTER: a credential of another user
 * than open->user. */
#define POPGATE_TAKES_FOLDER 16u
#define POPGATE_TAKES_TOKEN  32u
#define POPGATE_TAKES_MASTER 64u
#define POPGATE_TAKES_NONE   128u

struct popgate_plugin {
	uint32_t magic;	    /* POPGATE_PLUGIN_MAGIC */
	uint16_t abi_major; /* POPGATE_ABI_MAJOR */
	uint16_t abi_minor; /* POPGATE_ABI_MINOR */
	size_t size;	    /* sizeof(struct popgate_plugin) */
	size_t key_size;    /* sizeof(struct popgate_key) */

	const char *name;		/* as in `plugin = "NAME"`; 1-32 of a-z 0-9 - */
	const char *version;		/* the plugin's own */
	const char *summary;		/* one line */
	unsigned capabilities;		/* what the module is able to; takes() and offers() may leave some out */
	const struct popgate_key *keys; /* what a backend's section may hold; checked by the host */

	/* Makes an instance out of checked settings: parse, load, verify what can be
	 * known without network. Called for each backend that names this
	 * plugin. `host` outlives the instance. Errors: PERM. */
	int (*configure)(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
			 struct popgate_error *error);
	/* Ends an instance; NULL is allowed. */
	void (*destroy)(void *instance);

	/* Connects, authenticates, takes the lock, opens the maildrop. Every error but GONE. */
	int (*open)(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		    struct popgate_error *error);
	/* The snapshot: calls add(context, ...) once a message, in order. Called once, right
	 * after open(). Message numbers in the calls below are positions in
	 * it, from 0. Errors: TEMP, PERM, PROTOCOL, STOPPED. */
	int (*list)(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);
	/* Writes a message into the sink: the whole (lines POPGATE_WHOLE), or its
	 * header, the empty line and at least `lines` body lines. Success says:
	 * every octet asked for was written, and they are this message's. When it fails after
	 * octets were written the host ends the client's connection. Leaves
	 * the maildrop unchanged. Errors: GONE, TEMP, PERM (this message, now and later), PROTOCOL, STOPPED. */
	int (*fetch)(void *drop, size_t message, int64_t lines, const struct popgate_sink *sink,
		     const struct popgate_pace *pace, struct popgate_error *error);
	/* Removes `count` messages (positions, ascending), and only those. Sets gone[i] to 1 for each
	 * that is confirmed removed (or moved or flagged, as the settings say),
	 * whether it returns 0 or -1; the caller has zeroed gone. Returns 0 only when
	 * all are. Errors: TEMP, PERM, PROTOCOL. */
	int (*commit)(void *drop, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		      struct popgate_error *error);
	/* Ends a drop, whatever its state, without removing anything; does not block. NULL is allowed. */
	void (*close)(void *drop);

	/* POPGATE_CAN_PREFETCH: a hint that the client reads message after message. These (positions, ascending) come
	 * next, the first of them in the call of fetch() that follows, each with these `lines`. The plugin may ask
	 * the upstream for them and may hold `octets` of them in memory; it does not wait for them here. With
	 * count 0: the client has paused; what is under way may now be waited for and held, or, with octets 0, is
	 * not wanted any more and dropped, as is what is held. Never fails: what goes wrong shows in fetch(). */
	void (*prefetch)(void *drop, const size_t *messages, size_t count, int64_t lines, uint64_t octets);
	/* POPGATE_CAN_REFRESH: brings a drop up to date that was kept open between two logins. Where the settings ask
	 * for it, the host keeps a drop after QUIT (and after commit(), if it removed all) instead of closing it. It
	 * then has no lock, and nothing is called, until the time is over: close(); or until the same user comes again,
	 * with the same credential and flags: then the host takes the lock of the same folder anew, and calls this. It
	 * tells of the maildrop as it is now, as list() does, and from then on positions are those of this snapshot;
	 * what the drop knew of the old one no longer counts. The lock is not taken here, and no credential need be
	 * proved again; but where the plugin can see that the upstream would not let this user in any more, that the
	 * folder is another one, or that the connection has gone, it fails. After a failure of any kind
	 * the host closes this drop and has another one opened, in another process: nothing is lost but time, so what
	 * is in doubt fails. Errors: TEMP, PERM, PROTOCOL, STOPPED. */
	int (*refresh)(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);

	/* ABI 1.2: which of `capabilities` hold for this drop, where some depend on what its server has. Called once,
	 * right after open(); does not block. NULL: all of them. The host uses no other. */
	unsigned (*offers)(void *drop);

	/* ABI 1.3: which POPGATE_TAKES_... of `capabilities` hold for this instance, where some depend on its settings.
	 * Called before open(); does not block. NULL: all of them. What else it says does not count. */
	unsigned (*takes)(void *instance);
};

/* The one symbol a module exports. */
#if defined(__GNUC__)
#define POPGATE_EXPORT __attribute__((visibility("default")))
#else
#define POPGATE_EXPORT
#endif

extern POPGATE_EXPORT const struct popgate_plugin popgate_plugin;

#ifdef __cplusplus
}
#endif

#endif
