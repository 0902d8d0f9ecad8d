/* fuzz - what the fuzz targets share. A target is one source with LLVMFuzzerTestOneInput: linked with clang's fuzzer
 * by `make fuzz`, and with replay.c, which runs the committed corpus, by `make check`. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that no input may break. */
#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* A copy of exactly these octets, so that a sanitizer sees what reads beyond them. */
static inline char *fuzz_copy(const void *data, size_t size)
{
	char *copy = calloc(size > 0 ? size : 1, 1);

	REQUIRE(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The same with a NUL behind them. */
static inline char *fuzz_text(const void *data, size_t size)
{
	char *text = malloc(size + 1);

	REQUIRE(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#define FUZZ_FOLDER 64 /* octets of a folder's path */

/* A new folder, in memory where that can be had. */
static inline void fuzz_folder(char folder_r[FUZZ_FOLDER])
{
	struct stat status;

	snprintf(folder_r, FUZZ_FOLDER, "%s/popgate-fuzz-XXXXXX", stat("/dev/shm", &status) == 0 ? "/dev/shm" : "/tmp");
	REQUIRE(mkdtemp(folder_r) != NULL);
}

/* Sizes of pieces that depend on the input alone. */
struct fuzz_pieces {
	uint64_t state;
};

static inline struct fuzz_pieces fuzz_pieces(const uint8_t *data, size_t size)
{
	struct fuzz_pieces pieces = {14695981039346656037u};

	for (size_t i = 0; i < size; i++)
		pieces.state = (pieces.state ^ data[i]) * 1099511628211u;
	return pieces;
}

/* The next piece's size: 1 to `left`, mostly small. */
static inline size_t fuzz_piece(struct fuzz_pieces *pieces, size_t left)
{
	size_t size;

	pieces->state = pieces->state * 6364136223846793005u + 1442695040888963407u;
	size = 1 + (size_t)(pieces->state >> 33) % ((pieces->state >> 60) == 0 ? 4096 : 24);
	return size < left ? size : left;
}

#endif
