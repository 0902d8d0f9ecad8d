/* scram - see scram.h. libgsasl asks for what it needs by a callback, in which the exchange finds the keys once the
 * name is there. It compares digests of what the client sent, which nobody can choose, so that the time it takes tells
 * nothing of the key. */
#include "broker/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/secret.h"
#include "config.h"

enum scram_kind scram_kind_of(enum mechanism mechanism)
{
	return mechanism == MECHANISM_SCRAM_SHA_1 || mechanism == MECHANISM_SCRAM_SHA_1_PLUS ? SCRAM_SHA_1
											     : SCRAM_SHA_256;
}

#ifdef HAVE_GSASL
#include <gsasl.h>

struct scram_library {
	Gsasl *gsasl;
};

struct scram {
	Gsasl_session *session;
	enum scram_kind kind;
	scram_find_fn *find;
	void *context;
	bool bound;	    /* -PLUS */
	bool salted, keyed; /* were looked for */
	bool failed;	    /* without success */
	char *reply;
	const char *fault;
	bool exporter; /* what can be bound to */
	unsigned char binding[SCRAM_BINDING_MAX];
	size_t binding_size;
};

/* ---- what the library asks for ---- */

static int set_octets(Gsasl_session *session, Gsasl_property property, const void *data, size_t size)
{
	char text[BASE64_ENCODED_SIZE(SCRAM_BINDING_MAX)];
	int result;

	if (size > SCRAM_BINDING_MAX)
		return -1;
	base64_encode(data, size, text);
	result = gsasl_property_set(session, property, text) == GSASL_OK ? 0 : -1;
	secret_wipe(text, sizeof(text));
	return result;
}

static int set_salt(const struct scram *scram, const struct scram_keys *keys)
{
	char iterations[16];

	snprintf(iterations, sizeof(iterations), "%u", keys->iterations);
	return set_octets(scram->session, GSASL_SCRAM_SALT, keys->salt, keys->salt_size) == 0 &&
		       gsasl_property_set(scram->session, GSASL_SCRAM_ITER, iterations) == GSASL_OK
		   ? 0
		   : -1;
}

static int set_keys(const struct scram *scram, const struct scram_keys *keys)
{
	size_t digest = scram_digest_size(scram->kind);

	return set_octets(scram->session, GSASL_SCRAM_STOREDKEY, keys->stored, digest) == 0 &&
		       set_octets(scram->session, GSASL_SCRAM_SERVERKEY, keys->server, digest) == 0
		   ? 0
		   : -1;
}

/* Salt and iterations, then, with the proof, the keys: each is asked for once. */
static int answer(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
	bool salt = property == GSASL_SCRAM_SALT || property == GSASL_SCRAM_ITER;
	struct scram *scram = gsasl_session_hook_get(session);
	const char *name = gsasl_property_fast(session, GSASL_AUTHID);
	struct scram_keys keys;

	(void)library;
	if ((!salt && property != GSASL_SCRAM_STOREDKEY && property != GSASL_SCRAM_SERVERKEY) || name == NULL)
		return GSASL_NO_CALLBACK;
	if (salt ? scram->salted : scram->keyed)
		return GSASL_OK;
	if (salt)
		scram->salted = true;
	else
		scram->keyed = true;
	if (scram->find(scram->context, name, !salt, &keys) != 0 ||
	    (salt ? set_salt(scram, &keys) : set_keys(scram, &keys)) != 0)
		scram->failed = true;
	secret_wipe(&keys, sizeof(keys));
	return GSASL_OK;
}

/* ---- making ---- */

struct scram_library *scram_library_new(void)
{
	struct scram_library *library = calloc(1, sizeof(*library));

	if (library == NULL || gsasl_init(&library->gsasl) != GSASL_OK) {
		free(library);
		return NULL;
	}
	gsasl_callback_set(library->gsasl, answer);
	return library;
}

void scram_library_free(struct scram_library **library)
{
	if (*library != NULL)
		gsasl_done((*library)->gsasl);
	free(*library);
	*library = NULL;
}

struct scram *scram_new(struct scram_library *library, enum mechanism mechanism, const struct scram_binding *binding,
			scram_find_fn *find, void *context)
{
	struct scram *scram = library == NULL ? NULL : calloc(1, sizeof(*scram));

	if (scram == NULL ||
	    gsasl_server_start(library->gsasl, mechanism_name(mechanism), &scram->session) != GSASL_OK) {
		free(scram);
		return NULL;
	}
	scram->kind = scram_kind_of(mechanism);
	scram->bound = (MECHANISM_BIT(mechanism) & mechanism_bound()) != 0;
	scram->find = find;
	scram->context = context;
	gsasl_session_hook_set(scram->session, scram);
	if (binding->size > 0 &&
	    set_octets(scram->session, binding->exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE, binding->data,
		       binding->size) != 0) {
		scram_free(&scram);
		return NULL;
	}
	scram->exporter = binding->exporter;
	scram->binding_size = binding->size;
	if (binding->size > 0)
		memcpy(scram->binding, binding->data, binding->size);
	return scram;
}

static void forget_reply(struct scram *scram)
{
	gsasl_free(scram->reply);
	scram->reply = NULL;
}

/* The library frees what it was given as it is. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
	const char *text = gsasl_property_fast(session, property);

	if (text != NULL)
		secret_wipe((char *)text, strlen(text));
}

void scram_free(struct scram **scram)
{
	struct scram *old = *scram;

	*scram = NULL;
	if (old == NULL)
		return;
	wipe_property(old->session, GSASL_SCRAM_STOREDKEY);
	wipe_property(old->session, GSASL_SCRAM_SERVERKEY);
	forget_reply(old);
	gsasl_finish(old->session);
	free(old);
}

/* ---- the exchange ---- */

/* In a name, `=` begins =2C or =3D, and nothing else (RFC 5802 section 5.1): the library lets others pass. */
static bool has_bad_name(const char *data, size_t size)
{
	const char *end = data + size, *at = data;

	for (int i = 0; i < 2 && at != NULL; i++) {
		at = memchr(at, ',', (size_t)(end - at));
		at = at == NULL ? NULL : at + 1;
	}
	if (at == NULL || end - at < 2)
		return true;
	for (at += 2; at < end && *at != ','; at++)
		if (*at == '=' && (end - at < 3 || (memcmp(at, "=2C", 3) != 0 && memcmp(at, "=3D", 3) != 0)))
			return true;
	return false;
}

static bool begins(const char *data, size_t size, const char *begin)
{
	return size >= strlen(begin) && memcmp(data, begin, strlen(begin)) == 0;
}

/* What a first message, which is refused, says of the binding that it wants. */
static const char *fault_of_first(const struct scram *scram, const char *data, size_t size)
{
	if (begins(data, size, "y,") && scram->binding_size > 0)
		return "the client was told of no -PLUS, which is offered here: somebody may stand in the middle";
	if (scram->bound && begins(data, size, "n,"))
		return "the client has chosen -PLUS, and binds to nothing";
	if (scram->bound && begins(data, size, "p=") &&
	    !begins(data, size, scram->exporter ? "p=tls-exporter," : "p=tls-unique,"))
		return scram->exporter ? "the client binds to something else than tls-exporter"
				       : "the client binds to something else than tls-unique";
	return NULL;
}

/* Whether an answer, `c=` with the header and what it is bound to, and more, is bound to something else. */
static bool is_misbound(const struct scram *scram, const char *data, size_t size)
{
	unsigned char octets[SCRAM_BINDING_MAX * 2];
	const char *end = memchr(data, ',', size);
	size_t decoded;

	if (!scram->bound || end == NULL || !begins(data, size, "c="))
		return false;
	size = (size_t)(end - data) - 2;
	return size / 4 * 3 <= sizeof(octets) && base64_decode(data + 2, size, octets, &decoded) == 0 &&
	       (decoded < scram->binding_size ||
		memcmp(octets + decoded - scram->binding_size, scram->binding, scram->binding_size) != 0);
}

static void note_fault(struct scram *scram, bool first, const void *data, size_t size)
{
	if (size == 0)
		return;
	if (first)
		scram->fault = fault_of_first(scram, data, size);
	else if (is_misbound(scram, data, size))
		scram->fault = "the channel binding is another connection's: somebody may stand in the middle";
}

const char *scram_fault(const struct scram *scram)
{
	return scram->fault;
}

static enum scram_event step(struct scram *scram, const void *data, size_t size, const char **reply_r)
{
	size_t reply_size = 0;
	int result;

	forget_reply(scram);
	/* one who binds says so by the mechanism's name too; the library would let it pass */
	if (!scram->salted && ((!scram->bound && size > 0 && *(const char *)data == 'p') || has_bad_name(data, size)))
		return SCRAM_MALFORMED;
	result = gsasl_step(scram->session, data, size, &scram->reply, &reply_size);
	if (scram->failed || result == GSASL_MALLOC_ERROR || result == GSASL_CRYPTO_ERROR)
		return SCRAM_NO_MEMORY;
	if (result == GSASL_AUTHENTICATION_ERROR || result == GSASL_NO_CB_TLS_EXPORTER ||
	    result == GSASL_NO_CB_TLS_UNIQUE)
		return SCRAM_WRONG;
	/* of a first message that is empty it says that it needs more */
	if ((result != GSASL_OK && result != GSASL_NEEDS_MORE) || scram->reply == NULL || reply_size == 0)
		return SCRAM_MALFORMED;
	*reply_r = scram->reply;
	return result == GSASL_OK ? SCRAM_PROVED : SCRAM_MORE;
}

enum scram_event scram_step(struct scram *scram, const void *data, size_t size, const char **reply_r)
{
	const bool first = !scram->salted;
	enum scram_event event = step(scram, data, size, reply_r);

	if (event == SCRAM_WRONG || event == SCRAM_MALFORMED)
		note_fault(scram, first, data, size);
	return event;
}

const char *scram_name(const struct scram *scram)
{
	return gsasl_property_fast(scram->session, GSASL_AUTHID);
}

const char *scram_authzid(const struct scram *scram)
{
	return gsasl_property_fast(scram->session, GSASL_AUTHZID);
}

int scram_derive(enum scram_kind kind, const char *password, struct scram_keys *keys)
{
	char salted[SCRAM_DIGEST_MAX], client[SCRAM_DIGEST_MAX];
	int result = gsasl_scram_secrets_from_password(
	    kind == SCRAM_SHA_1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256, password, keys->iterations,
	    (const char *)keys->salt, keys->salt_size, salted, client, (char *)keys->server, (char *)keys->stored);

	secret_wipe(salted, sizeof(salted));
	secret_wipe(client, sizeof(client));
	return result == GSASL_OK ? 0 : -1;
}

#else

/* Without the library nothing of it is offered (common/mechanism), and nothing can be begun. */

struct scram_library *scram_library_new(void)
{
	return NULL;
}

void scram_library_free(struct scram_library **library)
{
	*library = NULL;
}

struct scram *scram_new(struct scram_library *library, enum mechanism mechanism, const struct scram_binding *binding,
			scram_find_fn *find, void *context)
{
	(void)library;
	(void)mechanism;
	(void)binding;
	(void)find;
	(void)context;
	return NULL;
}

void scram_free(struct scram **scram)
{
	*scram = NULL;
}

enum scram_event scram_step(struct scram *scram, const void *data, size_t size, const char **reply_r)
{
	(void)scram;
	(void)data;
	(void)size;
	(void)reply_r;
	return SCRAM_MALFORMED;
}

const char *scram_fault(const struct scram *scram)
{
	(void)scram;
	return NULL;
}

const char *scram_name(const struct scram *scram)
{
	(void)scram;
	return NULL;
}

const char *scram_authzid(const struct scram *scram)
{
	(void)scram;
	return NULL;
}

int scram_derive(enum scram_kind kind, const char *password, struct scram_keys *keys)
{
	(void)kind;
	(void)password;
	(void)keys;
	return -1;
}

#endif
