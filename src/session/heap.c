/* heap - see heap.h. What it knows of glibc is for speed and memory alone: a heap
 * that lies otherwise is left as it is. */
#include "session/heap.h"

#include "config.h"

#if defined(HAVE_MALLINFO2) && !defined(WITH_SANITIZERS)

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGEST	   (64 * 1024) /* octets of a gap taken at a time */
#define STEP	   16	       /* octets between two sizes of glibc's blocks */
#define CACHED	   1032 /* up to this size glibc keeps what is freed apart, instead of joining it with the rest */
#define GAPS	   (16 * 1024)	      /* octets free before the heap's end that are too many */
#define ENDING	   (64 * 1024)	      /* octets free at its end that are too many */
#define KEPT_MOST  (32 * 1024 * 1024) /* octets; the C library takes no more */
#define KEPT_LEAST (128 * 1024)	      /* octets; what the C library keeps by itself */
#define READY	   (96 * 1024)	      /* octets at the end that a session finds without asking the kernel */

/* Where the free space at the heap's end begins. */
static uintptr_t end_of_used(void)
{
	return (uintptr_t)sbrk(0) - mallinfo2().keepcost;
}

/* What was taken stays reachable: it is no leak. */
static void keep(void **block)
{
	static void *kept;

	*block = kept;
	kept = block;
}

/* All gaps of this size, before end. */
static size_t fill(size_t size, uintptr_t end)
{
	size_t sum = 0;
	void **block;

	while ((block = malloc(size)) != NULL && (uintptr_t)block < end) {
		keep(block);
		sum += size;
	}
	if (block != NULL && size <= CACHED)
		keep(block);
	else
		free(block);
	return sum;
}

size_t heap_settle(void)
{
	uintptr_t end;
	size_t sum = 0;
	void *volatile reserve; /* else the compiler sees that nobody uses it */

	(void)malloc_trim(0);
	end = end_of_used();
	for (size_t size = LARGEST; size >= sizeof(void *); size -= STEP)
		sum += fill(size, end);
	reserve = malloc(READY);
	free(reserve);
	return sum;
}

void heap_keep(uint64_t octets)
{
	int most = octets < KEPT_MOST ? (int)octets : KEPT_MOST;

	if (most < KEPT_LEAST)
		return;
	(void)mallopt(M_TRIM_THRESHOLD, most);
	(void)mallopt(M_MMAP_THRESHOLD, most);
}

void heap_trim(void)
{
	struct mallinfo2 heap = mallinfo2();

	if (heap.keepcost > ENDING || heap.fordblks - heap.keepcost > GAPS)
		(void)malloc_trim(0);
}

#else

size_t heap_settle(void)
{
	return 0;
}

void heap_keep(uint64_t octets)
{
	(void)octets;
}

void heap_trim(void)
{
}

#endif
