/* Tests of the mechanisms that are proved by a challenge: the RFCs' own examples, and what a client may do wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "broker/keyring.h"
#include "broker/md5_proof.h"
#include "broker/scram.h"
#include "common/account_table.h"
#include "common/base64.h"
#include "config.h"

/* ---- APOP and CRAM-MD5 ---- */

static void apop_as_in_rfc_1939(void **state)
{
	uint8_t due[MD5_PROOF_SIZE], proof[MD5_PROOF_SIZE];

	(void)state;
	assert_int_equal(md5_proof_apop("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf", due), 0);
	assert_int_equal(md5_proof_read((const unsigned char *)"c4c9334bac560ecc979e58001b3e22fb", 32, proof), 0);
	assert_true(md5_proof_equal(due, proof));
	assert_int_equal(md5_proof_read((const unsigned char *)"C4C9334BAC560ECC979E58001B3E22FB", 32, proof), 0);
	assert_true(md5_proof_equal(due, proof));
	assert_int_equal(md5_proof_apop("<1896.697170952@dbc.mtview.ca.us>", "tanstaaG", due), 0);
	assert_false(md5_proof_equal(due, proof));
}

static void cram_md5_as_in_rfc_2195(void **state)
{
	uint8_t due[MD5_PROOF_SIZE], proof[MD5_PROOF_SIZE];

	(void)state;
	assert_int_equal(md5_proof_cram("<1896.697170952@postoffice.reston.mci.net>", "tanstaaftanstaaf", due), 0);
	assert_int_equal(md5_proof_read((const unsigned char *)"b913a602c7eda7a495b4e6e7334d3890", 32, proof), 0);
	assert_true(md5_proof_equal(due, proof));
	assert_int_equal(md5_proof_cram("<1896.697170953@postoffice.reston.mci.net>", "tanstaaftanstaaf", due), 0);
	assert_false(md5_proof_equal(due, proof));
}

static void digests_are_hexadecimal(void **state)
{
	uint8_t proof[MD5_PROOF_SIZE];

	(void)state;
	for (int c = 0; c < 256; c++) {
		unsigned char text[] = "00000000000000000000000000000000";
		bool good = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;

		text[31] = (unsigned char)c;
		assert_int_equal(md5_proof_read(text, 32, proof), good ? 0 : -1);
	}
	assert_int_equal(md5_proof_read((const unsigned char *)"000000000000000000000000000000", 30, proof), -1);
	assert_int_equal(md5_proof_read((const unsigned char *)"0000000000000000000000000000000000", 34, proof), -1);
}

#ifdef HAVE_GSASL

/* ---- the client's side ---- */

static const EVP_MD *md_of(enum scram_kind kind)
{
	return kind == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static void sign(enum scram_kind kind, const void *key, const char *text, uint8_t signature_r[SCRAM_DIGEST_MAX])
{
	unsigned size;

	assert_non_null(HMAC(md_of(kind), key, (int)scram_digest_size(kind), (const unsigned char *)text, strlen(text),
			     signature_r, &size));
}

/* What both sides have of a password. */
struct known {
	uint8_t client[SCRAM_DIGEST_MAX], server[SCRAM_DIGEST_MAX], stored[SCRAM_DIGEST_MAX];
};

static void know(enum scram_kind kind, const char *password, const void *salt, size_t salt_size, unsigned iterations,
		 struct known *known_r)
{
	uint8_t salted[SCRAM_DIGEST_MAX];
	int digest = (int)scram_digest_size(kind);

	assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)salt_size, (int)iterations,
					   md_of(kind), digest, salted),
			 1);
	sign(kind, salted, "Client Key", known_r->client);
	sign(kind, salted, "Server Key", known_r->server);
	assert_int_equal(EVP_Digest(known_r->client, (size_t)digest, known_r->stored, NULL, md_of(kind), NULL), 1);
}

/* Of AuthMessage: p= and v=, in base64. */
static void prove(enum scram_kind kind, const struct known *known, const char *message, char proof_r[64],
		  char verifier_r[64])
{
	uint8_t signature[SCRAM_DIGEST_MAX];
	size_t digest = scram_digest_size(kind);

	sign(kind, known->stored, message, signature);
	for (size_t i = 0; i < digest; i++)
		signature[i] ^= known->client[i];
	base64_encode(signature, digest, proof_r);
	sign(kind, known->server, message, signature);
	base64_encode(signature, digest, verifier_r);
}

/* ---- the RFCs' exchanges ---- */

static const struct {
	enum scram_kind kind;
	const char *salt, *message, *proof, *verifier;
} examples[] = {
    /* RFC 5802, section 5 */
    {SCRAM_SHA_1, "QSXCR+Q6sek8bf92",
     "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    /* RFC 7677, section 3 */
    {SCRAM_SHA_256, "W22ZaJ0SNY7soEsUEjb6gQ==",
     "n=user,r=rOprNGfwEbeRWgbNEkqO,"
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

/* The keys that are made of the password `pencil` are those that the RFCs' proofs are made with; and so is the client's
 * side of these tests. (The server's nonce is the library's own, so that the exchange itself cannot be repeated.) */
static void keys_as_in_rfc_5802_and_rfc_7677(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct scram_keys keys = {.iterations = 4096};
		char proof[64], verifier[64];
		struct known known;

		assert_int_equal(base64_decode(examples[i].salt, strlen(examples[i].salt), keys.salt, &keys.salt_size),
				 0);
		know(examples[i].kind, "pencil", keys.salt, keys.salt_size, 4096, &known);
		assert_int_equal(scram_derive(examples[i].kind, "pencil", &keys), 0);
		assert_memory_equal(keys.stored, known.stored, scram_digest_size(examples[i].kind));
		assert_memory_equal(keys.server, known.server, scram_digest_size(examples[i].kind));
		prove(examples[i].kind, &known, examples[i].message, proof, verifier);
		assert_string_equal(proof, examples[i].proof);
		assert_string_equal(verifier, examples[i].verifier);
	}
}

/* ---- exchanges ---- */

#define EXPORTED "0123456789abcdef0123456789abcdef"

struct situation {
	enum mechanism mechanism;
	const char *password;
	const char *header;  /* gs2-header of the first message */
	const char *bound;   /* header and binding that the last message repeats; NULL: header alone */
	const char *binding; /* what the server has; NULL: nothing */
	bool exporter;
	enum scram_event first, last;
	const char *fault; /* in the words for the log; NULL: there are none */
};

static int find_pencil(void *context, const char *name, bool whole, struct scram_keys *keys_r)
{
	struct scram_keys keys = {.iterations = 4096, .salt_size = 16};

	assert_string_equal(name, "user");
	memcpy(keys.salt, "0123456789abcdef", 16);
	if (whole)
		assert_int_equal(scram_derive(*(enum scram_kind *)context, "pencil", &keys), 0);
	*keys_r = keys;
	return 0;
}

/* client-final-message for server-first; the verifier that is due. */
static void answer(const struct situation *situation, const char *first_bare, const char *server_first,
		   char final_r[2048], char verifier_r[64])
{
	enum scram_kind kind = scram_kind_of(situation->mechanism);
	const char *bound = situation->bound != NULL ? situation->bound : situation->header;
	char header[512], without[1024], message[4096], proof[64];
	struct known known;

	know(kind, situation->password, "0123456789abcdef", 16, 4096, &known);
	base64_encode(bound, strlen(bound), header);
	snprintf(without, sizeof(without), "c=%s,%.*s", header, (int)strcspn(server_first, ","), server_first);
	snprintf(message, sizeof(message), "%s,%s,%s", first_bare, server_first, without);
	prove(kind, &known, message, proof, verifier_r);
	snprintf(final_r, 2048, "%s,p=%s", without, proof);
}

static void assert_situation(struct scram_library *library, const struct situation *situation)
{
	const char *const bare = "n=user,r=fyko+d2lbbFgONRv9qkxdawL";
	const struct scram_binding binding = {.data = (const unsigned char *)situation->binding,
					      .size = situation->binding == NULL ? 0 : strlen(situation->binding),
					      .exporter = situation->exporter};
	enum scram_kind kind = scram_kind_of(situation->mechanism);
	struct scram *scram = scram_new(library, situation->mechanism, &binding, find_pencil, &kind);
	char first[512], final[2048], verifier[64], due[80];
	const char *reply = NULL;

	print_message("%s %s %s\n", mechanism_name(situation->mechanism), situation->header, situation->password);
	assert_non_null(scram);
	snprintf(first, sizeof(first), "%s%s", situation->header, bare);
	assert_int_equal(scram_step(scram, first, strlen(first), &reply), situation->first);
	if (situation->first == SCRAM_MORE) {
		assert_string_equal(scram_name(scram), "user");
		answer(situation, bare, reply, final, verifier);
		assert_int_equal(scram_step(scram, final, strlen(final), &reply), situation->last);
	}
	if (situation->first == SCRAM_MORE && situation->last == SCRAM_PROVED) {
		snprintf(due, sizeof(due), "v=%s", verifier);
		assert_string_equal(reply, due);
	}
	if (situation->fault == NULL)
		assert_null(scram_fault(scram));
	else
		assert_non_null(strstr(scram_fault(scram), situation->fault));
	scram_free(&scram);
	assert_null(scram);
}

static void exchanges(void **state)
{
#define P1 "p=tls-unique,,"
#define P2 "p=tls-exporter,,"
	static const struct situation situations[] = {
	    {MECHANISM_SCRAM_SHA_1, "pencil", "n,,", NULL, NULL, false, SCRAM_MORE, SCRAM_PROVED, NULL},
	    {MECHANISM_SCRAM_SHA_256, "pencil", "n,,", NULL, NULL, false, SCRAM_MORE, SCRAM_PROVED, NULL},
	    {MECHANISM_SCRAM_SHA_1, "pencils", "n,,", NULL, NULL, false, SCRAM_MORE, SCRAM_WRONG, NULL},
	    {MECHANISM_SCRAM_SHA_256, "Pencil", "n,,", NULL, NULL, false, SCRAM_MORE, SCRAM_WRONG, NULL},
	    /* a client that would bind, where nothing can be bound to */
	    {MECHANISM_SCRAM_SHA_256, "pencil", "y,,", NULL, NULL, false, SCRAM_MORE, SCRAM_PROVED, NULL},
	    /* the same where it can: somebody has hidden the offer */
	    {MECHANISM_SCRAM_SHA_256, "pencil", "y,,", NULL, EXPORTED, true, SCRAM_WRONG, SCRAM_WRONG, "in the middle"},
	    {MECHANISM_SCRAM_SHA_1, "pencil", "y,,", NULL, "unique", false, SCRAM_WRONG, SCRAM_WRONG, "in the middle"},
	    /* one that cannot bind */
	    {MECHANISM_SCRAM_SHA_256, "pencil", "n,,", NULL, EXPORTED, true, SCRAM_MORE, SCRAM_PROVED, NULL},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", "n,,", NULL, EXPORTED, true, SCRAM_WRONG, SCRAM_WRONG,
	     "binds to nothing"},
	    /* bound */
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P2, P2 EXPORTED, EXPORTED, true, SCRAM_MORE, SCRAM_PROVED, NULL},
	    {MECHANISM_SCRAM_SHA_1_PLUS, "pencil", P1, P1 "unique", "unique", false, SCRAM_MORE, SCRAM_PROVED, NULL},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "wrong", P2, P2 EXPORTED, EXPORTED, true, SCRAM_MORE, SCRAM_WRONG, NULL},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P2, P2 "other", EXPORTED, true, SCRAM_MORE, SCRAM_WRONG,
	     "another connection"},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P2, P2, EXPORTED, true, SCRAM_MORE, SCRAM_WRONG,
	     "another connection"},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P2, "n,,", EXPORTED, true, SCRAM_MORE, SCRAM_WRONG,
	     "another connection"},
	    /* another header than at first */
	    {MECHANISM_SCRAM_SHA_256, "pencil", "n,,", "y,,", NULL, false, SCRAM_MORE, SCRAM_WRONG, NULL},
	    {MECHANISM_SCRAM_SHA_256, "pencil", "n,a=user,", "n,,", NULL, false, SCRAM_MORE, SCRAM_WRONG, NULL},
	    {MECHANISM_SCRAM_SHA_256, "pencil", "n,a=user,", NULL, NULL, false, SCRAM_MORE, SCRAM_PROVED, NULL},
	};
	struct scram_library *library = scram_library_new();

	(void)state;
	assert_non_null(library);
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		assert_situation(library, &situations[i]);
	scram_library_free(&library);
}

/* Bound by the other kind than the connection has. */
static void bindings_are_of_the_kind_that_there_is(void **state)
{
	static const struct situation situations[] = {
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P1, P1 EXPORTED, EXPORTED, true, SCRAM_WRONG, SCRAM_WRONG,
	     "else than tls-exporter"},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", "p=tls-server-end-point,,", NULL, EXPORTED, true, SCRAM_WRONG,
	     SCRAM_WRONG, "else than tls-exporter"},
	    {MECHANISM_SCRAM_SHA_256_PLUS, "pencil", P2, P2 "unique", "unique", false, SCRAM_WRONG, SCRAM_WRONG,
	     "else than tls-unique"},
	};
	struct scram_library *library = scram_library_new();

	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		assert_situation(library, &situations[i]);
	scram_library_free(&library);
}

static void first_messages_that_are_none(void **state)
{
	static const char *const first[] = {
	    "",
	    "n",
	    "n,",
	    "n,,",
	    "n,,n=user",
	    "n,,r=nonce",
	    "n,,n=,r=nonce",
	    "n,,n=user,r=",
	    "x,,n=user,r=nonce",
	    "p=,,n=user,r=nonce",
	    "n,,m=x,n=user,r=nonce",
	    "n,,r=nonce,n=user",
	    "n,b=x,n=user,r=nonce",
	    "n,,n=us=er,r=nonce",
	    "n,,n=us=2Der,r=nonce",
	};
	const struct scram_binding none = {0};
	struct scram_library *library = scram_library_new();
	enum scram_kind kind = SCRAM_SHA_256;

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct scram *scram = scram_new(library, MECHANISM_SCRAM_SHA_256, &none, find_pencil, &kind);
		const char *reply = NULL;

		print_message("%s\n", first[i]);
		assert_non_null(scram);
		assert_int_not_equal(scram_step(scram, first[i], strlen(first[i]), &reply), SCRAM_MORE);
		scram_free(&scram);
	}
	scram_library_free(&library);
}

/* What the second message may lack, and what it may have too much of. */
static void last_messages_that_are_none(void **state)
{
	static const struct situation good = {
	    .mechanism = MECHANISM_SCRAM_SHA_256, .password = "pencil", .header = "n,,"};
	const char *const bare = "n=user,r=fyko+d2lbbFgONRv9qkxdawL";
	const struct scram_binding none = {0};
	struct scram_library *library = scram_library_new();
	enum scram_kind kind = SCRAM_SHA_256;

	(void)state;
	for (size_t cut = 0; cut <= 200; cut++) {
		struct scram *scram = scram_new(library, good.mechanism, &none, find_pencil, &kind);
		char first[128], final[2048], verifier[64];
		const char *reply = NULL;
		size_t size;

		snprintf(first, sizeof(first), "n,,%s", bare);
		assert_int_equal(scram_step(scram, first, strlen(first), &reply), SCRAM_MORE);
		answer(&good, bare, reply, final, verifier);
		size = strlen(final);
		if (cut < size) { /* less of it */
			assert_int_not_equal(scram_step(scram, final, cut, &reply), SCRAM_PROVED);
		} else { /* one octet of it is another */
			final[cut - size] ^= 1;
			assert_int_not_equal(scram_step(scram, final, size, &reply), SCRAM_PROVED);
		}
		scram_free(&scram);
	}
	scram_library_free(&library);
}

static void server_nonces_differ(void **state)
{
	const struct scram_binding none = {0};
	struct scram_library *library = scram_library_new();
	enum scram_kind kind = SCRAM_SHA_1;
	char replies[8][256];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct scram *scram = scram_new(library, MECHANISM_SCRAM_SHA_1, &none, find_pencil, &kind);
		const char *reply = NULL;

		assert_int_equal(scram_step(scram, "n,,n=user,r=abc", 15, &reply), SCRAM_MORE);
		snprintf(replies[i], sizeof(replies[i]), "%s", reply);
		assert_true(strncmp(reply, "r=abc", 5) == 0 && strcspn(reply, ",") >= 5 + 18);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(replies[k], replies[i]);
		scram_free(&scram);
	}
	scram_library_free(&library);
}

/* ---- keys by name ---- */

static struct accounts *three_accounts(void)
{
	struct accounts *accounts = account_table_new(3);
	const struct account with_keys = {
	    .user = strdup("keys"),
	    .scram_sha_256 =
		strdup("5000:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u$"
		       "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")};
	const struct account with_secret = {.user = strdup("Secret"), .secret = strdup("pencil")};
	const struct account with_hash = {.user = strdup("hash"), .hash = strdup("$y$x")};

	assert_non_null(accounts);
	assert_null(account_table_add(accounts, &with_keys));
	assert_null(account_table_add(accounts, &with_secret));
	assert_null(account_table_add(accounts, &with_hash));
	return accounts;
}

static void find(struct keyring *keyring, const struct accounts *accounts, const char *name, enum scram_kind kind,
		 struct scram_keys *keys_r)
{
	memset(keys_r, 0, sizeof(*keys_r));
	assert_int_equal(keyring_find(keyring, accounts_find(accounts, name), name, kind, true, keys_r), 0);
}

static void keys_are_the_accounts(void **state)
{
	struct accounts *accounts = three_accounts();
	struct keyring *keyring = keyring_new(accounts, "/a");
	struct scram_keys keys, again;
	struct known known;

	(void)state;
	find(keyring, accounts, "KEYS", SCRAM_SHA_256, &keys);
	assert_int_equal(keys.iterations, 5000);
	assert_int_equal(keys.salt_size, 24);
	assert_memory_equal(keys.stored, "0123456789abcdef0123456789abcdef", 32);
	for (int kind = SCRAM_SHA_1; kind <= SCRAM_SHA_256; kind++) {
		find(keyring, accounts, "secret", (enum scram_kind)kind, &keys);
		know((enum scram_kind)kind, "pencil", keys.salt, keys.salt_size, keys.iterations, &known);
		assert_memory_equal(keys.stored, known.stored, scram_digest_size((enum scram_kind)kind));
		find(keyring, accounts, "SECRET", (enum scram_kind)kind, &again);
		assert_memory_equal(&keys, &again, sizeof(keys));
		assert_int_equal(keyring_find(keyring, accounts_find(accounts, "secret"), "secret",
					      (enum scram_kind)kind, false, &again),
				 0);
		assert_int_equal(again.iterations, keys.iterations);
		assert_int_equal(again.salt_size, keys.salt_size);
		assert_memory_equal(again.salt, keys.salt, keys.salt_size);
	}
	keyring_free(&keyring);
	accounts_free(&accounts);
}

/* Nothing of what is sent before the proof tells a name that is there from another, today or tomorrow. */
static void names_that_are_not_there_look_like_others(void **state)
{
	static const char *const names[] = {"hash", "secret", "nobody", "somebody", "", "\xc3\xa4"};
	struct accounts *accounts = three_accounts();
	struct keyring *keyring = keyring_new(accounts, "/a"), *restarted = keyring_new(accounts, "/a"),
		       *another = keyring_new(accounts, "/b");
	struct scram_keys keys[6], again;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		find(keyring, accounts, names[i], SCRAM_SHA_256, &keys[i]);
		assert_int_equal(keys[i].iterations, 5000);
		assert_int_equal(keys[i].salt_size, 24);
		find(restarted, accounts, names[i], SCRAM_SHA_256, &again);
		assert_memory_equal(&keys[i], &again, sizeof(again));
		find(another, accounts, names[i], SCRAM_SHA_256, &again);
		assert_memory_not_equal(keys[i].salt, again.salt, 24);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(keys[k].salt, keys[i].salt, 24);
	}
	find(keyring, accounts, "NoBody", SCRAM_SHA_256, &again);
	assert_memory_equal(again.salt, keys[2].salt, 24);
	find(keyring, accounts, "nobody", SCRAM_SHA_1, &again);
	assert_int_equal(again.iterations, 4096); /* nobody has keys of this kind */
	assert_int_equal(again.salt_size, 16);
	assert_memory_not_equal(again.salt, keys[2].salt, 16);
	keyring_free(&keyring);
	keyring_free(&restarted);
	keyring_free(&another);
	accounts_free(&accounts);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(apop_as_in_rfc_1939),
	    cmocka_unit_test(cram_md5_as_in_rfc_2195),
	    cmocka_unit_test(digests_are_hexadecimal),
#ifdef HAVE_GSASL
	    cmocka_unit_test(keys_as_in_rfc_5802_and_rfc_7677),
	    cmocka_unit_test(exchanges),
	    cmocka_unit_test(bindings_are_of_the_kind_that_there_is),
	    cmocka_unit_test(first_messages_that_are_none),
	    cmocka_unit_test(last_messages_that_are_none),
	    cmocka_unit_test(server_nonces_differ),
	    cmocka_unit_test(keys_are_the_accounts),
	    cmocka_unit_test(names_that_are_not_there_look_like_others),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
