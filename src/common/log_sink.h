/* log_sink - where the log's lines go; nothing here waits for it. Any process. */
#ifndef POPGATE_COMMON_LOG_SINK_H
#define POPGATE_COMMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens what a process that has given up its rights could not open: the way to standard error, and to the system's log
 * where fd is -1. */
void log_sink_prepare(int fd);
/* Writes to fd what it takes at once. Returns how many octets, or -1. */
ssize_t log_sink_write(int fd, const char *data, size_t size);
/* Sends one line, without LF, to the system's log; connects anew where that has been restarted. */
bool log_sink_syslog(int priority, const char *text);
/* Writes a line on standard error for who starts the program. Gives up on a reader that takes nothing for a moment. */
void log_sink_tell(const char *text);

#endif
