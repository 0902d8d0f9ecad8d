/* notify - see notify.h. One datagram a state, as sd_notify(3) describes them. */
#include "supervisor/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct sockaddr_un address;
	socklen_t size; /* 0: nobody asked */
} whom;

void notify_begin(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t size = path == NULL ? 0 : strlen(path);

	if (size > 1 && size < sizeof(whom.address.sun_path) && (path[0] == '/' || path[0] == '@')) {
		whom.address.sun_family = AF_UNIX;
		memcpy(whom.address.sun_path, path, size);
		if (path[0] == '@')
			whom.address.sun_path[0] = '\0'; /* an abstract one */
		whom.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	}
	unsetenv("NOTIFY_SOCKET");
}

static void send_text(const char *text)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&whom.address, whom.size);
	close(fd);
}

/* Of systemd's clock and no coarser: a reload that seems to have begun before it was asked for is overlooked. */
static unsigned long long microseconds(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

void notify_say(enum notify_state state)
{
	char text[64];

	if (whom.size == 0)
		return;
	switch (state) {
	case NOTIFY_READY:
		send_text("READY=1");
		break;
	case NOTIFY_RELOADING:
		snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu", microseconds());
		send_text(text);
		break;
	case NOTIFY_STOPPING:
		send_text("STOPPING=1");
		break;
	}
}
