/* sandbox_test - `popgate sandbox-test`: enters each role's sandbox as the real processes do, and tries what must not
 * be possible there. */
#ifndef POPGATE_SESSION_SANDBOX_TEST_H
#define POPGATE_SESSION_SANDBOX_TEST_H

#include "common/process.h"

/* Prints a line for each try. Returns an enum process_exit: OK when none succeeded. */
int sandbox_test_run(const struct conf *conf, const struct process_identity *identity);

#endif
