/* Tests of SASL, and of what every name and password passes before it goes anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/sasl.h"

static enum sasl_result step(struct sasl *sasl, const char *data, size_t size)
{
	return sasl_step(sasl, (const unsigned char *)data, size);
}

static void assert_has(const struct sasl *sasl, const char *name, const char *password)
{
	assert_string_equal(sasl->name, name);
	assert_int_equal(sasl->password.size, strlen(password));
	assert_string_equal((const char *)sasl->password.data, password);
}

/* The mechanisms that are proved by a challenge are the broker's. */
static void mechanisms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MECHANISMS; i++) {
		bool taken = (MECHANISM_BIT(i) & mechanism_sasl() & mechanism_revealing()) != 0;
		struct sasl sasl;

		sasl_init(&sasl, (enum mechanism)i);
		assert_int_equal(step(&sasl, "user=bob\1auth=Bearer tok\1\1", 26) == SASL_DONE, i == MECHANISM_XOAUTH2);
		assert_int_equal(step(&sasl, "\0bob\0secret", 11) == SASL_DONE, i == MECHANISM_PLAIN);
		assert_int_equal(taken, i >= MECHANISM_PLAIN);
		sasl_clear(&sasl);
	}
}

static void plain(void **state)
{
#define PLAIN(text, result)                                                                                            \
	{                                                                                                              \
		text, sizeof(text) - 1, result                                                                         \
	}
	static const struct {
		const char *data;
		size_t size;
		enum sasl_result result;
	} cases[] = {
	    PLAIN("\0bob\0secret", SASL_DONE),
	    PLAIN("bob\0bob\0secret", SASL_DONE),
	    PLAIN("eve\0bob\0secret", SASL_REFUSED),
	    PLAIN("bobb\0bob\0secret", SASL_REFUSED),
	    PLAIN("Bob\0bob\0secret", SASL_REFUSED),
	    PLAIN("", SASL_MALFORMED),
	    PLAIN("\0", SASL_MALFORMED),
	    PLAIN("\0\0", SASL_MALFORMED),
	    PLAIN("\0bob", SASL_MALFORMED),
	    PLAIN("bob\0secret", SASL_MALFORMED),
	    PLAIN("\0bob\0", SASL_MALFORMED),
	    PLAIN("\0\0secret", SASL_MALFORMED),
	    PLAIN("\0bob\0sec\0ret", SASL_MALFORMED),
	    PLAIN("\0bob\0secret\0", SASL_MALFORMED),
	    PLAIN("\0bob\0a\rb", SASL_MALFORMED),
	    PLAIN("\0bob\0a\nb", SASL_MALFORMED),
	    PLAIN("\0b\nob\0secret", SASL_MALFORMED),
	    PLAIN("\0b\x7fob\0secret", SASL_MALFORMED),
	    PLAIN("\0b\xffob\0secret", SASL_MALFORMED),
	};
#undef PLAIN

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sasl sasl;

		sasl_init(&sasl, MECHANISM_PLAIN);
		assert_int_equal(step(&sasl, cases[i].data, cases[i].size), cases[i].result);
		if (cases[i].result == SASL_DONE)
			assert_has(&sasl, "bob", "secret");
		sasl_clear(&sasl);
		assert_null(sasl.name);
		assert_null(sasl.password.data);
	}
}

static void plain_without_an_initial_response(void **state)
{
	struct sasl sasl;

	(void)state;
	sasl_init(&sasl, MECHANISM_PLAIN);
	assert_int_equal(sasl_step(&sasl, NULL, 0), SASL_CONTINUE);
	assert_string_equal(sasl.challenge, "");
	assert_int_equal(step(&sasl, "\0bob\0secret", 11), SASL_DONE);
	assert_has(&sasl, "bob", "secret");
	sasl_clear(&sasl);
}

static void login(void **state)
{
	struct sasl sasl;

	(void)state;
	sasl_init(&sasl, MECHANISM_LOGIN);
	assert_int_equal(sasl_step(&sasl, NULL, 0), SASL_CONTINUE);
	assert_string_equal(sasl.challenge, "Username:");
	assert_int_equal(step(&sasl, "bob", 3), SASL_CONTINUE);
	assert_string_equal(sasl.challenge, "Password:");
	assert_int_equal(step(&sasl, "secret", 6), SASL_DONE);
	assert_has(&sasl, "bob", "secret");
	sasl_clear(&sasl);

	/* The name may come with the command. */
	sasl_init(&sasl, MECHANISM_LOGIN);
	assert_int_equal(step(&sasl, "bob", 3), SASL_CONTINUE);
	assert_string_equal(sasl.challenge, "Password:");
	assert_int_equal(step(&sasl, "", 0), SASL_MALFORMED);
	sasl_clear(&sasl);

	sasl_init(&sasl, MECHANISM_LOGIN);
	assert_int_equal(step(&sasl, "", 0), SASL_MALFORMED);
	sasl_clear(&sasl);
	sasl_init(&sasl, MECHANISM_LOGIN);
	assert_int_equal(step(&sasl, "b\0b", 3), SASL_MALFORMED);
	sasl_clear(&sasl);
}

static enum sasl_result userpass(const void *name, size_t name_size, const void *password, size_t password_size)
{
	struct sasl sasl;
	enum sasl_result result;

	sasl_init(&sasl, MECHANISM_USER);
	result = sasl_userpass(&sasl, name, name_size, password, password_size);
	if (result == SASL_DONE) {
		assert_int_equal(strlen(sasl.name), name_size);
		assert_int_equal(sasl.password.size, password_size);
		assert_memory_equal(sasl.password.data, password, password_size);
	}
	sasl_clear(&sasl);
	return result;
}

/* Every octet, in a name and in a password. */
static void input_15_which_octets_are_fit(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		char octets[3] = {'a', (char)i, 'b'};

		assert_int_equal(userpass(octets, 3, "x", 1), i >= 0x20 && i < 0x7f ? SASL_DONE : SASL_MALFORMED);
		/* A password need not be text: old accounts have Latin-1 in theirs. */
		assert_int_equal(userpass("bob", 3, octets, 3),
				 i == 0 || i == '\r' || i == '\n' ? SASL_MALFORMED : SASL_DONE);
	}
	assert_int_equal(userpass("b\xc3\xb6"
				  "b",
				  4, "x", 1),
			 SASL_DONE);
}

static void sizes(void **state)
{
	static char octets[SECRET_MAX + 1];

	(void)state;
	memset(octets, 'x', sizeof(octets));
	assert_int_equal(userpass(octets, 0, "x", 1), SASL_MALFORMED);
	assert_int_equal(userpass(octets, SASL_NAME_MAX, "x", 1), SASL_DONE);
	assert_int_equal(userpass(octets, SASL_NAME_MAX + 1, "x", 1), SASL_MALFORMED);
	assert_int_equal(userpass("x", 1, octets, 0), SASL_MALFORMED);
	assert_int_equal(userpass("x", 1, octets, SECRET_MAX), SASL_DONE);
	assert_int_equal(userpass("x", 1, octets, SECRET_MAX + 1), SASL_MALFORMED);
}

/* A name that is none is there for the log, which makes it harmless. */
static void input_23_an_unfit_name_is_kept_apart(void **state)
{
	struct sasl sasl;

	(void)state;
	sasl_init(&sasl, MECHANISM_LOGIN);
	assert_int_equal(step(&sasl, "b\x1b[2J\nob", 8), SASL_MALFORMED);
	assert_null(sasl.name);
	assert_string_equal(sasl.unfit, "b\x1b[2J\nob");
	sasl_clear(&sasl);
	assert_null(sasl.unfit);
}

static void userpass_has_no_steps(void **state)
{
	struct sasl sasl;

	(void)state;
	sasl_init(&sasl, MECHANISM_USER);
	assert_int_equal(step(&sasl, "\0bob\0secret", 11), SASL_MALFORMED);
	assert_null(sasl.name);
	sasl_clear(&sasl);
}

struct said {
	const char *text;
	enum sasl_result result;
};

static void assert_bearer(enum mechanism mechanism, const struct said *said, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct sasl sasl;

		sasl_init(&sasl, mechanism);
		if (step(&sasl, said[i].text, strlen(said[i].text)) != said[i].result)
			fail_msg("%s", said[i].text);
		if (said[i].result == SASL_DONE)
			assert_has(&sasl, "bob@example.org", "ya29.a0-_~+/==");
		sasl_clear(&sasl);
	}
}

#define TOKEN "auth=Bearer ya29.a0-_~+/==\1"

static void oauthbearer(void **state)
{
	static const struct said said[] = {
	    {"n,a=bob@example.org,\1" TOKEN "\1", SASL_DONE},
	    {"y,a=bob@example.org,\1" TOKEN "\1", SASL_DONE},
	    {"n,a=bob@example.org,\1host=pop.example.org\1port=995\1" TOKEN "\1", SASL_DONE},
	    {"n,a=bob@example.org,\1" TOKEN "host=h\1\1", SASL_DONE},
	    {"n,a=bob@example.org,\1auth=bearer ya29.a0-_~+/==\1\1", SASL_DONE},
	    {"p=tls-exporter,a=bob@example.org,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,a=,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1" TOKEN, SASL_MALFORMED},
	    {"n,a=bob@example.org,\1" TOKEN "\1more", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1" TOKEN TOKEN "\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1auth=Basic Ym9i\1\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1auth=Bearer \1\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1auth=Bearer a b\1\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1\1", SASL_MALFORMED},
	    {"n,a=b=2cc,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,a=b=2,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,a=b=,\1" TOKEN "\1", SASL_MALFORMED},
	    {"user=bob@example.org\1" TOKEN "\1", SASL_MALFORMED},
	    {"", SASL_MALFORMED},
	    {"\1", SASL_MALFORMED},
	};

	(void)state;
	assert_bearer(MECHANISM_OAUTHBEARER, said, sizeof(said) / sizeof(said[0]));
}

/* RFC 7628 lets a client name no user: the log shall not call that malformed. */
static void oauthbearer_without_a_name(void **state)
{
	static const struct said said[] = {
	    {"n,,\1" TOKEN "\1", SASL_DONE},	    {"y,,\1" TOKEN "\1", SASL_DONE},
	    {"n,a=,\1" TOKEN "\1", SASL_MALFORMED}, {"n,,,\1" TOKEN "\1", SASL_MALFORMED},
	    {"n,\1" TOKEN "\1", SASL_MALFORMED},    {"n,,\1\1", SASL_MALFORMED}};

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct sasl sasl;

		sasl_init(&sasl, MECHANISM_OAUTHBEARER);
		assert_int_equal(step(&sasl, said[i].text, strlen(said[i].text)), SASL_MALFORMED);
		assert_int_equal(sasl.fault != NULL, said[i].result == SASL_DONE);
		sasl_clear(&sasl);
	}
}

/* `,` and `=` in a name are encoded. */
static void oauthbearer_names(void **state)
{
	static const char said[] = "n,a=b=2Cc=3D2C@x,\1" TOKEN "\1";
	struct sasl sasl;

	(void)state;
	sasl_init(&sasl, MECHANISM_OAUTHBEARER);
	assert_int_equal(step(&sasl, said, sizeof(said) - 1), SASL_DONE);
	assert_has(&sasl, "b,c=2C@x", "ya29.a0-_~+/==");
	sasl_clear(&sasl);
}

static void xoauth2(void **state)
{
	static const struct said said[] = {
	    {"user=bob@example.org\1" TOKEN "\1", SASL_DONE},
	    {"user=bob@example.org\1" TOKEN, SASL_MALFORMED},
	    {"user=\1" TOKEN "\1", SASL_MALFORMED},
	    {"user=bob\n\1" TOKEN "\1", SASL_MALFORMED},
	    {"bob@example.org\1" TOKEN "\1", SASL_MALFORMED},
	    {"user=bob@example.org\1\1", SASL_MALFORMED},
	    {"n,a=bob@example.org,\1" TOKEN "\1", SASL_MALFORMED},
	};

	(void)state;
	assert_bearer(MECHANISM_XOAUTH2, said, sizeof(said) / sizeof(said[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mechanisms),
	    cmocka_unit_test(oauthbearer),
	    cmocka_unit_test(oauthbearer_without_a_name),
	    cmocka_unit_test(oauthbearer_names),
	    cmocka_unit_test(xoauth2),
	    cmocka_unit_test(plain),
	    cmocka_unit_test(plain_without_an_initial_response),
	    cmocka_unit_test(login),
	    cmocka_unit_test(input_15_which_octets_are_fit),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(input_23_an_unfit_name_is_kept_apart),
	    cmocka_unit_test(userpass_has_no_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
