/* bearer - see bearer.h. Both are lists of KEY=VALUE, each with a 0x01 behind it, and one more 0x01 at the end. */
#include "pop3/bearer.h"

#include <string.h>

#include "common/text.h"

#define END 0x01

struct part {
	const unsigned char *data;
	size_t size;
};

/* Cuts off what stands before the first `end`. 0, or -1: there is none. */
static int cut(struct part *rest, unsigned char end, struct part *part_r)
{
	const unsigned char *at = memchr(rest->data, end, rest->size);

	if (at == NULL)
		return -1;
	*part_r = (struct part){rest->data, (size_t)(at - rest->data)};
	rest->size -= part_r->size + 1;
	rest->data = at + 1;
	return 0;
}

/* Whether the part begins so, in any case; then it has only what follows. */
static int skip(struct part *part, const char *begin)
{
	size_t size = strlen(begin);

	if (part->size < size || !text_same_case((const char *)part->data, size, begin))
		return -1;
	part->data += size;
	part->size -= size;
	return 0;
}

/* RFC 6750, section 2.1: visible characters; which of them is the server's affair. */
static int is_token(const struct part *part)
{
	for (size_t i = 0; i < part->size; i++)
		if (part->data[i] <= 0x20 || part->data[i] >= 0x7f)
			return -1;
	return part->size > 0 ? 0 : -1;
}

/* The key auth among the others, which are not needed, up to the empty one at the end. */
static int take_pairs(struct part *rest, struct bearer *bearer)
{
	struct part pair;

	bearer->token = NULL;
	for (;;) {
		if (cut(rest, END, &pair) != 0)
			return -1;
		if (pair.size == 0)
			return rest->size == 0 && bearer->token != NULL ? 0 : -1;
		if (skip(&pair, "auth=") != 0)
			continue;
		if (bearer->token != NULL || skip(&pair, "Bearer ") != 0 || is_token(&pair) != 0)
			return -1;
		bearer->token = pair.data;
		bearer->token_size = pair.size;
	}
}

/* gs2-header: no channel binding, the user's name, which may lack. */
static int take_header(struct part *rest, struct part *name_r)
{
	struct part header, flag;

	if (cut(rest, END, &header) != 0 || cut(&header, ',', &flag) != 0 || flag.size != 1 ||
	    (flag.data[0] != 'n' && flag.data[0] != 'y'))
		return -1;
	*name_r = (struct part){0};
	if (header.size == 1 && header.data[0] == ',')
		return 0;
	return skip(&header, "a=") == 0 && cut(&header, ',', name_r) == 0 && header.size == 0 ? 0 : -1;
}

size_t bearer_name(const struct bearer *bearer, unsigned char *name_r)
{
	size_t used = 0;

	for (size_t i = 0; i < bearer->name_size; i++) {
		unsigned char letter = bearer->name[i];

		if (letter == '=') {
			if (bearer->name_size - i < 3)
				return 0;
			if (memcmp(bearer->name + i, "=2C", 3) == 0)
				letter = ',';
			else if (memcmp(bearer->name + i, "=3D", 3) != 0)
				return 0;
			i += 2;
		}
		name_r[used++] = letter;
	}
	return used;
}

int bearer_parse(enum mechanism mechanism, const unsigned char *data, size_t size, struct bearer *bearer_r)
{
	struct part rest = {data, size}, name;
	struct bearer bearer = {0};

	if (mechanism == MECHANISM_OAUTHBEARER) {
		if (take_header(&rest, &name) != 0)
			return -1;
	} else if (cut(&rest, END, &name) != 0 || skip(&name, "user=") != 0) {
		return -1;
	}
	if (take_pairs(&rest, &bearer) != 0)
		return -1;
	bearer.name = name.data;
	bearer.name_size = name.size;
	*bearer_r = bearer;
	return 0;
}
