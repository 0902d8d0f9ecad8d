/* likeness - whether two files hold the same message, also when one of them is there no more. */
#ifndef MAILDIR_LIKENESS_H
#define MAILDIR_LIKENESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LIKENESS_DIGEST 32u

/* What is kept of a file; all zero: of none. */
struct likeness {
	bool known, read; /* read: so the digest is known too */
	dev_t device;
	ino_t inode;
	uint64_t size;
	unsigned char digest[LIKENESS_DIGEST];
};

/* Takes it of a file in a folder, and reads the file if it may. 0, or -1 with errno. */
int likeness_take(int folder, const char *name, struct likeness *likeness_r);
/* Whether it is the same file, or a copy. */
bool likeness_same(const struct likeness *one, const struct likeness *other);

#endif
