/* redirect - see redirect.h. What has not the state that was made for this login comes from anybody, and changes
 * nothing. */
#include "agent/redirect.h"

#include <openssl/crypto.h>
#include <string.h>

#include "agent/form.h"
#include "common/fault.h"
#include "common/secret.h"
#include "common/text.h"

#define SHOWN 160

enum found { FOUND, ABSENT, MALFORMED };

/* The decoded value of a query's parameter. MALFORMED: it stands twice, is too long or ill-formed. */
static enum found parameter(const char *query, const char *name, char *value, size_t size)
{
	const size_t name_size = strlen(name);
	enum found found = ABSENT;

	while (*query != '\0') {
		const size_t length = strcspn(query, "& #");

		if (length > name_size && strncmp(query, name, name_size) == 0 && query[name_size] == '=') {
			const size_t value_size = length - name_size - 1;

			if (found == FOUND || value_size >= size)
				return MALFORMED;
			memcpy(value, query + name_size + 1, value_size);
			value[value_size] = '\0';
			if (form_decode(value) != 0)
				return MALFORMED;
			found = FOUND;
		}
		query += length;
		if (*query != '&')
			break;
		query++;
	}
	return found;
}

static bool has_state(const char *query, const char *state)
{
	char value[REDIRECT_CODE];
	const bool has = parameter(query, "state", value, sizeof(value)) == FOUND && strlen(value) == strlen(state) &&
			 CRYPTO_memcmp(value, state, strlen(state)) == 0;

	secret_wipe(value, sizeof(value));
	return has;
}

/* RFC 9207, section 2.4: else the code of one provider could be led to another. */
static int judge_issuer(const char *query, const struct redirect_expected *expected, struct popgate_error *error)
{
	char value[REDIRECT_CODE], shown[SHOWN];

	if (expected->issuer == NULL)
		return 0;
	switch (parameter(query, "iss", value, sizeof(value))) {
	case FOUND:
		if (strcmp(value, expected->issuer) == 0)
			return 0;
		text_harmless(value, strlen(value), shown, sizeof(shown));
		return fault_set(error, POPGATE_PERM, "the browser's answer is from another provider: %s", shown);
	case ABSENT:
		return expected->issuer_told
			   ? fault_set(error, POPGATE_PERM,
				       "the browser's answer does not say which provider it is from, as `issuer` wants")
			   : 0;
	case MALFORMED:
		break;
	}
	return fault_set(error, POPGATE_PERM, "the browser's answer says unclearly which provider it is from");
}

int redirect_read(const char *query, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		  struct popgate_error *error)
{
	char value[REDIRECT_CODE], shown[SHOWN];
	enum found refusal;

	if (!has_state(query, expected->state))
		return 1;
	if (judge_issuer(query, expected, error) != 0)
		return -1;
	refusal = parameter(query, "error", value, sizeof(value));
	if (refusal == FOUND) {
		text_harmless(value, strlen(value), shown, sizeof(shown));
		return fault_set(error, POPGATE_PERM, "%s",
				 strcmp(value, "access_denied") == 0 ? "access was denied in the browser" : shown);
	}
	if (refusal == MALFORMED || parameter(query, "code", value, sizeof(value)) != FOUND || value[0] == '\0')
		return 1;
	memcpy(code_r, value, strlen(value) + 1);
	secret_wipe(value, sizeof(value));
	return 0;
}

int redirect_request(char *head, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		     struct popgate_error *error)
{
	static const char begin[] = "GET " REDIRECT_PATH "?";

	head[strcspn(head, "\r\n")] = '\0';
	if (strncmp(head, begin, sizeof(begin) - 1) != 0)
		return 1;
	return redirect_read(head + sizeof(begin) - 1, expected, code_r, error);
}

int redirect_line(char *line, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		  struct popgate_error *error)
{
	const char *query;

	line[strcspn(line, " \t\r")] = '\0';
	query = strchr(line, '?');
	return redirect_read(query == NULL ? line : query + 1, expected, code_r, error);
}
