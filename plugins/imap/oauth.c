/* oauth - see oauth.h. Of a server's JSON nothing is taken over but words that are known. Runs in a session process. */
#include "oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

#define CHALLENGE_MAX 8192u /* characters */

bool oauth_is_sound(const char *user, const unsigned char *token, size_t size)
{
	for (; *user != '\0'; user++)
		if ((unsigned char)*user < 0x20)
			return false;
	for (size_t i = 0; i < size; i++)
		if (token[i] <= 0x20 || token[i] >= 0x7f)
			return false;
	return size > 0;
}

/* The name as RFC 5801 writes it. */
static char *write_name(const char *user)
{
	char *name = malloc(strlen(user) * 3 + 1), *at = name;

	if (name == NULL)
		return NULL;
	for (; *user != '\0'; user++) {
		if (*user == ',' || *user == '=') {
			memcpy(at, *user == ',' ? "=2C" : "=3D", 3);
			at += 3;
		} else {
			*at++ = *user;
		}
	}
	*at = '\0';
	return name;
}

static char *encode_and_wipe(char *message, size_t room)
{
	char *text = base64_encode(message, strlen(message));

	explicit_bzero(message, room);
	free(message);
	return text;
}

char *oauth_bearer(const char *user, const char *token, const struct oauth_place *place)
{
	char *name = write_name(user);
	size_t room = name != NULL ? strlen(name) + strlen(token) + strlen(place->host) + 64 : 0;
	char *message = room > 0 ? malloc(room) : NULL;

	if (message != NULL)
		snprintf(message, room, "n,a=%s,\001host=%s\001port=%u\001auth=Bearer %s\001\001", name, place->host,
			 place->port, token);
	free(name);
	return message != NULL ? encode_and_wipe(message, room) : NULL;
}

char *oauth_xoauth2(const char *user, const char *token)
{
	size_t room = strlen(user) + strlen(token) + 32;
	char *message = malloc(room);

	if (message == NULL)
		return NULL;
	snprintf(message, room, "user=%s\001auth=Bearer %s\001\001", user, token);
	return encode_and_wipe(message, room);
}

/* RFC 6750, RFC 7628, and the numbers of HTTP that Gmail gives. */
static const struct oauth_refusal refusals[] = {
    {"invalid_token", POPGATE_AUTH},
    {"400", POPGATE_AUTH},
    {"401", POPGATE_AUTH},
    {"invalid_request", POPGATE_PERM},
    {"insufficient_scope", POPGATE_PERM},
    {"403", POPGATE_PERM},
    {"server_error", POPGATE_TEMP},
    {"temporarily_unavailable", POPGATE_TEMP},
    {"429", POPGATE_TEMP},
    {"500", POPGATE_TEMP},
    {"502", POPGATE_TEMP},
    {"503", POPGATE_TEMP},
};

/* The string behind "status"; NULL: there is none. */
static const char *find_status(const char *json, size_t *size_r)
{
	static const char key[] = "\"status\"";
	const char *at = strstr(json, key);

	if (at == NULL)
		return NULL;
	at += sizeof(key) - 1;
	at += strspn(at, " \t\r\n");
	if (*at++ != ':')
		return NULL;
	at += strspn(at, " \t\r\n");
	if (*at++ != '"')
		return NULL;
	*size_r = strcspn(at, "\"");
	return at;
}

struct oauth_refusal oauth_read_refusal(const char *challenge, size_t size)
{
	struct oauth_refusal refusal = {NULL, POPGATE_AUTH};
	size_t length = 0, word = 0;
	char *json = size <= CHALLENGE_MAX ? base64_decode(challenge, size, &length) : NULL;
	const char *status = json != NULL ? find_status(json, &word) : NULL;

	for (size_t i = 0; status != NULL && i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strlen(refusals[i].word) == word && memcmp(refusals[i].word, status, word) == 0)
			refusal = refusals[i];
	free(json);
	return refusal;
}
