/* trust - see trust.h. A pin is one more check, never one less: authority, name and time are verified all the same.
 *
 * The part that makes the trust runs in the spawner, the rest in a session process. Never waits.
 */
#include "trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "rehearsal.h"

#define READ_AHEAD  65536u
#define PIN_PREFIX  "sha256//"
#define PIN_SIZE    32u /* octets of SHA-256 */
#define PIN_LETTERS 44u /* the same in base64 */

struct pin {
	unsigned char digest[PIN_SIZE];
};

struct trust {
	SSL_CTX *context;
	BIO_METHOD *method;
	struct pin *pins;
	size_t pin_count;
};

/* ---- the socket -------------------------------------------------------- */

/* A socket BIO of our own: OpenSSL's writes without MSG_NOSIGNAL. */
static int bio_write(BIO *bio, const char *data, int size)
{
	ssize_t n = send((int)(intptr_t)BIO_get_data(bio), data, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int bio_read(BIO *bio, char *data, int size)
{
	ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), data, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* ---- pins -------------------------------------------------------------- */

/* One pin, of `size` characters. */
static bool read_pin(const char *text, size_t size, struct pin *pin)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const size_t prefix = sizeof(PIN_PREFIX) - 1;
	unsigned char decoded[PIN_SIZE + 1];

	if (size != prefix + PIN_LETTERS || strncmp(text, PIN_PREFIX, prefix) != 0)
		return false;
	text += prefix;
	if (strspn(text, letters) != PIN_LETTERS - 1 || text[PIN_LETTERS - 1] != '=' ||
	    EVP_DecodeBlock(decoded, (const unsigned char *)text, PIN_LETTERS) != (int)sizeof(decoded))
		return false;
	memcpy(pin->digest, decoded, PIN_SIZE);
	return true;
}

static int read_pins(struct trust *trust, const char *text, char *why, size_t why_size)
{
	trust->pins = calloc(strlen(text) / PIN_LETTERS + 1, sizeof(*trust->pins));
	if (trust->pins == NULL) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	for (const char *at = text;; at++) {
		size_t size = strcspn(at, ";");

		if (!read_pin(at, size, &trust->pins[trust->pin_count])) {
			snprintf(why, why_size,
				 "must be \"sha256//BASE64\", the SHA-256 of a public key; several with `;` between");
			return -1;
		}
		trust->pin_count++;
		at += size;
		if (*at == '\0')
			return 0;
	}
}

/* The SHA-256 of the key as it stands in the certificate, with its algorithm (SubjectPublicKeyInfo). */
static bool digest_key(const X509 *certificate, unsigned char *digest)
{
	unsigned char *der = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool well = size > 0 && EVP_Digest(der, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return well;
}

static int judge_key(const struct trust *trust, const X509 *certificate, char *text, size_t text_size)
{
	unsigned char digest[EVP_MAX_MD_SIZE], letters[PIN_LETTERS + 1];

	if (certificate == NULL || !digest_key(certificate, digest)) {
		snprintf(text, text_size, "its key cannot be compared with the pins");
		return -1;
	}
	for (size_t i = 0; i < trust->pin_count; i++)
		if (memcmp(trust->pins[i].digest, digest, PIN_SIZE) == 0)
			return 0;
	EVP_EncodeBlock(letters, digest, PIN_SIZE);
	snprintf(text, text_size, "its key is not pinned: " PIN_PREFIX "%s", letters);
	return -1;
}

/* ---- making ------------------------------------------------------------ */

/* The system's authorities as one file, so that nothing is looked up after the fork. */
static bool load_system(SSL_CTX *context)
{
	static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
					      "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
	const char *chosen = getenv(X509_get_default_cert_file_env());

	if (chosen != NULL)
		return SSL_CTX_load_verify_file(context, chosen) == 1;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (SSL_CTX_load_verify_file(context, bundles[i]) == 1)
			return true;
	return SSL_CTX_set_default_verify_paths(context) == 1;
}

/* What stands in the file is trusted itself, the server's own certificate as well as an authority in between. */
static bool load_file(SSL_CTX *context, const char *ca_file)
{
	return SSL_CTX_load_verify_file(context, ca_file) == 1 &&
	       X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

static bool set_up(struct trust *trust, const struct trust_wish *wish)
{
	trust->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "popgate socket");
	trust->context = SSL_CTX_new(TLS_client_method());
	if (trust->method == NULL || trust->context == NULL)
		return false;
	BIO_meth_set_write(trust->method, bio_write);
	BIO_meth_set_read(trust->method, bio_read);
	BIO_meth_set_ctrl(trust->method, bio_ctrl);
	SSL_CTX_set_min_proto_version(trust->context, wish->tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_verify(trust->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(trust->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(trust->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(trust->context, 1);
	SSL_CTX_set_default_read_buffer_len(trust->context, READ_AHEAD);
	ERR_clear_error();
	return wish->ca_file != NULL ? load_file(trust->context, wish->ca_file) : load_system(trust->context);
}

/* Why nothing could be loaded. */
static void load_fault(const char *what, char *text, size_t text_size)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	snprintf(text, text_size, "%s: %s", what, reason != NULL ? reason : "cannot be loaded");
	ERR_clear_error();
}

/* OpenSSL would ask for it on the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): pem_password_cb */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return 0;
}

/* What proves us to the server. NULL, or the setting at fault. */
static const char *load_own(SSL_CTX *context, const struct trust_wish *wish, char *text, size_t text_size)
{
	struct stat status;

	if (stat(wish->key, &status) == 0 && (status.st_mode & 077) != 0) {
		snprintf(text, text_size, "%.100s: others may use it (mode %04o): chmod 600 it", wish->key,
			 (unsigned)status.st_mode & 07777u);
		return "client_key";
	}
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(context, wish->certificate) != 1) {
		load_fault(wish->certificate, text, text_size);
		return "client_certificate";
	}
	if (SSL_CTX_use_PrivateKey_file(context, wish->key, SSL_FILETYPE_PEM) == 1)
		return NULL;
	if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
		snprintf(text, text_size, "%.80s does not belong to client_certificate %.80s", wish->key,
			 wish->certificate);
		ERR_clear_error();
	} else {
		load_fault(wish->key, text, text_size);
	}
	return "client_key";
}

int trust_new(const struct trust_wish *wish, struct trust **trust_r, const char **key_r, char *text, size_t text_size)
{
	struct trust *trust = calloc(1, sizeof(*trust));

	*key_r = "ca_file";
	if (trust == NULL) {
		snprintf(text, text_size, "out of memory");
		return -1;
	}
	if (!set_up(trust, wish)) {
		load_fault(wish->ca_file != NULL ? wish->ca_file : "the system's certificate authorities", text,
			   text_size);
		trust_free(&trust);
		return -1;
	}
	if (wish->pins != NULL && read_pins(trust, wish->pins, text, text_size) != 0) {
		*key_r = "pin";
		trust_free(&trust);
		return -1;
	}
	if (wish->certificate != NULL) {
		const char *key = load_own(trust->context, wish, text, text_size);

		if (key != NULL) {
			*key_r = key;
			trust_free(&trust);
			return -1;
		}
	}
	(void)rehearsal_run(trust->context);
	/* failed candidates leave their reasons behind */
	ERR_clear_error();
	*trust_r = trust;
	return 0;
}

void trust_free(struct trust **trust)
{
	if (*trust == NULL)
		return;
	SSL_CTX_free((*trust)->context);
	BIO_meth_free((*trust)->method);
	free((*trust)->pins);
	free(*trust);
	*trust = NULL;
}

/* ---- one connection ---------------------------------------------------- */

/* The name that the certificate must carry, and SNI; an address is no name. */
static bool name_peer(SSL *ssl, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct ssl_st *trust_begin(const struct trust *trust, const char *host, int fd)
{
	BIO *bio = BIO_new(trust->method);
	SSL *ssl = SSL_new(trust->context);

	if (bio == NULL || ssl == NULL || !name_peer(ssl, host)) {
		BIO_free(bio);
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* The server's own; there is one even where it was not accepted. */
static const X509 *certificate_of(const SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

	return sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

static const struct {
	long verdict;
	const char *words;
} verdicts[] = {
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed, and not a trusted one"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "issued by an unknown authority"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "issued by an unknown authority"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "issued by an unknown authority"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "issued by an unknown authority"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "made for another name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "made for another address"},
    {X509_V_ERR_CERT_HAS_EXPIRED, "expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "not valid yet"},
};

static const char *words_for(long verdict, const X509 *certificate)
{
	/* OpenSSL says the same of the authorities above it */
	if (verdict == X509_V_ERR_CERT_HAS_EXPIRED && certificate != NULL &&
	    X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0)
		return "issued by an authority whose certificate has expired";
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].verdict == verdict)
			return verdicts[i].words;
	return X509_verify_cert_error_string(verdict);
}

int trust_judge(const struct trust *trust, struct ssl_st *ssl, const char *host, char *text, size_t text_size)
{
	long verdict = SSL_get_verify_result(ssl);
	char why[100];

	if (verdict != X509_V_OK)
		snprintf(why, sizeof(why), "%s", words_for(verdict, certificate_of(ssl)));
	else if (!SSL_is_init_finished(ssl) || trust->pin_count == 0 ||
		 judge_key(trust, certificate_of(ssl), why, sizeof(why)) == 0)
		return 0;
	snprintf(text, text_size, "certificate: %s (%s)", why, host);
	ERR_clear_error();
	return -1;
}
