/* secret - see secret.h. Never logs, never copies beyond what it is asked to. */
#include "common/secret.h"

#include <stdlib.h>
#include <string.h>

void secret_wipe(void *data, size_t size)
{
	explicit_bzero(data, size);
}

int secret_set(struct secret *secret, const void *data, size_t size)
{
	unsigned char *copy;

	secret_clear(secret);
	if (size > SECRET_MAX || (copy = malloc(size + 1)) == NULL)
		return -1;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	secret->data = copy;
	secret->size = size;
	return 0;
}

void secret_move(struct secret *to, struct secret *from)
{
	secret_clear(to);
	*to = *from;
	from->data = NULL;
	from->size = 0;
}

void secret_clear(struct secret *secret)
{
	if (secret->data != NULL) {
		secret_wipe(secret->data, secret->size);
		free(secret->data);
	}
	secret->data = NULL;
	secret->size = 0;
}
