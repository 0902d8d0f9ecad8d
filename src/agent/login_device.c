/* login_device - see login.h. */
#include "agent/login.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/qr.h"
#include "common/deadline.h"
#include "common/fault.h"

#define SLOWER	     5 /* seconds more between two questions, once asked to slow down */
#define INTERVAL_MAX 120
#define FAILURES_MAX 5 /* in a row, of a provider that cannot say */

static void show(const struct login_options *options, const struct grant_device *device)
{
	const bool terminal = isatty(STDOUT_FILENO) == 1;

	printf(LOGIN_HEADLINE "On any device, open\n\n    %s\n\nand type in this code:\n\n    %s\n\n", options->user,
	       options->provider->name, device->url, device->user_code);
	if (terminal && qr_draw(stdout, device->complete[0] != '\0' ? device->complete : device->url))
		printf("\nor point a telephone's camera at the picture.\n\n");
	printf("Waiting for you to do that (%lld minutes at most; Ctrl-C gives up) ",
	       (long long)(device->lifetime + 59) / 60);
	fflush(stdout);
}

static void sleep_for(int64_t seconds)
{
	(void)deadline_poll(NULL, 0, deadline_in(seconds * 1000));
	putchar('.');
	fflush(stdout);
}

/* Asks until the person has answered. */
static int wait_for(const struct login_options *options, const struct grant_device *device, struct token *token,
		    struct popgate_error *error)
{
	const struct grant grant = {.by = GRANT_BY_DEVICE, .code = (const char *)device->code.data};
	const int64_t end = deadline_in(device->lifetime * 1000);
	int64_t interval = device->interval, asked = 0;
	int failures = 0;

	while (deadline_now() < end) {
		sleep_for(interval > asked ? interval : asked);
		switch (grant_ask(options->oauth, options->provider, &grant, token, &asked, error)) {
		case GRANT_OK:
			return 0;
		case GRANT_DENIED:
		case GRANT_REVOKED:
		case GRANT_SPOILED: /* the code is spent */
			return -1;
		case GRANT_PENDING:
			failures = 0;
			break;
		case GRANT_SLOW_DOWN:
			failures = 0;
			interval += interval + SLOWER > INTERVAL_MAX ? 0 : SLOWER;
			break;
		case GRANT_FAILED:
			interval += interval + SLOWER > INTERVAL_MAX ? 0 : SLOWER;
			if (++failures >= FAILURES_MAX)
				return -1;
			break;
		}
	}
	return fault_set(error, POPGATE_TEMP, "the code has expired: start again");
}

int login_by_device(const struct login_options *options, struct token *token, struct popgate_error *error)
{
	struct grant_device device;
	int result = -1;

	if (grant_begin_device(options->oauth, options->provider, &device, error) == GRANT_OK) {
		show(options, &device);
		result = wait_for(options, &device, token, error);
		putchar('\n');
	}
	secret_clear(&device.code);
	return result;
}
