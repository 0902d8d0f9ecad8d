/* conf_literal - see conf_literal.h. No I/O. Runs where conf does.
 * Literals and settings are paired by their order, not by their line: several
 * may stand on one. */
#include "common/conf_literal.h"

#include <libconfig.h>
#include <stdlib.h>

#include "common/number.h"

static int hex_parse(const char *text, size_t size, uint64_t *value_r)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned c = (unsigned char)text[i];
		unsigned digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

		if (value > (UINT64_MAX >> 4))
			return -1;
		value = value << 4 | digit;
	}
	*value_r = value;
	return value > INT64_MAX ? -1 : 0;
}

int conf_literal_parse(const char *text, size_t size, int64_t *value_r)
{
	int negative = size > 0 && *text == '-';
	uint64_t value;

	while (size > 0 && text[size - 1] == 'L')
		size--;
	if (size > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		if (hex_parse(text + 2, size - 2, &value) != 0)
			return -1;
		*value_r = (int64_t)value;
		return 0;
	}
	if (size > 0 && (*text == '-' || *text == '+')) {
		text++;
		size--;
	}
	if (number_parse(text, size, (uint64_t)INT64_MAX, &value) != 0)
		return -1;
	*value_r = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

static int append(struct conf_literals *literals, struct conf_literal literal)
{
	size_t room = literals->room == 0 ? 64 : literals->room * 2;
	struct conf_literal *values;

	if (literals->count == literals->room) {
		if ((values = reallocarray(literals->values, room, sizeof(*values))) == NULL)
			return -1;
		literals->values = values;
		literals->room = room;
	}
	literals->values[literals->count++] = literal;
	return 0;
}

int conf_literals_note(struct conf_literals *literals, const struct conf_reader *reader, const struct conf_token *token)
{
	struct conf_literal literal = {0};
	int shown = token->size > 40 ? 40 : (int)token->size;

	if (conf_literal_parse(token->text, token->size, &literal.value) != 0) {
		literal.beyond = true;
		conf_report_add(reader->report, token->file, token->line, "the number %.*s is too large for any key",
				shown, token->text);
	}
	if (append(literals, literal) == 0)
		return 0;
	conf_reader_no_memory(reader);
	return -1;
}

/* Whether libconfig can have read the literal as what the setting holds. */
static bool agrees(const config_setting_t *setting, struct conf_literal literal)
{
	if (literal.beyond)
		return true;
	if (config_setting_type(setting) == CONFIG_TYPE_INT64)
		return config_setting_get_int64(setting) == literal.value;
	return (uint32_t)config_setting_get_int(setting) == (uint32_t)literal.value;
}

static int apply_one(const struct conf_literals *literals, config_setting_t *setting, size_t *next)
{
	struct conf_literal *literal = &literals->values[*next];

	if (*next == literals->count || !agrees(setting, *literal))
		return -1;
	(*next)++;
	setting->type = CONFIG_TYPE_INT64;
	setting->value.llval = literal->value;
	config_setting_set_hook(setting, literal->beyond ? setting : NULL);
	return 0;
}

static int apply(const struct conf_literals *literals, config_setting_t *setting, size_t *next)
{
	int type = config_setting_type(setting);

	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64)
		return apply_one(literals, setting, next);
	if (!config_setting_is_aggregate(setting))
		return 0;
	for (int i = 0; i < config_setting_length(setting); i++)
		if (apply(literals, config_setting_get_elem(setting, (unsigned)i), next) != 0)
			return -1;
	return 0;
}

int conf_literals_apply(const struct conf_literals *literals, const struct conf_reader *reader,
			struct config_setting_t *root)
{
	size_t next = 0;

	if (apply(literals, root, &next) == 0 && next == literals->count)
		return 0;
	conf_reader_fault(reader, NULL, "changed while it was being read: try again");
	return -1;
}

void conf_literals_free(struct conf_literals *literals)
{
	free(literals->values);
	*literals = (struct conf_literals){0};
}
