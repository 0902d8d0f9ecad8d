/* json - see json.h. cJSON parses; what it is lax about is looked at before. */
#include "agent/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "common/text.h"

struct json {
	cJSON *object;
};

/* Depth within its bound, and no NUL written as \u0000, at which cJSON would end a string. */
static bool is_bounded(const char *text, size_t size)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (quoted && text[i] == '\\') {
			if (size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
				return false;
			i++;
		} else if (text[i] == '"') {
			quoted = !quoted;
		} else if (!quoted && (text[i] == '{' || text[i] == '[')) {
			if (++depth > JSON_DEPTH)
				return false;
		} else if (!quoted && (text[i] == '}' || text[i] == ']')) {
			depth -= depth > 0;
		}
	}
	return true;
}

/* Behind the object is white space alone. */
static bool is_whole(const char *end, const char *limit)
{
	while (end < limit && strchr(" \t\r\n", *end) != NULL && *end != '\0')
		end++;
	return end == limit;
}

struct json *json_parse(const char *text, size_t size)
{
	const char *end = NULL;
	struct json *json;

	if (size > JSON_MAX || memchr(text, '\0', size) != NULL || !is_bounded(text, size) ||
	    (json = calloc(1, sizeof(*json))) == NULL)
		return NULL;
	json->object = cJSON_ParseWithLengthOpts(text, size, &end, 0);
	if (!cJSON_IsObject(json->object) || !is_whole(end, text + size))
		json_free(&json);
	return json;
}

void json_free(struct json **json)
{
	struct json *old = *json;

	*json = NULL;
	if (old == NULL)
		return;
	cJSON_Delete(old->object);
	free(old);
}

bool json_has(const struct json *json, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->object, name);

	return item != NULL && !cJSON_IsNull(item);
}

const char *json_string(const struct json *json, const char *name, size_t most)
{
	const char *string = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json->object, name));
	size_t size = string == NULL ? 0 : strlen(string);

	if (size == 0 || size > most || !text_is_utf8(string, size))
		return NULL;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)string[i] < 0x20 || string[i] == 0x7f)
			return NULL;
	return string;
}

int json_number(const struct json *json, const char *name, int64_t most, int64_t *number_r)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->object, name);
	const char *text = cJSON_GetStringValue(item);
	uint64_t value;

	if (text != NULL && number_parse(text, strlen(text), INT64_MAX, &value) == 0) {
		*number_r = (int64_t)value > most ? most : (int64_t)value;
		return 0;
	}
	/* written so that NaN fails */
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0))
		return -1;
	*number_r = item->valuedouble >= (double)most ? most : (int64_t)item->valuedouble;
	return 0;
}
