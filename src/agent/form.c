/* form - see form.h. */
#include "agent/form.h"

#include <string.h>

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

static void put(struct form *form, char c)
{
	if (form->size >= FORM_MAX) {
		form->full = true;
		return;
	}
	form->text[form->size++] = c;
	form->text[form->size] = '\0';
}

static void encode(struct form *form, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		if (is_unreserved(*text)) {
			put(form, *text);
			continue;
		}
		put(form, '%');
		put(form, digits[(unsigned char)*text >> 4]);
		put(form, digits[(unsigned char)*text & 15]);
	}
}

void form_add(struct form *form, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (form->size > 0)
		put(form, '&');
	encode(form, name);
	put(form, '=');
	encode(form, value);
}

void form_add_pair(struct form *form, const char *name, const char *value)
{
	encode(form, name);
	put(form, ':');
	encode(form, value);
}

void form_clear(struct form *form)
{
	secret_wipe(form->text, sizeof(form->text));
	form->size = 0;
	form->full = false;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int form_decode(char *value)
{
	char *out = value;

	for (; *value != '\0'; value++) {
		int high, low;

		if (*value != '%') {
			*out++ = *value == '+' ? ' ' : *value;
			continue;
		}
		high = digit(value[1]);
		low = high < 0 ? -1 : digit(value[2]);
		if (low < 0 || (high == 0 && low == 0))
			return -1;
		*out++ = (char)(high << 4 | low);
		value += 2;
	}
	*out = '\0';
	return 0;
}
