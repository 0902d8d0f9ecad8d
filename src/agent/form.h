/* form - the body of a request, application/x-www-form-urlencoded; and the query of a URL. Pure. */
#ifndef POPGATE_AGENT_FORM_H
#define POPGATE_AGENT_FORM_H

#include <stdbool.h>

#include "common/secret.h"

#define FORM_MAX 65535 /* octets: the longest identifier, secret and token have room, all of it encoded */

/* Zero-initialise; end with form_clear. */
struct form {
	size_t size;
	bool full; /* something was left out */
	char text[FORM_MAX + 1];
};

/* Adds `name=value`, encoded; value NULL: nothing. */
void form_add(struct form *form, const char *name, const char *value);
/* Adds `name:value`, each encoded. */
void form_add_pair(struct form *form, const char *name, const char *value);
void form_clear(struct form *form);
/* Undoes the encoding of a query's value in place. -1: it is ill-formed, or has a NUL. */
int form_decode(char *value);

#endif
