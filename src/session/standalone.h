/* standalone - `popgate session`: one POP3 session on standard input and
 * output, for inetd, ssh, tests and debuggers. No front, no broker: this one
 * process speaks AUTHORIZATION and TRANSACTION. The pipe is taken for as private as TLS. */
#ifndef POPGATE_SESSION_STANDALONE_H
#define POPGATE_SESSION_STANDALONE_H

#include "common/process.h"

/* Runs until the client has gone, as that identity once the plugins are loaded.
 * conf->runtime_directory is set. Returns an enum process_exit. */
int standalone_run(const struct conf *conf, const struct process_identity *identity);

#endif
