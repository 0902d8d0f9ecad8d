/* Tests of the phase page: what a client is owed when its session dies, at
 * every instant at which it can die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/phase.h"

static struct phase_page *new_page(void)
{
	int fd;
	struct phase_page *page = phase_create(&fd);

	assert_non_null(page);
	close(fd);
	return page;
}

/* One write of a session: its octets, what is answered after it, whether it ends within a reply. */
struct step {
	uint64_t octets, settled;
	bool inside;
};

static const struct step session_steps[] = {
    {12, 6, false},					/* a status line */
    {30, 18, false},					/* the answers to two commands at once */
    {16384, 18, true},					/* a message begins */
    {16384, 18, true}, {1, 18, true}, {700, 26, false}, /* and ends */
    {1, 26, true},					/* a reply of one octet so far */
    {4, 32, false},
};
#define STEPS (sizeof(session_steps) / sizeof(session_steps[0]))

static void assert_debt(const struct phase_page *page, uint64_t received, bool cut, uint64_t settled)
{
	struct phase_debt debt = phase_debt(page, received);

	assert_int_equal(debt.cut, cut);
	if (!cut)
		assert_int_equal(debt.settled, settled);
}

static void a_fresh_page_owes_everything(void **state)
{
	struct phase_page *page = new_page();

	(void)state;
	assert_int_equal(phase_get(page), PHASE_OPENING);
	assert_debt(page, 0, false, 0);
	assert_debt(page, 1, true, 0); /* octets that nobody announced */
	phase_unmap(&page);
	assert_null(page);
	phase_unmap(&page);
}

/* Before the note, after it, in the middle of the write, after the write. */
static void every_instant_of_a_session(void **state)
{
	struct phase_page *page = new_page();
	uint64_t sent = 0;
	struct step before = {0};

	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		const struct step *step = &session_steps[i];

		assert_debt(page, sent, before.inside, before.settled);
		phase_note_write(page, sent + step->octets, step->settled, step->inside);
		assert_debt(page, sent, before.inside, before.settled);
		for (uint64_t part = 1; part < step->octets; part += 1 + step->octets / 64)
			assert_debt(page, sent + part, true, 0);
		if (step->octets > 1)
			assert_debt(page, sent + step->octets - 1, true, 0);
		sent += step->octets;
		assert_debt(page, sent, step->inside, step->settled);
		assert_debt(page, sent + 1, true, 0);
		before = *step;
	}
	phase_unmap(&page);
}

/* What was true two writes ago is forgotten: to have received so little is to have received a torn stream. */
static void old_records_count_no_more(void **state)
{
	struct phase_page *page = new_page();

	(void)state;
	phase_note_write(page, 10, 5, false);
	phase_note_write(page, 20, 10, false);
	phase_note_write(page, 30, 15, false);
	assert_debt(page, 30, false, 15);
	assert_debt(page, 20, false, 10);
	assert_debt(page, 10, true, 0);
	assert_debt(page, 0, true, 0);
	phase_unmap(&page);
}

static void counters_are_wide(void **state)
{
	struct phase_page *page = new_page();
	uint64_t far = UINT64_C(1) << 40;

	(void)state;
	phase_note_write(page, far, far + 1, false);
	phase_note_write(page, far + 10, far + 2, false);
	assert_debt(page, far, false, far + 1);
	assert_debt(page, far + 10, false, far + 2);
	assert_debt(page, 10, true, 0);
	assert_debt(page, far + 5, true, 0);
	phase_unmap(&page);
}

static void states_are_told(void **state)
{
	struct phase_page *page = new_page();

	(void)state;
	for (int i = PHASE_OPENING; i <= PHASE_ENDED; i++) {
		struct phase_debt debt;

		phase_set(page, (enum phase_state)i);
		assert_int_equal(phase_get(page), i);
		debt = phase_debt(page, 0);
		assert_int_equal(debt.ended, i == PHASE_ENDED);
	}
	/* A state that there is not is no licence to forget the client. */
	phase_set(page, (enum phase_state)77);
	assert_int_equal(phase_get(page), PHASE_WORKING);
	assert_false(phase_debt(page, 0).ended);
	phase_unmap(&page);
}

static void without_a_page_nothing_happens(void **state)
{
	(void)state;
	phase_set(NULL, PHASE_WORKING);
	phase_note_write(NULL, 1, 1, true);
}

static void both_sides_see_one_page(void **state)
{
	int fd;
	struct phase_page *page = phase_create(&fd), *other;

	(void)state;
	assert_non_null(page);
	other = phase_map(fd);
	assert_non_null(other);
	assert_true(other != page);
	phase_note_write(other, 5, 3, false);
	phase_set(other, PHASE_UPDATING);
	assert_debt(page, 5, false, 3);
	phase_unmap(&other);
	phase_unmap(&page);
	close(fd);
}

/* Who has the descriptor cannot make the front's reading fault. */
static void the_page_is_sealed(void **state)
{
	int fd;
	struct phase_page *page = phase_create(&fd);
	struct stat status;

	(void)state;
	assert_non_null(page);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, status.st_size + 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_debt(page, 0, false, 0);
	phase_unmap(&page);
	close(fd);
}

static void what_is_no_descriptor_is_not_mapped(void **state)
{
	(void)state;
	assert_null(phase_map(-1));
}

/* ---- a session that is killed ---- */

/* Write i of the endless session below: all of it follows from i. */
static struct step endless_step(uint64_t i)
{
	struct step step = {.octets = 1 + i * 7919 % 3000, .settled = (i + 1) * 6, .inside = i % 3 == 1};

	return step;
}

static void run_endless_session(struct phase_page *page, int fd)
{
	static char octets[3000];
	uint64_t sent = 0;

	for (uint64_t i = 0;; i++) {
		struct step step = endless_step(i);

		phase_note_write(page, sent + step.octets, step.settled, step.inside);
		for (uint64_t done = 0; done < step.octets;) {
			ssize_t wrote = write(fd, octets + done, step.octets - done);

			if (wrote <= 0)
				_exit(1);
			done += (uint64_t)wrote;
		}
		sent += step.octets;
	}
}

static uint64_t read_all(int fd)
{
	char buffer[4096];
	uint64_t received = 0;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
		assert_true(got > 0 || errno == EINTR);
		received += got > 0 ? (uint64_t)got : 0;
	}
	return received;
}

/* The truth about `received` octets, from the steps alone. */
static void assert_truth(const struct phase_page *page, uint64_t received)
{
	struct step last = {0};
	uint64_t sent = 0;

	for (uint64_t i = 0; sent < received; i++) {
		last = endless_step(i);
		sent += last.octets;
	}
	assert_debt(page, received, sent != received || last.inside, last.settled);
}

static void a_killed_session_leaves_the_truth(void **state)
{
	uint32_t seed = 5;

	(void)state;
	for (int round = 0; round < 150; round++) {
		struct phase_page *page = new_page();
		struct timespec pause = {0};
		uint64_t received = 0;
		int ends[2];
		pid_t child;

		seed = seed * 1664525u + 1013904223u;
		pause.tv_nsec = (long)(seed >> 8) % 3000000;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(ends[0]);
			run_endless_session(page, ends[1]);
		}
		close(ends[1]);
		/* Some is read while the session writes, so that it gets past a full socket. */
		for (int reads = round % 20; reads > 0; reads--) {
			char buffer[5000];
			ssize_t got = read(ends[0], buffer, sizeof(buffer));

			assert_true(got > 0);
			received += (uint64_t)got;
		}
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		received += read_all(ends[0]);
		waitpid(child, NULL, 0);
		assert_truth(page, received);
		close(ends[0]);
		phase_unmap(&page);
	}
}

static void assert_unanswered(const struct phase_page *page, uint64_t settled, const char *text)
{
	char data[PHASE_UNANSWERED + 1] = "";
	size_t size = phase_unanswered(page, settled, data);

	data[size] = '\0';
	assert_string_equal(data, text);
}

static void take(struct phase_page *page, uint64_t taken, const char *octets)
{
	memcpy(phase_input(page, taken), octets, strlen(octets));
}

static void input_is_remembered(void **state)
{
	struct phase_page *page = new_page();

	(void)state;
	assert_unanswered(page, 0, "");
	take(page, 0, "STAT\r\nNO");
	assert_unanswered(page, 0, "STAT\r\nNO");
	assert_unanswered(page, 6, "NO");
	assert_unanswered(page, 8, "");
	assert_unanswered(page, 1000, "");
	/* a session that dies right here has taken nothing more */
	assert_string_equal(phase_input(page, 8), "");
	assert_unanswered(page, 6, "NO");
	assert_unanswered(page, 8, "");
	take(page, 8, "OP\r\nQUIT\r\n");
	assert_string_equal(phase_input(page, 18), "");
	assert_unanswered(page, 12, "QUIT\r\n");
	phase_unmap(&page);
}

static void input_in_two_pieces(void **state)
{
	struct phase_page *page = new_page();

	(void)state;
	take(page, 0, "STAT\r\nNO");
	take(page, 8, "OP\r\nQUIT\r\n");
	assert_unanswered(page, 6, "NOOP\r\nQUIT\r\n");
	assert_unanswered(page, 0, "STAT\r\nNOOP\r\nQUIT\r\n");
	assert_unanswered(page, 10, "\r\nQUIT\r\n");
	assert_unanswered(page, 18, "");
	assert_unanswered(page, UINT64_MAX, "");
	phase_unmap(&page);
}

static void as_much_input_as_there_may_be(void **state)
{
	struct phase_page *page = new_page();
	char data[PHASE_UNANSWERED];

	(void)state;
	for (uint64_t taken = 0; taken < UINT64_C(20) * PHASE_INPUT; taken += PHASE_INPUT)
		memset(phase_input(page, taken), 'a' + (int)(taken / PHASE_INPUT), PHASE_INPUT);
	assert_int_equal(phase_unanswered(page, 0, data), PHASE_UNANSWERED);
	assert_int_equal(data[0], 'a' + 18);
	assert_int_equal(data[PHASE_UNANSWERED - 1], 'a' + 19);
	assert_int_equal(phase_unanswered(page, UINT64_C(20) * PHASE_INPUT - 1, data), 1);
	phase_unmap(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fresh_page_owes_everything),
	    cmocka_unit_test(every_instant_of_a_session),
	    cmocka_unit_test(old_records_count_no_more),
	    cmocka_unit_test(counters_are_wide),
	    cmocka_unit_test(states_are_told),
	    cmocka_unit_test(without_a_page_nothing_happens),
	    cmocka_unit_test(both_sides_see_one_page),
	    cmocka_unit_test(the_page_is_sealed),
	    cmocka_unit_test(what_is_no_descriptor_is_not_mapped),
	    cmocka_unit_test(a_killed_session_leaves_the_truth),
	    cmocka_unit_test(input_is_remembered),
	    cmocka_unit_test(input_in_two_pieces),
	    cmocka_unit_test(as_much_input_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
