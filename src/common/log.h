/* log - one logfmt line an event, to stderr, a file or syslog. Any process.
 *
 * A line is built with log_begin, log_text..., log_end; it is bounded, every
 * value from outside is made harmless, and writing it never blocks: what the
 * sink does not take at once is dropped and counted. No secret is ever a value.
 *
 * warn: the operator must act. info: one line a session. debug: protocol.
 */
#ifndef POPGATE_COMMON_LOG_H
#define POPGATE_COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <popgate/plugin.h>

#define LOG_LINE_MAX	 2048
#define LOG_SESSION_SIZE 17 /* 16 hex digits and NUL */

/* One line being built. */
struct log_line {
	enum popgate_log_level level;
	size_t size;
	char text[LOG_LINE_MAX];
};

/* Where lines go: descriptor fd, taken over, or syslog when fd is -1. The
 * descriptor used before is closed, unless it is standard error. Called by the supervisor before the
 * first fork, and again in each process that is handed a reopened file. */
void log_to(int fd);
/* Before the first fork: what the sink does not take is counted for all processes together. */
void log_share(void);
/* The current descriptor; -1 for syslog. */
int log_descriptor(void);
void log_set_level(enum popgate_log_level level);
/* The `process=` of the lines; a literal. */
void log_set_process(const char *process);
/* The `session=` of lines of a process that serves one session; NULL: none. At most 16 octets. */
void log_set_session(const char *session);

/* event: a literal word, [a-z_]. session: for processes that serve many; NULL: that of log_set_session. */
void log_begin(struct log_line *line, enum popgate_log_level level, const char *event, const char *session);
void log_text(struct log_line *line, const char *key, const char *text);
void log_octets(struct log_line *line, const char *key, const void *text, size_t size);
void log_number(struct log_line *line, const char *key, uint64_t number);
void log_end(struct log_line *line);

/* A line with `msg="..."` only. */
void log_say(enum popgate_log_level level, const char *session, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A session's id as it stands in logs. */
void log_session_id(uint64_t id, char text[LOG_SESSION_SIZE]);

#endif
