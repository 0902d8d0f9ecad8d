/* helper - see helper.h. One job at a time, blocking; it has neither files nor network, and keeps nothing of a job. */
#include "helper/helper.h"

#include <crypt.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/link.h"
#include "common/sandbox.h"
#include "common/secret.h"

struct helper {
	struct link link;
	struct crypt_data *data;
};

/* Both are strings. */
static enum message_verdict check(struct helper *helper, const char *hash, const char *password)
{
	enum message_verdict verdict = CHECK_FAILED;
	const char *made;

	errno = 0;
	made = crypt_rn(password, hash, helper->data, sizeof(*helper->data));
	if (made != NULL) {
		size_t size = strlen(made);

		verdict = size == strlen(hash) && CRYPTO_memcmp(made, hash, size) == 0 ? CHECK_RIGHT : CHECK_WRONG;
	} else if (errno == ERANGE || errno == EINVAL) {
		verdict = CHECK_WRONG; /* longer than any password that crypt takes; a hash that is none */
	}
	explicit_bzero(helper->data, sizeof(*helper->data));
	return verdict;
}

static void take_job(struct helper *helper)
{
	const struct message_check *job = &helper->link.inbox.message.u.check;
	struct message message = {.type = MESSAGE_CHECKED};
	struct secret password = {0};
	char hash[MESSAGE_HASH_MAX + 1] = "";

	message.u.checked.id = job->id;
	message.u.checked.verdict = CHECK_FAILED;
	if (job->hash.size > 0)
		memcpy(hash, job->hash.data, job->hash.size);
	/* what stands behind a NUL would not count */
	if (job->password.size > 0 && memchr(job->password.data, '\0', job->password.size) != NULL)
		message.u.checked.verdict = CHECK_WRONG;
	else if (secret_set(&password, job->password.data, job->password.size) == 0)
		message.u.checked.verdict = check(helper, hash, (const char *)password.data);
	secret_clear(&password);
	secret_wipe(hash, sizeof(hash));
	(void)ipc_send(helper->link.broker, &message, NULL);
}

static void take_from_broker(struct helper *helper)
{
	if (link_take_from_broker(&helper->link) != LINK_MESSAGE)
		return;
	if (helper->link.inbox.message.type == MESSAGE_CHECK)
		take_job(helper);
	ipc_inbox_clear(&helper->link.inbox);
}

static void loop(struct helper *helper)
{
	for (bool goes_on = true; goes_on;) {
		struct pollfd fds[2] = {{.fd = helper->link.process->control, .events = POLLIN},
					{.fd = helper->link.broker, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents != 0)
			goes_on = link_goes_on(&helper->link);
		else if (fds[1].revents != 0)
			take_from_broker(helper);
	}
}

static int run(struct helper *helper, const struct process *process)
{
	const struct message ready = {.type = MESSAGE_READY};

	link_init(&helper->link, process);
	helper->data = calloc(1, sizeof(*helper->data));
	if (helper->data == NULL || sandbox_leave_root(process->conf, process->identity) != 0 ||
	    process_identity_assume(process->identity) != 0 ||
	    sandbox_enter(SANDBOX_HELPER, process->conf, NULL) != 0 ||
	    ipc_send(process->control, &ready, NULL) != IPC_OK)
		return PROCESS_EXIT_FAILURE;
	loop(helper);
	return PROCESS_EXIT_OK;
}

int helper_run(const struct process *process)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	int result = helper == NULL ? PROCESS_EXIT_FAILURE : run(helper, process);

	if (helper != NULL)
		free(helper->data);
	free(helper);
	return result;
}
