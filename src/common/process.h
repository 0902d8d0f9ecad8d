/* process - what the supervisor hands to each process that it forks, and what
 * every such process does first. Any process. */
#ifndef POPGATE_COMMON_PROCESS_H
#define POPGATE_COMMON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/conf.h"
#include "common/tally.h"
#include "common/throttle.h"
#include "common/ticket.h"
#include "common/usage.h"

enum process_role { PROCESS_FRONT, PROCESS_BROKER, PROCESS_SPAWNER, PROCESS_HELPER, PROCESS_AGENT, PROCESS_ROLES };

/* Whom to become. */
struct process_identity {
	bool change; /* started as root */
	uid_t uid;
	gid_t gid;
	char name[64];
};

struct process {
	enum process_role role;
	const struct conf *conf;
	const struct process_identity *identity;
	int control;		     /* ipc end, blocking: the supervisor */
	const int *listeners;	     /* front: bound sockets, as conf->listeners; else NULL */
	struct tally *tally;	     /* front: connections by address */
	struct ticket_ring *tickets; /* front: its own copy; else NULL */
	struct throttle *throttle;   /* broker: refused logins; else NULL */
	struct usage *usage;	     /* broker: what users have had; else NULL */
	uint32_t number;	     /* broker: of those who count in it */
	unsigned index;		     /* front: which of conf->fronts */
};

/* What a role runs; returns the exit code. */
typedef int process_entry_fn(const struct process *process);

/* Exit codes of processes and of the program; popgate(8) lists them. */
enum process_exit {
	PROCESS_EXIT_OK = 0,
	PROCESS_EXIT_FAILURE = 1, /* something failed that was tried */
	PROCESS_EXIT_USAGE = 2,	  /* the command line */
	PROCESS_EXIT_CONF = 3	  /* the configuration, a plugin, a certificate */
};

const char *process_role_name(enum process_role role);

/* Whom children run as: conf's user, else popgate, else nobody, when started
 * as root; nobody changes otherwise. Returns 0, or -1 with a fault in report. */
int process_identity_find(const struct conf *conf, struct process_identity *identity_r, struct conf_report *report);
/* Who may own a plugin module, beside root: the identity, but where it is yet to be assumed only
 * root, in whose name the module is loaded. */
uid_t process_module_owner(const struct process_identity *identity);
/* Becomes that user for good; checks that there is no way back. 0 or -1 (logged). */
int process_identity_assume(const struct process_identity *identity);

/* Puts the built-in choice of the directory of the locks into conf, where it names none; nothing is made. 0, or -1: no
 * memory. */
int process_choose_runtime_directory(struct conf *conf);
/* The directory of the locks: conf's, or the built-in choice, made if it is missing,
 * owned by the identity, mode 0700; its path replaces conf->runtime_directory.
 * Returns 0, or -1 with a fault in report. */
int process_runtime_directory(struct conf *conf, const struct process_identity *identity, struct conf_report *report);

/* Likewise the directory of what must outlive restarts: conf->state_directory. */
int process_state_directory(struct conf *conf, const struct process_identity *identity, struct conf_report *report);
/* Only says where it is. 0, or -1 with a fault in report. */
int process_choose_state_directory(struct conf *conf, struct conf_report *report);

/* Tells faults on standard error, and in the log where that is another place; frees
 * the report. Whether there were any. */
bool process_tell_faults(struct conf_report *report);

/* Standard input is empty from now on. */
void process_forget_stdin(void);
/* Ignores the signals that the supervisor alone acts on, SIGPIPE among them. */
void process_ignore_signals(void);
/* Forbids core dumps, and that processes of the same user look into this one's memory. */
void process_keep_private(void);

#endif
