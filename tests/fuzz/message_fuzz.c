/* message: what one process may send another. Whatever is taken says the same when it is sent on; nothing else is
 * taken, over the socket neither, and no descriptor is left open. */
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc.h"

#include "fuzz.h"

static void check_decoded(const unsigned char *octets, size_t size, const struct message *message)
{
	unsigned char *again = malloc(MESSAGE_MAX);
	struct message twice;

	REQUIRE(again != NULL && message->type > 0 && message->type < MESSAGE_TYPES);
	REQUIRE(size <= message_most(message->type) && message_most(message->type) <= MESSAGE_MAX);
	REQUIRE(message_fds(message->type) <= MESSAGE_FDS && message_name(message->type) != NULL);
	REQUIRE(message_encode(message, again) == size && memcmp(again, octets, size) == 0);
	REQUIRE(message_decode(again, size, &twice) == 0 && twice.type == message->type);
	free(again);
}

/* Over a socket, with a number of descriptors that may be the wrong one. */
static void check_socket(const uint8_t *data, size_t size, bool fine, size_t fds)
{
	static struct ipc_inbox inbox;
	int ends[2], sent[MESSAGE_FDS];
	enum ipc_result result;

	REQUIRE(ipc_pair(ends) == 0);
	for (size_t i = 0; i < fds; i++)
		sent[i] = ends[0];
	REQUIRE(ipc_send_encoded(ends[0], data, size, sent, fds) == IPC_OK);
	close(ends[0]);
	result = ipc_receive(ends[1], &inbox);
	REQUIRE(result == IPC_OK || result == IPC_FAILED);
	REQUIRE(result != IPC_OK || (fine && message_fds(inbox.message.type) == fds));
	if (result == IPC_OK) {
		for (size_t i = 0; i < MESSAGE_FDS; i++)
			REQUIRE((inbox.fds[i] >= 0) == (i < fds));
		check_decoded(data, size, &inbox.message);
		ipc_inbox_clear(&inbox);
	} else {
		REQUIRE(!fine || fds != message_fds((enum message_type)data[0]));
	}
	close(ends[1]);
}

static void check_descriptors(void)
{
	int fd = dup(STDERR_FILENO);
	static int before = -1;

	REQUIRE(before < 0 || fd == before);
	before = fd;
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *octets;
	struct message message;
	bool fine;

	if (size == 0)
		return 0;
	/* the last octet is the number of descriptors */
	size--;
	octets = (unsigned char *)fuzz_copy(data, size);
	fine = message_decode(octets, size, &message) == 0;
	if (fine)
		check_decoded(octets, size, &message);
	if (size > 0 && size <= MESSAGE_MAX)
		check_socket(octets, size, fine, data[size] % (MESSAGE_FDS + 1));
	free(octets);
	check_descriptors();
	return 0;
}
