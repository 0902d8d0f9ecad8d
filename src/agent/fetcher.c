/* fetcher - see fetcher.h. Once it has asked, it goes on to the store whether anybody waits for it or not: a refresh
 * token that was changed must not be lost. */
#include "agent/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/sandbox.h"

#define PROCESSOR_TIME 30 /* seconds */

struct message fetcher_message(uint64_t id, const struct token *token)
{
	struct message message = {.type = MESSAGE_FETCHED};

	message.u.fetched.id = id;
	message.u.fetched.secret_kind = POPGATE_TOKEN;
	message.u.fetched.expires = (uint64_t)refresh_expires(token);
	message.u.fetched.serial = token->serial;
	message.u.fetched.secret = message_octets(token->access.data, token->access.size);
	return message;
}

static int enter_sandbox(const struct oauth *oauth)
{
	struct sandbox_paths paths = {0};
	const struct conf *conf = oauth->conf;
	int result = 0;

	for (size_t i = 0; i < conf->provider_count && result == 0; i++)
		if (conf->providers[i].ca_file != NULL)
			result = sandbox_paths_add(&paths, conf->providers[i].ca_file, false);
	if (result == 0)
		result = sandbox_paths_add(&paths, conf->state_directory, true);
	if (result == 0)
		result = sandbox_enter(SANDBOX_FETCHER, conf, &paths);
	sandbox_paths_free(&paths);
	return result;
}

static _Noreturn void run(struct oauth *oauth, uint64_t id, const struct refresh *refresh, struct oauth_loan *loan,
			  int fd)
{
	const struct rlimit time = {PROCESSOR_TIME, PROCESSOR_TIME + 1};
	struct popgate_error error = {.status = POPGATE_TEMP};
	struct token token = {0};
	struct message message;

	log_set_process("fetcher");
	prctl(PR_SET_NAME, "popgate-fetcher");
	(void)setrlimit(RLIMIT_CPU, &time);
	if (oauth_take(oauth, refresh->provider, loan) != 0 || enter_sandbox(oauth) != 0)
		_exit(PROCESS_EXIT_FAILURE);
	if (refresh_get(oauth, refresh, &token, &error) == 0) {
		message = fetcher_message(id, &token);
	} else {
		message = (struct message){.type = MESSAGE_REFUSED};
		message.u.refused.id = id;
		message.u.refused.status = error.status;
		message.u.refused.text = message_text(error.text);
	}
	(void)ipc_send(fd, &message, NULL);
	_exit(PROCESS_EXIT_OK);
}

pid_t fetcher_start(struct oauth *oauth, uint64_t id, const struct refresh *refresh, fetcher_close_fn *close_all,
		    void *context, int *fd_r, struct popgate_error *error)
{
	struct oauth_loan loan;
	int ends[2];
	pid_t pid;

	if (ipc_pair(ends) != 0)
		return fault_set(error, POPGATE_TEMP, "no process can be started for it: %s", strerror(errno));
	oauth_lend(oauth, refresh->provider, &loan);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		close_all(context);
		run(oauth, id, refresh, &loan, ends[1]);
	}
	secret_wipe(&loan, sizeof(loan));
	close(ends[1]);
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	if (pid > 0) {
		*fd_r = ends[0];
		return pid;
	}
	close(ends[0]);
	return fault_set(error, POPGATE_TEMP, "no process can be started for it: %s", strerror(errno));
}
