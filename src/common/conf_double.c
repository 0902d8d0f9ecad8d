/* conf_double - see conf_double.h. Pure, runs where conf does. */
#include "common/conf_double.h"

#include <stdlib.h>
#include <string.h>

static int open_group(struct conf_doubles *doubles)
{
	struct conf_double_group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return -1;
	group->outer = doubles->group;
	doubles->group = group;
	return 0;
}

static void free_key(struct conf_double_key *key)
{
	if (key == NULL)
		return;
	free(key->name);
	free(key->file);
	free(key);
}

static void close_group(struct conf_doubles *doubles)
{
	struct conf_double_group *group = doubles->group;
	struct conf_double_key *next;

	for (struct conf_double_key *key = group->keys; key != NULL; key = next) {
		next = key->next;
		free_key(key);
	}
	doubles->group = group->outer;
	free(group);
}

static struct conf_double_key *new_key(const struct conf_token *token)
{
	struct conf_double_key *key = calloc(1, sizeof(*key));

	if (key == NULL)
		return NULL;
	key->name = strndup(token->text, token->size);
	key->file = strdup(token->file);
	key->line = token->line;
	if (key->name == NULL || key->file == NULL) {
		free_key(key);
		return NULL;
	}
	return key;
}

static int note_name(struct conf_doubles *doubles, const struct conf_token *token)
{
	struct conf_double_key *key = new_key(token);

	if (key == NULL)
		return -1;
	for (struct conf_double_key *other = doubles->group->keys; other != NULL; other = other->next) {
		if (strcmp(other->name, key->name) != 0)
			continue;
		doubles->again = key;
		doubles->first_line = other->line;
		doubles->first_file = strdup(other->file);
		return doubles->first_file == NULL ? -1 : 0;
	}
	key->next = doubles->group->keys;
	doubles->group->keys = key; /* fanalyzer: conf_doubles_free gives it back */
	return 0;
}

int conf_doubles_note(struct conf_doubles *doubles, const struct conf_token *token)
{
	if (doubles->again != NULL)
		return 0;
	if (doubles->group == NULL && open_group(doubles) != 0)
		return -1;
	if (token->type == CONF_TOKEN_OPEN)
		return open_group(doubles);
	if (token->type == CONF_TOKEN_CLOSE && doubles->group->outer != NULL)
		close_group(doubles);
	if (token->type == CONF_TOKEN_NAME)
		return note_name(doubles, token);
	return 0;
}

void conf_doubles_free(struct conf_doubles *doubles)
{
	while (doubles->group != NULL)
		close_group(doubles);
	free_key(doubles->again);
	free(doubles->first_file);
	*doubles = (struct conf_doubles){0};
}
