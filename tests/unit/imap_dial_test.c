/* One deadline over all addresses of a host, however many of them lead nowhere. The resolver is this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../plugins/imap/dial.h"

#define ADDRESSES_MAX 64u

/* What a name resolves to: ports of 127.0.0.1. */
static struct {
	struct addrinfo infos[ADDRESSES_MAX];
	struct sockaddr_in addresses[ADDRESSES_MAX];
	unsigned count;
	int result;
} names;

static unsigned tries;
static bool client_gone;

static int resolve(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list_r)
{
	(void)name, (void)service, (void)hints;
	if (names.result == 0)
		*list_r = names.infos;
	return names.result;
}

static void release(struct addrinfo *list)
{
	assert_ptr_equal(list, names.infos);
}

#define getaddrinfo  resolve
#define freeaddrinfo release
#include "../../plugins/imap/dial.c"
#undef getaddrinfo
#undef freeaddrinfo

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static enum popgate_wait wait_once(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	struct pollfd one = {.fd = fd, .events = POLLOUT};
	int64_t left = deadline - now();

	(void)session;
	assert_int_equal(events, POPGATE_WRITABLE);
	tries++;
	if (client_gone)
		return POPGATE_CLIENT_GONE;
	return poll(&one, 1, left > 0 ? (int)left : 0) > 0 ? POPGATE_READY : POPGATE_TIMEOUT;
}

static const struct popgate_host host = {.now = now, .wait = wait_once};

/* ---- where addresses lead ------------------------------------------------ */

static void resolves_to(const unsigned *ports, unsigned count)
{
	memset(&names, 0, sizeof(names));
	assert_true(count <= ADDRESSES_MAX);
	for (unsigned i = 0; i < count; i++) {
		names.addresses[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)ports[i])};
		names.addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		names.infos[i] = (struct addrinfo){.ai_family = AF_INET,
						   .ai_socktype = SOCK_STREAM,
						   .ai_addr = (struct sockaddr *)&names.addresses[i],
						   .ai_addrlen = sizeof(names.addresses[i]),
						   .ai_next = i + 1 < count ? &names.infos[i + 1] : NULL};
	}
	tries = 0;
	client_gone = false;
}

static int listen_on(int backlog, unsigned *port_r)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port_r = ntohs(address.sin_port);
	return fd;
}

/* A listener whose queue is full takes no SYN, and says nothing. */
static struct {
	int fd, fillers[2];
	unsigned port;
} hole;

static int dig(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)state;
	hole.fd = listen_on(0, &hole.port);
	address.sin_port = htons((uint16_t)hole.port);
	for (int i = 0; i < 2; i++) {
		hole.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(hole.fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	return 0;
}

static int fill(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		close(hole.fillers[i]);
	close(hole.fd);
	return 0;
}

/* Dials with so much time, and notes how much it took. */
static enum transport_fault dial_for(int64_t time, int *fd_r, int64_t *took_r)
{
	char text[100];
	int64_t begin = now();
	enum transport_fault fault = dial(&host, NULL, "mail.example.org", 143, begin + time, fd_r, text, sizeof(text));

	*took_r = now() - begin;
	if (fault != TRANSPORT_FINE)
		assert_true(text[0] != '\0');
	return fault;
}

/* ---- tests --------------------------------------------------------------- */

static void input_66_fifty_addresses_that_lead_nowhere_end_at_the_deadline(void **state)
{
	unsigned ports[50];
	int64_t took;
	int fd = -1;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		ports[i] = hole.port;
	resolves_to(ports, 50);
	assert_int_equal(dial_for(1000, &fd, &took), TRANSPORT_TIMEOUT);
	assert_true(took >= 900 && took < 2500);
	assert_true(tries > 40 && tries <= 50);
	assert_int_equal(fd, -1);
}

static void input_66_the_last_of_many_addresses_is_reached(void **state)
{
	unsigned ports[20], port;
	int listener = listen_on(5, &port), fd = -1;
	int64_t took;

	(void)state;
	for (unsigned i = 0; i < 19; i++)
		ports[i] = hole.port;
	ports[19] = port;
	resolves_to(ports, 20);
	assert_int_equal(dial_for(1500, &fd, &took), TRANSPORT_FINE);
	assert_true(took < 3000);
	close(fd);
	close(listener);
}

/* Two seconds at most, however much time there is. */
static void input_66_an_address_that_leads_nowhere_costs_a_share(void **state)
{
	unsigned ports[2], port;
	int listener = listen_on(5, &port), fd = -1;
	int64_t took;

	(void)state;
	ports[0] = hole.port;
	ports[1] = port;
	resolves_to(ports, 2);
	assert_int_equal(dial_for(60000, &fd, &took), TRANSPORT_FINE);
	assert_true(took >= 1900 && took < 6000);
	close(fd);
	close(listener);
}

static void an_address_that_refuses_costs_nothing(void **state)
{
	unsigned ports[3], port;
	int listener = listen_on(5, &port), fd = -1;
	int64_t took;

	(void)state;
	close(listen_on(5, &ports[0]));
	close(listen_on(5, &ports[1]));
	ports[2] = port;
	resolves_to(ports, 3);
	assert_int_equal(dial_for(60000, &fd, &took), TRANSPORT_FINE);
	assert_true(took < 1500);
	close(fd);
	close(listener);
	resolves_to(ports, 2);
	assert_int_equal(dial_for(60000, &fd, &took), TRANSPORT_UNREACHABLE);
}

static void input_45_one_address_has_all_the_time(void **state)
{
	int64_t took;
	int fd = -1;

	(void)state;
	resolves_to(&hole.port, 1);
	assert_int_equal(dial_for(300, &fd, &took), TRANSPORT_TIMEOUT);
	assert_true(took >= 250 && took < 2000);
}

static void a_client_that_leaves_ends_it(void **state)
{
	unsigned ports[2] = {hole.port, hole.port};
	int64_t took;
	int fd = -1;

	(void)state;
	resolves_to(ports, 2);
	client_gone = true;
	assert_int_equal(dial_for(60000, &fd, &took), TRANSPORT_STOPPED);
	assert_int_equal(tries, 1);
}

static void a_name_without_addresses_is_unreachable(void **state)
{
	int64_t took;
	int fd = -1;

	(void)state;
	resolves_to(NULL, 0);
	names.result = EAI_NONAME;
	assert_int_equal(dial_for(1000, &fd, &took), TRANSPORT_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(input_66_fifty_addresses_that_lead_nowhere_end_at_the_deadline),
	    cmocka_unit_test(input_66_the_last_of_many_addresses_is_reached),
	    cmocka_unit_test(input_66_an_address_that_leads_nowhere_costs_a_share),
	    cmocka_unit_test(an_address_that_refuses_costs_nothing),
	    cmocka_unit_test(input_45_one_address_has_all_the_time),
	    cmocka_unit_test(a_client_that_leaves_ends_it),
	    cmocka_unit_test(a_name_without_addresses_is_unreachable),
	};

	return cmocka_run_group_tests(tests, dig, fill);
}
