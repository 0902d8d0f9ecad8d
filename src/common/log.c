/* log - see log.h. Never blocks on the sink, never writes an octet outside
 * 0x20-0x7E but the final LF. The state below is this program's only mutable
 * global beside stop flags. */
#include "common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/log_sink.h"
#include "common/text.h"

/* What all processes that log to the same sink know together. */
struct together {
	_Atomic uint64_t dropped;
	_Atomic bool torn; /* a full disk took a part of the last line */
};

static struct together alone;

static struct {
	int fd;
	enum popgate_log_level level;
	const char *process;
	char session[LOG_SESSION_SIZE];
	struct together *together;
} state = {.fd = STDERR_FILENO, .level = POPGATE_LOG_INFO, .process = "main", .together = &alone};

static const char *const level_names[] = {
    [POPGATE_LOG_WARN] = "warn", [POPGATE_LOG_INFO] = "info", [POPGATE_LOG_DEBUG] = "debug"};
static const int syslog_levels[] = {
    [POPGATE_LOG_WARN] = LOG_WARNING, [POPGATE_LOG_INFO] = LOG_INFO, [POPGATE_LOG_DEBUG] = LOG_DEBUG};

void log_share(void)
{
	struct together *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* else each counts for itself */
	if (page != MAP_FAILED)
		state.together = page;
}

void log_to(int fd)
{
	log_sink_prepare(fd);
	if (state.fd > STDERR_FILENO && state.fd != fd)
		close(state.fd);
	state.fd = fd;
}

int log_descriptor(void)
{
	return state.fd;
}

void log_set_level(enum popgate_log_level level)
{
	state.level = level;
}

void log_set_process(const char *process)
{
	state.process = process;
}

void log_set_session(const char *session)
{
	snprintf(state.session, sizeof(state.session), "%s", session == NULL ? "" : session);
}

/* Leaves room for the LF. */
static void append(struct log_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct log_line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - 1 - line->size;
	va_list arguments;
	int wrote;

	va_start(arguments, format);
	wrote = vsnprintf(line->text + line->size, room, format, arguments);
	va_end(arguments);
	if (wrote > 0)
		line->size += (size_t)wrote < room ? (size_t)wrote : room - 1;
}

static void append_time(struct log_line *line)
{
	struct timespec now;
	struct tm utc;

	if (state.fd < 0)
		return; /* syslog has its own */
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) != NULL)
		append(line, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", utc.tm_year + 1900, utc.tm_mon + 1,
		       utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000);
}

void log_begin(struct log_line *line, enum popgate_log_level level, const char *event, const char *session)
{
	line->level = level;
	line->size = 0;
	line->text[0] = '\0';
	if (level > state.level)
		return;
	if (session == NULL)
		session = state.session;
	append_time(line);
	append(line, "level=%s process=%s pid=%ld", level_names[level], state.process, (long)getpid());
	if (*session != '\0')
		append(line, " session=%s", session);
	append(line, " event=%s", event);
}

/* Bare where logfmt allows it, quoted otherwise. */
static bool is_bare(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (*text == ' ' || *text == '=' || *text == '\\')
			return false;
	return true;
}

void log_octets(struct log_line *line, const char *key, const void *text, size_t size)
{
	char harmless[1024];

	if (line->level > state.level)
		return;
	text_harmless(text, size, harmless, sizeof(harmless));
	append(line, is_bare(harmless) ? " %s=%s" : " %s=\"%s\"", key, harmless);
}

void log_text(struct log_line *line, const char *key, const char *text)
{
	log_octets(line, key, text, strlen(text));
}

void log_number(struct log_line *line, const char *key, uint64_t number)
{
	if (line->level <= state.level)
		append(line, " %s=%llu", key, (unsigned long long)number);
}

static bool emit(struct log_line *line)
{
	ssize_t wrote;

	if (state.fd < 0)
		return log_sink_syslog(syslog_levels[line->level], line->text);
	/* whoever tore it: what is left of it gets a line of its own */
	if (atomic_exchange(&state.together->torn, false) && log_sink_write(state.fd, "\n", 1) != 1) {
		atomic_store(&state.together->torn, true);
		return false;
	}
	line->text[line->size] = '\n';
	wrote = log_sink_write(state.fd, line->text, line->size + 1);
	if (wrote > 0 && (size_t)wrote <= line->size)
		atomic_store(&state.together->torn, true);
	return wrote == (ssize_t)line->size + 1;
}

void log_end(struct log_line *line)
{
	uint64_t missing;

	if (line->level > state.level)
		return;
	missing = line->level == POPGATE_LOG_INFO ? atomic_exchange(&state.together->dropped, 0) : 0;
	if (missing > 0)
		append(line, " dropped_lines=%llu", (unsigned long long)missing);
	if (!emit(line))
		atomic_fetch_add(&state.together->dropped, missing + 1);
}

void log_say(enum popgate_log_level level, const char *session, const char *format, ...)
{
	struct log_line line;
	char text[900];
	va_list arguments;

	if (level > state.level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_begin(&line, level, "message", session);
	log_text(&line, "msg", text);
	log_end(&line);
}

void log_session_id(uint64_t id, char text[LOG_SESSION_SIZE])
{
	snprintf(text, LOG_SESSION_SIZE, "%016llx", (unsigned long long)id);
}
