/* rehearsal - see rehearsal.h. Both ends are here, in memory; nothing of it is ever sent. */
#include "rehearsal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define DAY    86400L
#define ROUNDS 10 /* turns of both sides; a handshake takes three */

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = certificate != NULL ? X509_get_subject_name(certificate) : NULL;

	if (name == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(certificate), 0) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY) == NULL ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"rehearsal", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(certificate, name) != 1 || X509_set_pubkey(certificate, key) != 1 ||
	    X509_sign(certificate, key, EVP_sha256()) == 0) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

static SSL_CTX *make_server(EVP_PKEY *key, X509 *certificate)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());

	if (server != NULL && SSL_CTX_use_certificate(server, certificate) == 1 &&
	    SSL_CTX_use_PrivateKey(server, key) == 1)
		return server;
	SSL_CTX_free(server);
	return NULL;
}

/* The handshake, and one octet each way, so that its keys are used too. */
static bool play(SSL *client, SSL *server)
{
	char octet = 'x';

	for (int i = 0; i < ROUNDS && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	return SSL_write(server, &octet, 1) == 1 && SSL_read(client, &octet, 1) == 1 &&
	       SSL_write(client, &octet, 1) == 1 && SSL_read(server, &octet, 1) == 1;
}

static bool connect_both(SSL_CTX *client_context, SSL_CTX *server_context)
{
	SSL *client = SSL_new(client_context), *server = SSL_new(server_context);
	BIO *near = NULL, *far = NULL;
	bool well = false;

	if (client != NULL && server != NULL && BIO_new_bio_pair(&near, 0, &far, 0) == 1) {
		SSL_set_bio(client, near, near);
		SSL_set_bio(server, far, far);
		SSL_set_verify(client, SSL_VERIFY_NONE, NULL); /* of this end alone */
		SSL_set_connect_state(client);
		SSL_set_accept_state(server);
		well = play(client, server);
	}
	SSL_free(client);
	SSL_free(server);
	return well;
}

bool rehearsal_run(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key != NULL ? make_certificate(key) : NULL;
	SSL_CTX *server = certificate != NULL ? make_server(key, certificate) : NULL;

	bool well = server != NULL && connect_both(context, server);

	SSL_CTX_free(server);
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return well;
}
