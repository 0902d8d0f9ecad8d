/* plugin_test_take - one fetch() as its sink sees it: what came, and where the sink said stop. The check's own process.
 */
#ifndef POPGATE_SESSION_PLUGIN_TEST_TAKE_H
#define POPGATE_SESSION_PLUGIN_TEST_TAKE_H

#include "session/body.h"
#include "session/plugin_test_host.h"

#define TAKE_KEPT_MAX (1u << 20) /* octets of a message that are kept to be compared */

struct take {
	/* What to do; zero: take all. */
	struct probe *probe;
	size_t refuse_at;	  /* the write that is refused, from 1 on */
	uint64_t enough_after;	  /* octets after which no more is needed */
	int64_t sleep;		  /* milliseconds that the first write takes */
	struct popgate_pace pace; /* zero: as by default */
	bool keep;
	/* What came of it. */
	int result;
	struct popgate_error error; /* judged, where result is -1 */
	bool refused;
	uint64_t digest, raw;	     /* of the octets as they were written */
	uint64_t octets;	     /* as the host would count them */
	size_t writes, writes_after; /* after a refusal */
	struct body body;
	char *kept;
	size_t kept_size;
};

/* One call of fetch(); its error is judged, its result is the caller's to judge. */
void take_try(struct take *take, size_t message, int64_t lines);
/* The same; demands success. */
void take_all(struct take *take, size_t message, int64_t lines);
/* A whole message of which the sink refuses a write, as refuse_at says; one that has no such write is not tried. */
void take_refused(struct take *take, size_t message);
/* "success", or status and text: in a buffer that the next call writes again. */
const char *take_came(const struct take *take);

/* Which messages a check looks at: the first ones and the last. */
size_t take_samples(const struct probe *probe);
size_t take_sample(const struct probe *probe, size_t i);
/* The largest message. */
size_t take_largest(const struct probe *probe);

#endif
