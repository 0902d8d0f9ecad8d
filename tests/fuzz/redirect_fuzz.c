/* redirect: what a browser, or anybody who finds the port, sends in the course of a login; and lines that are pasted.
 * By a reading of the target's own, which looks at all parameters: a code is taken only where the state stands once and
 * is the right one, and the issuer is the known one; another state never counts. */
#include <ctype.h>

#include "agent/redirect.h"

#include "fuzz.h"

#define STATE  "fuzz-State_0"
#define OTHER  "fuzz-State_1"
#define ISSUER "https://login.example"
#define KEPT   "untouched"

/* ---- the target's own reading ---- */

/* How often a parameter stands in a query; its decoded value, "" where that cannot be, in value. */
static size_t count(const char *query, const char *name, char *value, size_t room)
{
	size_t times = 0;

	for (const char *at = query; *at != '\0' && *at != ' ' && *at != '#'; at++) {
		const bool begins = at == query || at[-1] == '&';
		size_t used = 0;

		if (!begins || strncmp(at, name, strlen(name)) != 0 || at[strlen(name)] != '=')
			continue;
		times++;
		value[0] = '\0';
		for (const char *c = at + strlen(name) + 1; *c != '\0' && strchr("& #", *c) == NULL; c++) {
			unsigned octet = (unsigned char)(*c == '+' ? ' ' : *c);

			if (*c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])) {
				REQUIRE(sscanf(c + 1, "%2x", &octet) == 1);
				c += 2;
			}
			REQUIRE(used + 1 < room);
			value[used++] = (char)octet;
		}
		value[used] = '\0';
	}
	return times;
}

static void check_code(const char *query, const struct redirect_expected *expected, const char *code)
{
	const size_t room = strlen(query) + 2;
	char *value = malloc(room);
	size_t issuers;

	REQUIRE(value != NULL);
	REQUIRE(count(query, "state", value, room) == 1 && strcmp(value, expected->state) == 0);
	REQUIRE(count(query, "code", value, room) == 1 && *code != '\0' && strcmp(value, code) == 0);
	REQUIRE(count(query, "error", value, room) == 0);
	issuers = count(query, "iss", value, room);
	if (expected->issuer != NULL)
		REQUIRE(issuers == 0 ? !expected->issuer_told : issuers == 1 && strcmp(value, expected->issuer) == 0);
	free(value);
}

static void check_refusal(const char *query, const struct redirect_expected *expected,
			  const struct popgate_error *error)
{
	const size_t room = strlen(query) + 2;
	char *value = malloc(room);

	REQUIRE(value != NULL);
	REQUIRE(count(query, "state", value, room) == 1 && strcmp(value, expected->state) == 0);
	REQUIRE(memchr(error->text, '\0', sizeof(error->text)) != NULL);
	for (const char *at = error->text; *at != '\0'; at++)
		REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
	free(value);
}

/* ---- what is tried ---- */

typedef int reading_fn(char *text, const struct redirect_expected *expected, char code[REDIRECT_CODE],
		       struct popgate_error *error);

static int read_query(char *text, const struct redirect_expected *expected, char code[REDIRECT_CODE],
		      struct popgate_error *error)
{
	return redirect_read(text, expected, code, error);
}

/* Reads a copy. */
static int try(reading_fn *reading, const uint8_t *data, size_t size, const struct redirect_expected *expected,
	       char code[REDIRECT_CODE], struct popgate_error *error)
{
	char *text = fuzz_text(data, size);
	int result;

	snprintf(code, REDIRECT_CODE, "%s", KEPT);
	result = reading(text, expected, code, error);
	REQUIRE(result == 0 || strcmp(code, KEPT) == 0);
	REQUIRE(memchr(code, '\0', REDIRECT_CODE) != NULL);
	free(text);
	return result;
}

static void check(reading_fn *reading, const uint8_t *data, size_t size, const struct redirect_expected *expected)
{
	struct redirect_expected other = *expected;
	char code[REDIRECT_CODE], others[REDIRECT_CODE], *text = fuzz_text(data, size), *query = text;
	struct popgate_error error = {0}, unused = {0};
	const int result = try(reading, data, size, expected, code, &error);

	other.state = OTHER;
	REQUIRE(result >= -1 && result <= 1);
	REQUIRE(result == 1 || try(reading, data, size, &other, others, &unused) == 1);
	if (reading == redirect_request && result != 1) {
		text[strcspn(text, "\r\n")] = '\0';
		REQUIRE(strncmp(text, "GET /?", 6) == 0);
		query = text + 6;
	} else if (reading == redirect_line && result != 1) {
		text[strcspn(text, " \t\r")] = '\0';
		if (strchr(text, '?') != NULL)
			query = strchr(text, '?') + 1;
	}
	if (result == 0)
		check_code(query, expected, code);
	else if (result < 0)
		check_refusal(query, expected, &error);
	free(text);
}

/* The first octet says what is expected. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned how = size > 0 ? data[0] : 0;
	const struct redirect_expected expected = {
	    .state = STATE, .issuer = how & 1 ? ISSUER : NULL, .issuer_told = (how & 3) == 3};

	if (size > REDIRECT_REQUEST)
		return 0;
	check(redirect_request, data + (size > 0), size - (size > 0), &expected);
	check(redirect_line, data + (size > 0), size - (size > 0), &expected);
	check(read_query, data + (size > 0), size - (size > 0), &expected);
	return 0;
}
