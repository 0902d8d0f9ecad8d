/* pattern - see pattern.h. A DELE between two reads is part of the pattern:
 * that is how clients empty a mailbox. */
#include "session/pattern.h"

#define RUN_LEAST 2 /* reads that make a pattern */

size_t pattern_skip(const struct maildrop *maildrop, size_t message)
{
	while (message < maildrop->count && maildrop->entries[message].deleted)
		message++;
	return message;
}

/* Whether the run goes on with this message, past those that were marked since. */
static bool goes_on(const struct pattern_run *run, const struct maildrop *maildrop, size_t message)
{
	return run->count > 0 && run->next <= message && pattern_skip(maildrop, run->next) == message;
}

static void extend(struct pattern_run *run, const struct maildrop *maildrop, size_t message)
{
	run->count = goes_on(run, maildrop, message) ? run->count + 1 : 1;
	run->next = message + 1;
}

bool pattern_note(struct pattern *pattern, const struct maildrop *maildrop, size_t message, int64_t lines, bool follows,
		  int64_t *lines_r)
{
	struct pattern_run *run = lines == POPGATE_WHOLE ? &pattern->retr : &pattern->top;

	*lines_r = lines;
	if (run == &pattern->top) {
		/* a look at each header before the whole is fetched: the whole serves both */
		if (pattern->retr.count >= RUN_LEAST && goes_on(&pattern->retr, maildrop, message)) {
			*lines_r = POPGATE_WHOLE;
			return true;
		}
		if (pattern->top_lines != lines)
			run->count = 0;
		pattern->top_lines = lines;
	}
	extend(run, maildrop, message);
	return run->count >= RUN_LEAST || follows;
}

size_t pattern_list(const struct maildrop *maildrop, size_t message, size_t *messages_r)
{
	size_t count = 0;

	for (size_t i = pattern_skip(maildrop, message); i < maildrop->count && count < PATTERN_NEXT;
	     i = pattern_skip(maildrop, i + 1))
		messages_r[count++] = i;
	return count;
}
