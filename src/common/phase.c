/* phase - see phase.h. The session writes, the front reads; no locks: a
 * record is complete before the counter that makes it current moves. */
#include "common/phase.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct record {
	_Atomic uint64_t sent, settled;
	_Atomic uint32_t inside;
};

struct input {
	_Atomic uint64_t taken;	      /* octets before these */
	char octets[PHASE_INPUT + 1]; /* and NULs */
};

struct phase_page {
	_Atomic uint32_t state;
	_Atomic uint32_t current; /* records[current & 1] is the latest */
	struct record records[2];
	_Atomic uint32_t filling; /* inputs[filling & 1] is the latest */
	struct input inputs[2];
};

#define PAGE_OCTETS sizeof(struct phase_page)

struct phase_page *phase_create(int *fd_r)
{
	int fd = memfd_create("popgate-phase", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct phase_page *page;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, PAGE_OCTETS) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
	    (page = phase_map(fd)) == NULL) {
		close(fd);
		return NULL;
	}
	*fd_r = fd;
	return page;
}

struct phase_page *phase_map(int fd)
{
	void *page = mmap(NULL, PAGE_OCTETS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

void phase_unmap(struct phase_page **page)
{
	if (*page != NULL)
		munmap(*page, PAGE_OCTETS);
	*page = NULL;
}

void phase_set(struct phase_page *page, enum phase_state state)
{
	if (page != NULL)
		atomic_store_explicit(&page->state, (uint32_t)state, memory_order_release);
}

void phase_note_write(struct phase_page *page, uint64_t sent, uint64_t settled, bool inside)
{
	struct record *next;
	uint32_t current;

	if (page == NULL)
		return;
	current = atomic_load_explicit(&page->current, memory_order_relaxed);
	next = &page->records[(current + 1) & 1];
	atomic_store_explicit(&next->sent, sent, memory_order_relaxed);
	atomic_store_explicit(&next->settled, settled, memory_order_relaxed);
	atomic_store_explicit(&next->inside, inside, memory_order_relaxed);
	atomic_store_explicit(&page->current, current + 1, memory_order_release);
}

char *phase_input(struct phase_page *page, uint64_t taken)
{
	uint32_t filling = atomic_load_explicit(&page->filling, memory_order_relaxed) + 1;
	struct input *input = &page->inputs[filling & 1];

	memset(input->octets, 0, PHASE_INPUT);
	atomic_store_explicit(&input->taken, taken, memory_order_relaxed);
	atomic_store_explicit(&page->filling, filling, memory_order_release);
	return input->octets;
}

/* Copies an input from octet `settled` of all input on. Copied first: a session that still lives may change the page.
 */
static size_t copy_from(const struct input *input, uint64_t settled, char *data)
{
	uint64_t taken = atomic_load_explicit(&input->taken, memory_order_relaxed);
	size_t size;

	memcpy(data, input->octets, PHASE_INPUT);
	size = strnlen(data, PHASE_INPUT);
	if (settled <= taken)
		return size;
	if (settled - taken >= size)
		return 0;
	size -= (size_t)(settled - taken);
	memmove(data, data + (settled - taken), size);
	return size;
}

size_t phase_unanswered(const struct phase_page *page, uint64_t settled, char *data)
{
	uint32_t filling = atomic_load_explicit(&page->filling, memory_order_acquire);
	size_t size = copy_from(&page->inputs[(filling + 1) & 1], settled, data);

	return size + copy_from(&page->inputs[filling & 1], settled, data + size);
}

enum phase_state phase_get(const struct phase_page *page)
{
	uint32_t state = atomic_load_explicit(&page->state, memory_order_acquire);

	return state > PHASE_ENDED ? PHASE_WORKING : (enum phase_state)state;
}

static bool matches(const struct record *record, uint64_t received)
{
	return atomic_load_explicit(&record->sent, memory_order_relaxed) == received;
}

struct phase_debt phase_debt(const struct phase_page *page, uint64_t received)
{
	uint32_t current = atomic_load_explicit(&page->current, memory_order_acquire);
	const struct record *record = &page->records[current & 1];
	enum phase_state state = phase_get(page);
	struct phase_debt debt = {.ended = state == PHASE_ENDED};

	/* The noted write may not have begun: then the record before it counts. */
	if (!matches(record, received))
		record = &page->records[(current + 1) & 1];
	debt.cut = !matches(record, received) || atomic_load_explicit(&record->inside, memory_order_relaxed);
	debt.settled = atomic_load_explicit(&record->settled, memory_order_relaxed);
	return debt;
}
