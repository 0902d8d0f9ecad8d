/* tls - see tls.h. A listener's profile says which versions and suites there are. No renegotiation, no compression, no
 * early data; ALPN none or pop3 (RFC 7301: anything else is no_application_protocol). Nothing that a client sent stays
 * in a record buffer. */
#include "front/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deadline.h"

/* What a record without octets of POP3 costs, as octets of POP3 that must pass for it; and how much may be owed. */
#define RECORD_PRICE (256u << 10)
#define OWED_MAX     (128 * RECORD_PRICE)

/* The certificates under one profile, each with its policy. */
struct tls_set {
	SSL_CTX **contexts;
	size_t count;
};

struct tls_server {
	struct tls_set sets[CONF_PROFILES]; /* empty where no listener has the profile */
};

/* ---- policy ---- */

static const unsigned char alpn_pop3[] = "\x04pop3";

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
		       unsigned in_size, void *argument)
{
	unsigned char *chosen;

	(void)ssl;
	(void)argument;
	if (SSL_select_next_proto(&chosen, out_size, alpn_pop3, sizeof(alpn_pop3) - 1, in, in_size) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static const struct {
	int least;
	int level;	    /* OpenSSL's security level; -1: its own default */
	const char *suites; /* up to TLS 1.2; those of TLS 1.3 are all sound */
} policies[CONF_PROFILES] = {
    [CONF_PROFILE_MODERN] = {TLS1_3_VERSION, -1, "ECDHE+AESGCM"},
    [CONF_PROFILE_INTERMEDIATE] = {TLS1_2_VERSION, -1, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"},
    /* the signature of TLS 1.0's key exchange is below every level but 0 */
    [CONF_PROFILE_LEGACY] =
	{TLS1_VERSION, 0, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:RSA+3DES:!aNULL:!eNULL:!CAMELLIA"},
};

/* The first list that this OpenSSL knows in full; else its own. */
static void set_groups(SSL_CTX *context)
{
	static const char *const lists[] = {"X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"};
	size_t i = 0;

	while (i < sizeof(lists) / sizeof(lists[0]) && SSL_CTX_set1_groups_list(context, lists[i]) != 1)
		i++;
	ERR_clear_error();
}

/* The record layer's view of everything that passes. What brings no octet of POP3 costs work all the same: key updates,
 * renegotiations that are refused. A peer that sends little else is read no further: the next read fails. What it owes
 * stands in place of a pointer, so that a connection needs no memory for it. */
static void watch_record(int sent, int version, int type, const void *data, size_t size, SSL *ssl, void *argument)
{
	const unsigned char *octets = data;
	uintptr_t owed = (uintptr_t)SSL_get_app_data(ssl), moved;

	(void)version;
	(void)argument;
	if (type == SSL3_RT_HEADER && size == SSL3_RT_HEADER_LENGTH && octets[0] == SSL3_RT_APPLICATION_DATA) {
		moved = (uintptr_t)octets[3] << 8 | octets[4];
		owed -= moved < owed ? moved : owed;
	} else if (!sent && (type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE) && size > 0 &&
		   octets[0] != SSL3_RT_APPLICATION_DATA) {
		owed += RECORD_PRICE;
	} else {
		return;
	}
	(void)SSL_set_app_data(ssl, (void *)owed);
	if (owed > OWED_MAX)
		SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

bool tls_is_flooded(struct bufferevent *connection)
{
	SSL *ssl = bufferevent_openssl_get_ssl(connection);

	return ssl != NULL && (uintptr_t)SSL_get_app_data(ssl) > OWED_MAX;
}

/* The server's order of suites counts, so that old ones come last; but a client that puts ChaCha20 first has no
 * fast AES. */
static void set_policy(SSL_CTX *context, enum conf_profile profile)
{
	SSL_CTX_set_min_proto_version(context, policies[profile].least);
	if (policies[profile].level >= 0)
		SSL_CTX_set_security_level(context, policies[profile].level);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
					 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cipher_list(context, policies[profile].suites);
	set_groups(context);
	SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
	SSL_CTX_set_msg_callback(context, watch_record);
}

/* ---- certificates ---- */

static const char *last_error(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return reason == NULL ? "unknown error" : reason;
}

/* OpenSSL compares a key with the certificate as it takes it, and says more about one of the same kind. */
static bool is_mismatch(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_X509 &&
	       (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH || ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

static int load(SSL_CTX *context, const struct conf_tls *conf, struct conf_report *report)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, conf->certificate) != 1)
		conf_report_add(report, conf->file, conf->line, "tls.certificate %s: %s", conf->certificate,
				last_error());
	else if (SSL_CTX_use_PrivateKey_file(context, conf->key, SSL_FILETYPE_PEM) != 1 && !is_mismatch())
		conf_report_add(report, conf->file, conf->line, "tls.key %s: %s", conf->key, last_error());
	else if (SSL_CTX_check_private_key(context) != 1)
		conf_report_add(report, conf->file, conf->line, "tls.key %s does not belong to tls.certificate %s",
				conf->key, conf->certificate);
	else
		return 0;
	return -1;
}

static bool has_host_name(const X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		found |= sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
	GENERAL_NAMES_free(names);
	return found;
}

/* The certificate for a name: one that has it, else one with a wildcard for it, else the first. */
static SSL_CTX *find_certificate(const struct tls_set *set, const char *name, size_t size)
{
	static const unsigned ways[] = {X509_CHECK_FLAG_NO_WILDCARDS, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS};

	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
		for (size_t i = 0; i < set->count; i++)
			if (X509_check_host(SSL_CTX_get0_certificate(set->contexts[i]), name, size,
					    ways[way] | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1)
				return set->contexts[i];
	return set->contexts[0];
}

/* Before tickets are looked at, because they belong to a certificate. RFC 6066: length of the list, type, length of the
 * name, name. */
static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
	const struct tls_set *set = argument;
	const unsigned char *list;
	size_t size, name;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &list, &size) != 1 || size < 5 ||
	    list[2] != TLSEXT_NAMETYPE_host_name)
		return SSL_CLIENT_HELLO_SUCCESS;
	name = (size_t)list[3] << 8 | list[4];
	if (name == 0 || name > size - 5)
		return SSL_CLIENT_HELLO_SUCCESS; /* OpenSSL will refuse it */
	if (SSL_set_SSL_CTX(ssl, find_certificate(set, (const char *)list + 5, name)) != NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* ---- the server ---- */

static int add_certificate(struct tls_set *set, enum conf_profile profile, const struct conf_tls *conf,
			   struct conf_report *report)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL) {
		conf_report_add(report, conf->file, conf->line, "tls: out of memory");
		return -1;
	}
	set->contexts[set->count++] = context;
	set_policy(context, profile);
	if (load(context, conf, report) != 0)
		return -1;
	if (set->count == 1 || has_host_name(SSL_CTX_get0_certificate(context)))
		return 0;
	conf_report_add(report, conf->file, conf->line,
			"tls.certificate %s has no DNS name among its alternative names: no client could ask for it",
			conf->certificate);
	return -1;
}

static int fill_set(struct tls_set *set, enum conf_profile profile, const struct conf *conf, struct conf_report *report)
{
	int result = 0;

	set->contexts = calloc(conf->tls_count, sizeof(SSL_CTX *));
	if (set->contexts == NULL) { /* fanalyzer: tls_server_free gives it back */
		conf_report_add(report, conf->tls[0].file, conf->tls[0].line, "tls: out of memory");
		return -1;
	}
	for (size_t i = 0; i < conf->tls_count; i++)
		if (add_certificate(set, profile, &conf->tls[i], report) != 0)
			result = -1;
	for (size_t i = 0; i < set->count && set->count > 1; i++)
		SSL_CTX_set_client_hello_cb(set->contexts[i], choose_certificate, set);
	return result;
}

/* A certificate that no listener needs is checked all the same. */
static bool is_used(const struct conf *conf, enum conf_profile profile)
{
	bool found = false, any = false;

	for (size_t i = 0; i < conf->listener_count; i++) {
		bool secure = conf->listeners[i].tls != CONF_TLS_NONE;

		any |= secure;
		found |= secure && conf->listeners[i].profile == profile;
	}
	return found || (!any && profile == CONF_PROFILE_INTERMEDIATE);
}

struct tls_server *tls_server_new(const struct conf *conf, struct conf_report *report)
{
	struct tls_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		conf_report_add(report, conf->tls[0].file, conf->tls[0].line, "tls: out of memory");
		return NULL;
	}
	for (enum conf_profile profile = 0; profile < CONF_PROFILES; profile++) {
		if (!is_used(conf, profile) || fill_set(&server->sets[profile], profile, conf, report) == 0)
			continue;
		tls_server_free(&server); /* the same faults under another profile need not be told again */
		return NULL;
	}
	return server;
}

void tls_server_free(struct tls_server **server)
{
	for (size_t profile = 0; *server != NULL && profile < CONF_PROFILES; profile++) {
		struct tls_set *set = &(*server)->sets[profile];

		for (size_t i = 0; i < set->count; i++)
			SSL_CTX_free(set->contexts[i]);
		free(set->contexts);
	}
	free(*server);
	*server = NULL;
}

/* ---- resumption ---- */

/* Encrypts a new ticket: a fresh IV under the current key. */
static bool seal_ticket(const struct ticket_key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher)
{
	memcpy(name, key->name, TICKET_NAME);
	return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
	       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
			       OSSL_PARAM_construct_end()};

	return EVP_MAC_init(mac, key->mac, sizeof(key->mac), digest) == 1;
}

/* OpenSSL's question for a ticket's keys: 1 they are set, 2 likewise and the ticket is to be replaced, 0 there are none
 * (a full handshake follows), -1 failure. */
static int choose_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
			     int sealing)
{
	struct ticket_ring *ring = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct ticket_key *key;
	bool renew = false;

	ticket_advance(ring, deadline_now());
	if (!ring->ready)
		return 0;
	if (sealing)
		return seal_ticket(&ring->current, name, iv, cipher) && set_mac(mac, &ring->current) ? 1 : -1;
	key = ticket_find(ring, name, &renew);
	if (key == NULL)
		return 0;
	if (!set_mac(mac, key) || EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1)
		return -1;
	return renew ? 2 : 1;
}

/* A ticket counts for the certificate and the profile that it was made under. */
static bool bind_tickets(SSL_CTX *context, enum conf_profile profile)
{
	unsigned char facts[EVP_MAX_MD_SIZE + 1], digest[EVP_MAX_MD_SIZE];
	unsigned size;

	if (X509_digest(SSL_CTX_get0_certificate(context), EVP_sha256(), facts, &size) != 1)
		return false;
	facts[size++] = (unsigned char)profile;
	return EVP_Digest(facts, size, digest, &size, EVP_sha256(), NULL) == 1 &&
	       SSL_CTX_set_session_id_context(context, digest, size) == 1;
}

static void resume(SSL_CTX *context, enum conf_profile profile, struct ticket_ring *tickets)
{
	if (!bind_tickets(context, profile))
		return;
	SSL_CTX_set_app_data(context, tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_ticket_key);
	SSL_CTX_set_timeout(context, (long)(2 * TICKET_PERIOD / 1000));
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
}

void tls_server_resume(struct tls_server *server, struct ticket_ring *tickets)
{
	if (!tickets->ready)
		return;
	for (enum conf_profile profile = 0; profile < CONF_PROFILES; profile++)
		for (size_t i = 0; i < server->sets[profile].count; i++)
			resume(server->sets[profile].contexts[i], profile, tickets);
}

/* ---- connections ---- */

struct bufferevent *tls_accept(const struct tls_server *server, enum conf_profile profile, struct event_base *base,
			       evutil_socket_t fd)
{
	SSL *ssl = SSL_new(server->sets[profile].contexts[0]);
	struct bufferevent *connection;

	if (ssl == NULL)
		return NULL;
	connection = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (connection == NULL)
		SSL_free(ssl);
	return connection;
}

bool tls_is_on(struct bufferevent *connection)
{
	return bufferevent_openssl_get_ssl(connection) != NULL;
}

const char *tls_version(struct bufferevent *connection)
{
	SSL *ssl = bufferevent_openssl_get_ssl(connection);

	return ssl == NULL ? "" : SSL_get_version(ssl);
}

static const char exporter_label[] = "EXPORTER-Channel-Binding";

size_t tls_binding(struct bufferevent *connection, unsigned char binding_r[TLS_BINDING_MAX], bool *exporter_r)
{
	const size_t exported = 32;
	SSL *ssl = bufferevent_openssl_get_ssl(connection);
	size_t size;

	if (ssl == NULL || !SSL_is_init_finished(ssl))
		return 0;
	*exporter_r = SSL_version(ssl) >= TLS1_3_VERSION;
	if (*exporter_r)
		return SSL_export_keying_material(ssl, binding_r, exported, exporter_label, sizeof(exporter_label) - 1,
						  NULL, 0, 0) == 1
			   ? exported
			   : 0;
	if (SSL_get_extms_support(ssl) != 1)
		return 0;
	/* the first Finished: the server's where a session was resumed */
	size = SSL_session_reused(ssl) ? SSL_get_finished(ssl, binding_r, TLS_BINDING_MAX)
				       : SSL_get_peer_finished(ssl, binding_r, TLS_BINDING_MAX);
	return size <= TLS_BINDING_MAX ? size : 0;
}

void tls_say_goodbye(struct bufferevent *connection)
{
	SSL *ssl = bufferevent_openssl_get_ssl(connection);

	if (ssl == NULL || !SSL_is_init_finished(ssl))
		return;
	ERR_clear_error();
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	SSL_shutdown(ssl);
}

void tls_error_text(struct bufferevent *connection, char *text, size_t size)
{
	unsigned long code = bufferevent_get_openssl_error(connection);
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	snprintf(text, size, "%s", reason == NULL ? evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()) : reason);
}
