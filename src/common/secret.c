/* secret - see secret.h. Never logs, never copies beyond what it is asked to.
 *
 * Each secret has pages of its own, so that the kernel's promises hold for it
 * alone: not in swap, not in a core, not in a child. Where the system grants
 * fewer (RLIMIT_MEMLOCK may be zero) the others still hold. */
#include "common/secret.h"

#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One page, wiped: a broker makes a secret for each login, and a page's coming and going costs more than all else here.
 */
static unsigned char *spare;

void secret_wipe(void *data, size_t size)
{
	explicit_bzero(data, size);
}

bool secret_equal(const struct secret *secret, const void *data, size_t size)
{
	return secret->data != NULL && secret->size == size && CRYPTO_memcmp(secret->data, data, size) == 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Octets of whole pages that hold a secret of this size and its NUL. */
static size_t pages_for(size_t size)
{
	return (size / page_size() + 1) * page_size();
}

/* Of zeros. NULL: no memory. */
static unsigned char *take_pages(size_t size)
{
	void *pages = spare;

	if (spare != NULL && size == page_size()) {
		spare = NULL;
		return pages;
	}
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
	(void)mlock(pages, size);
	(void)madvise(pages, size, MADV_DONTDUMP);
	(void)madvise(pages, size, MADV_WIPEONFORK);
	return pages;
}

static void give_pages(unsigned char *pages, size_t size)
{
	if (spare == NULL && size == page_size())
		spare = pages;
	else
		(void)munmap(pages, size);
}

int secret_set(struct secret *secret, const void *data, size_t size)
{
	unsigned char *copy;

	secret_clear(secret);
	if (size > SECRET_MAX || (copy = take_pages(pages_for(size))) == NULL)
		return -1;
	if (size > 0)
		memcpy(copy, data, size); /* zeros are behind it */
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
		give_pages(secret->data, pages_for(secret->size));
	}
	secret->data = NULL;
	secret->size = 0;
}
