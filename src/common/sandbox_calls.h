/* sandbox_calls - the filters of system calls, one for each role, made with libseccomp. */
#ifndef POPGATE_COMMON_SANDBOX_CALLS_H
#define POPGATE_COMMON_SANDBOX_CALLS_H

#include <stdbool.h>

/* Which further calls a process needs. */
struct sandbox_needs {
	bool accept; /* connections that come in */
	bool pages;  /* sealed memory files */
	bool syslog; /* to find its socket again */
	bool fork;   /* children of its own, who connect, resolve and open files */
	bool thread; /* threads instead, which do the same */
	bool write;  /* and rename and remove them */
};

/* Whether filters can be made and the kernel takes them. */
bool sandbox_calls_available(void);
/* Filters this process and its children. Returns 0, or -1 with errno. Allocates; does not block. */
int sandbox_calls_enter(const struct sandbox_needs *needs);

#endif
