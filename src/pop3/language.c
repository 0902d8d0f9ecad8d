/* language - see language.h. Pure. */
#include "pop3/language.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

struct language {
	const char *tag, *name;
};

static const struct language languages[] = {{"en", "English"}, {"i-default", "Default language"}};
#define LANGUAGES (sizeof(languages) / sizeof(languages[0]))

/* `*` asks for the server's choice; a longer tag such as en-GB is served by its prefix. */
static const struct language *choose(const char *tag)
{
	if (strcmp(tag, "*") == 0)
		return &languages[0];
	for (size_t i = 0; i < LANGUAGES; i++)
		if (text_same_case(tag, strlen(tag), languages[i].tag))
			return &languages[i];
	if (strlen(tag) > 3 && text_same_case(tag, 3, "en-"))
		return &languages[0];
	return NULL;
}

size_t language_reply(const char *tag, char reply[LANGUAGE_REPLY_MAX])
{
	const struct language *language;
	int size;

	if (tag == NULL) {
		size = snprintf(reply, LANGUAGE_REPLY_MAX, "+OK languages follow\r\n%s %s\r\n%s %s\r\n.\r\n",
				languages[0].tag, languages[0].name, languages[1].tag, languages[1].name);
		return (size_t)size;
	}
	language = choose(tag);
	if (language == NULL)
		size = snprintf(reply, LANGUAGE_REPLY_MAX, "-ERR en no such language here\r\n");
	else
		size =
		    snprintf(reply, LANGUAGE_REPLY_MAX, "+OK %s replies are in this language now\r\n", language->tag);
	return (size_t)size;
}
