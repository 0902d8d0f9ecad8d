/* source - see source.h. */
#include "agent/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/fault.h"

/* A password is a line of text, whatever its encoding. */
static bool is_clean(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

int source_take_line(const char *what, const char *text, size_t size, struct secret *secret_r,
		     struct popgate_error *error)
{
	const char *end = memchr(text, '\n', size);

	if (end != NULL)
		size = (size_t)(end - text);
	if (size > 0 && text[size - 1] == '\r')
		size--;
	if (size == 0)
		return fault_set(error, POPGATE_PERM, "%.150s: its first line is empty", what);
	if (size > MESSAGE_SECRET_MAX)
		return fault_set(error, POPGATE_PERM, "%.150s: its first line is longer than %d octets", what,
				 MESSAGE_SECRET_MAX);
	if (!is_clean(text, size))
		return fault_set(error, POPGATE_PERM, "%.150s: its first line has control characters", what);
	return secret_set(secret_r, text, size) == 0 ? 0 : fault_set(error, POPGATE_TEMP, "out of memory");
}

/* What others may read is no secret. others: the rights that nobody may have. A FIFO is not waited for. The descriptor,
 * or -1. */
static int open_file(const char *path, mode_t others, struct popgate_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return fault_set(error, POPGATE_PERM, "%.150s: %s", path, strerror(errno));
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & others) == 0)
		return fd;
	close(fd);
	return fault_set(error, POPGATE_PERM,
			 others == 0 ? "%.150s: is no file"
				     : "%.150s: is no file, or others than its owner may use it: chmod 600 it",
			 path);
}

static int read_line(const char *path, mode_t others, struct secret *secret, struct popgate_error *error)
{
	int fd = open_file(path, others, error);
	char text[MESSAGE_SECRET_MAX + 2];
	ssize_t got;
	int result;

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text));
	if (got < 0)
		result = fault_set(error, POPGATE_TEMP, "%.150s: %s", path, strerror(errno));
	else
		result = source_take_line(path, text, (size_t)got, secret, error);
	secret_wipe(text, sizeof(text));
	close(fd);
	return result;
}

int source_read_text(const char *path, bool private, struct secret *text_r, struct popgate_error *error)
{
	int fd = open_file(path, private ? S_IRWXG | S_IRWXO : 0, error);
	char text[SECRET_MAX + 1];
	size_t size = 0;
	ssize_t got = 1;
	int result;

	if (fd < 0)
		return -1;
	while (size < sizeof(text) && (got = read(fd, text + size, sizeof(text) - size)) > 0)
		size += (size_t)got;
	if (got < 0)
		result = fault_set(error, POPGATE_TEMP, "%.150s: %s", path, strerror(errno));
	else if (size > SECRET_MAX)
		result = fault_set(error, POPGATE_PERM, "%.150s: is longer than %d octets", path, SECRET_MAX);
	else
		result = secret_set(text_r, text, size) == 0 ? 0 : fault_set(error, POPGATE_TEMP, "out of memory");
	secret_wipe(text, sizeof(text));
	close(fd);
	return result;
}

int source_read_file(const char *path, struct secret *secret, struct popgate_error *error)
{
	return read_line(path, S_IRWXG | S_IRWXO, secret, error);
}

/* systemd gives the service's user his right by a list of access rights, which shows as one of the group. */
int source_read_credential(const char *name, struct secret *secret, struct popgate_error *error)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	if (folder == NULL)
		return fault_set(error, POPGATE_PERM,
				 "credential %.100s: systemd passes none on, LoadCredential= is missing", name);
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return fault_set(error, POPGATE_PERM, "credential %.100s: its path is too long", name);
	return read_line(path, S_IRWXO, secret, error);
}

int source_fetch(const struct message_fetch *fetch, struct secret *secret_r, struct popgate_error *error)
{
	char spec[MESSAGE_SPEC_MAX + 2] = "";

	if (fetch->spec.size > 0)
		memcpy(spec, fetch->spec.data, fetch->spec.size);
	switch ((enum conf_source_kind)fetch->source) {
	case CONF_SOURCE_FILE:
		return source_read_file(spec, secret_r, error);
	case CONF_SOURCE_CREDENTIAL:
		return source_read_credential(spec, secret_r, error);
	case CONF_SOURCE_COMMAND:
	case CONF_SOURCE_OAUTH:
	case CONF_SOURCE_CLIENT:
	case CONF_SOURCE_SECRET:
		break;
	}
	return fault_set(error, POPGATE_PERM, "no credential can be fetched so");
}
