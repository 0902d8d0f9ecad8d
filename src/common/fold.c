/* fold - see fold.h. The plain functions: EVP looks for its implementation under locks on scattered pages, each of
 * which a session would copy. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/fold.h"

#include <string.h>

#include "common/text.h"

void fold_into(SHA256_CTX *context, const char *name)
{
	char folded[256];
	size_t size = strlen(name) + 1;

	for (size_t done = 0; done < size;) {
		size_t n = 0;

		for (; n < sizeof(folded) && done < size; n++, done++)
			folded[n] = text_lower(name[done]);
		SHA256_Update(context, folded, n);
	}
}
