/* sandbox_try - what an intruder would try, one function each; for sandbox_test. */
#ifndef POPGATE_SESSION_SANDBOX_TRY_H
#define POPGATE_SESSION_SANDBOX_TRY_H

#include <sys/types.h>

#define TRY_FRONT   1u
#define TRY_BROKER  2u
#define TRY_SESSION 4u
#define TRY_FETCHER 8u
#define TRY_ALL	    (TRY_FRONT | TRY_BROKER | TRY_SESSION | TRY_FETCHER)

/* What was made before the sandbox was entered. */
struct sandbox_try_place {
	pid_t victim;	       /* of the same user, in no sandbox, traceable */
	int socket;	       /* a TCP socket, neither bound nor connected */
	int folder;	       /* the root directory */
	const char *directory; /* the runtime directory */
};

struct sandbox_try {
	const char *name;
	unsigned roles; /* TRY_...: where it must fail */
	/* Returns 0 where it was possible, -1 with errno otherwise. */
	int (*attempt)(const struct sandbox_try_place *place);
};

/* Ends with name NULL. */
extern const struct sandbox_try sandbox_tries[];

#endif
