/* tls - see tls.h. TLS 1.2 and 1.3, no renegotiation, no compression, ALPN
 * none or pop3 (RFC 7301: anything else is no_application_protocol). Nothing
 * that a client sent stays in a record buffer. */
#include "front/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deadline.h"

struct tls_server {
	SSL_CTX *context;
};

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

static void set_policy(SSL_CTX *context)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
	SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
}

static const char *last_error(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return reason == NULL ? "unknown error" : reason;
}

static int load(SSL_CTX *context, const struct conf_tls *conf, struct conf_report *report)
{
	if (SSL_CTX_use_certificate_chain_file(context, conf->certificate) != 1)
		conf_report_add(report, conf->file, conf->line, "tls.certificate %s: %s", conf->certificate,
				last_error());
	else if (SSL_CTX_use_PrivateKey_file(context, conf->key, SSL_FILETYPE_PEM) != 1)
		conf_report_add(report, conf->file, conf->line, "tls.key %s: %s", conf->key, last_error());
	else if (SSL_CTX_check_private_key(context) != 1)
		conf_report_add(report, conf->file, conf->line, "tls.key %s does not belong to tls.certificate %s",
				conf->key, conf->certificate);
	else
		return 0;
	return -1;
}

struct tls_server *tls_server_new(const struct conf_tls *conf, struct conf_report *report)
{
	struct tls_server *server = calloc(1, sizeof(*server));

	ERR_clear_error();
	if (server == NULL || (server->context = SSL_CTX_new(TLS_server_method())) == NULL) {
		conf_report_add(report, conf->file, conf->line, "tls: out of memory");
		free(server);
		return NULL;
	}
	set_policy(server->context);
	if (load(server->context, conf, report) != 0)
		tls_server_free(&server);
	return server;
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

void tls_server_resume(struct tls_server *server, struct ticket_ring *tickets)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size;

	if (!tickets->ready ||
	    X509_digest(SSL_CTX_get0_certificate(server->context), EVP_sha256(), digest, &size) != 1 ||
	    SSL_CTX_set_session_id_context(server->context, digest, size) != 1)
		return;
	SSL_CTX_set_app_data(server->context, tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(server->context, choose_ticket_key);
	SSL_CTX_set_timeout(server->context, (long)(2 * TICKET_PERIOD / 1000));
	SSL_CTX_set_num_tickets(server->context, 1);
	SSL_CTX_clear_options(server->context, SSL_OP_NO_TICKET);
}

void tls_server_free(struct tls_server **server)
{
	if (*server != NULL)
		SSL_CTX_free((*server)->context);
	free(*server);
	*server = NULL;
}

struct bufferevent *tls_accept(const struct tls_server *server, struct event_base *base, evutil_socket_t fd)
{
	SSL *ssl = SSL_new(server->context);
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
