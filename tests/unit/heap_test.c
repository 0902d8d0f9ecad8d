/* Tests of the spawner's heap: what is allocated once it is settled lies behind everything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>
#include <sys/resource.h>

#include "config.h"
#include "session/heap.h"

#define BLOCKS 4000
#define LARGE  5000
#define KEPT   (1024 * 1024)

static void *blocks[BLOCKS];

/* Every other block of many sizes is freed, as it is after much has been loaded. */
static void make_gaps(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(1 + i * 7919 % LARGE);
	for (size_t i = 0; i < BLOCKS; i += 2) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static uintptr_t last_block(void)
{
	uintptr_t last = 0;

	for (size_t i = 0; i < BLOCKS; i++)
		if ((uintptr_t)blocks[i] > last)
			last = (uintptr_t)blocks[i];
	return last;
}

static void free_blocks(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

#if defined(HAVE_MALLINFO2) && !defined(WITH_SANITIZERS)
#define HEAP_IS_KNOWN
#endif

#ifdef HEAP_IS_KNOWN

static void nothing_is_allocated_in_a_gap(void **state)
{
	void *ours[LARGE];
	uintptr_t last;

	(void)state;
	make_gaps();
	last = last_block();
	assert_true(heap_settle() > 1000 * 1000);
	for (size_t i = 0; i < LARGE; i++) {
		ours[i] = malloc(i + 1);
		assert_true((uintptr_t)ours[i] > last);
	}
	for (size_t i = 0; i < LARGE; i++)
		free(ours[i]);
	free_blocks();
}

/* Blocks of any sizes, one after the other: they share pages. */
static void small_blocks_lie_close_together(void **state)
{
	static const size_t sizes[] = {24, 1000, 500, 40, 750, 100};
	uintptr_t first = UINTPTR_MAX, last = 0;
	void *ours[sizeof(sizes) / sizeof(sizes[0])];

	(void)state;
	make_gaps();
	(void)heap_settle();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ours[i] = malloc(sizes[i]);
		first = (uintptr_t)ours[i] < first ? (uintptr_t)ours[i] : first;
		last = (uintptr_t)ours[i] > last ? (uintptr_t)ours[i] : last;
	}
	assert_in_range(last - first, 1, 4096);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		free(ours[i]);
	free_blocks();
}

/* Pages of the heap that are in memory. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages;
}

/* Blocks until next to nothing is free at the heap's end; each holds the one before. */
static void **use_the_end(void)
{
	void **last = NULL;

	do {
		void **block = malloc(LARGE);

		*block = last;
		last = block;
	} while (mallinfo2().keepcost > (size_t)2 * LARGE);
	return last;
}

static void what_is_free_is_given_back(void **state)
{
	long before;
	void **end;

	(void)state;
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(LARGE);
		memset(blocks[i], 'x', LARGE);
	}
	end = use_the_end();
	before = resident();
	free_blocks();
	assert_true(before - resident() < BLOCKS * LARGE / 4096 / 10);
	heap_trim();
	assert_true(before - resident() > BLOCKS * LARGE / 4096 * 9 / 10);
	while (end != NULL) {
		void **previous = *end;

		free(end);
		end = previous;
	}
}

/* Page faults of this process. */
static long faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

static long faults_of_a_round(void)
{
	long before = faults();
	volatile char *block = malloc(KEPT / 2); /* what is only written before it is freed is no work to a compiler */

	assert_non_null((void *)block);
	for (size_t i = 0; i < KEPT / 2; i += 1024)
		block[i] = 'x';
	free((void *)block);
	return faults() - before;
}

static void what_is_kept_is_used_again(void **state)
{
	(void)state;
	heap_keep(KEPT);
	(void)faults_of_a_round();
	assert_true(faults_of_a_round() < 8);
	heap_trim();
	assert_true(faults_of_a_round() > KEPT / 2 / 4096 / 2);
}

#else

static void what_is_kept_is_used_again(void **state)
{
	(void)state;
	heap_keep(KEPT);
}

static void what_is_free_is_given_back(void **state)
{
	(void)state;
	heap_trim();
}

static void nothing_is_allocated_in_a_gap(void **state)
{
	(void)state;
	make_gaps();
	(void)last_block;
	assert_int_equal(heap_settle(), 0);
	free_blocks();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_allocated_in_a_gap),
#ifdef HEAP_IS_KNOWN
	    cmocka_unit_test(small_blocks_lie_close_together),
#endif
	    cmocka_unit_test(what_is_free_is_given_back),
	    cmocka_unit_test(what_is_kept_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
