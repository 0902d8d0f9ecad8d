/* sandbox_calls - see sandbox_calls.h. What a process needs is listed; of the rest, what nobody but an
 * intruder tries ends the process, and all else does not exist (ENOSYS), so that libraries fall
 * back to what is there. Calls whose arguments are not looked at cost next to nothing: the kernel
 * remembers them in a bitmap. */
#include "common/sandbox_calls.h"

#include "config.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CALL(name)   SCMP_SYS(name)

#ifdef __s390__ /* its clone has the stack first */
#define CLONE_FLAGS(...) SCMP_A1(__VA_ARGS__)
#else
#define CLONE_FLAGS(...) SCMP_A0(__VA_ARGS__)
#endif
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | 0xff)

/* ---- lists ---- */

/* What only works on this process and the descriptors that it has. */
static const int own[] = {CALL(read),
			  CALL(readv),
			  CALL(pread64),
			  CALL(preadv),
			  CALL(write),
			  CALL(writev),
			  CALL(pwrite64),
			  CALL(close),
			  CALL(close_range),
			  CALL(fstat),
			  CALL(fstat64),
			  CALL(lseek),
			  CALL(_llseek),
			  CALL(munmap),
			  CALL(mremap),
			  CALL(brk),
			  CALL(madvise),
			  CALL(futex),
			  CALL(futex_time64),
			  CALL(poll),
			  CALL(ppoll),
			  CALL(ppoll_time64),
			  CALL(pselect6),
			  CALL(epoll_wait),
			  CALL(epoll_pwait),
			  CALL(epoll_pwait2),
			  CALL(epoll_ctl),
			  CALL(epoll_create1),
			  CALL(eventfd2),
			  CALL(timerfd_create),
			  CALL(timerfd_settime),
			  CALL(timerfd_gettime),
			  CALL(pipe2),
			  CALL(dup),
			  CALL(dup3),
			  CALL(sendto),
			  CALL(recvfrom),
			  CALL(send),
			  CALL(recv),
			  CALL(sendmsg),
			  CALL(recvmsg),
			  CALL(sendmmsg),
			  CALL(recvmmsg),
			  CALL(shutdown),
			  CALL(getsockopt),
			  CALL(setsockopt),
			  CALL(getsockname),
			  CALL(getpeername),
			  CALL(clock_gettime),
			  CALL(clock_gettime64),
			  CALL(clock_getres),
			  CALL(clock_nanosleep),
			  CALL(nanosleep),
			  CALL(gettimeofday),
			  CALL(time),
			  CALL(getpid),
			  CALL(gettid),
			  CALL(getppid),
			  CALL(getuid),
			  CALL(geteuid),
			  CALL(getgid),
			  CALL(getegid),
			  CALL(getrandom),
			  CALL(rt_sigprocmask),
			  CALL(rt_sigreturn),
			  CALL(sigreturn),
			  CALL(rt_sigpending),
			  CALL(rt_sigtimedwait),
			  CALL(sigaltstack),
			  CALL(alarm),
			  CALL(setitimer),
			  CALL(getitimer),
			  CALL(exit),
			  CALL(exit_group),
			  CALL(restart_syscall),
			  CALL(sched_yield),
			  CALL(sched_getaffinity),
			  CALL(getrusage),
			  CALL(times),
			  CALL(getrlimit),
			  CALL(setrlimit),
			  CALL(uname),
			  CALL(sysinfo),
			  CALL(getcpu),
			  CALL(rseq),
			  CALL(set_robust_list),
			  CALL(set_tid_address),
			  CALL(membarrier),
			  CALL(mlock),
			  CALL(mlock2),
			  CALL(munlock)};

/* What opens and looks at files; Landlock says which. */
static const int reading[] = {CALL(open),      CALL(openat),	 CALL(stat),	  CALL(stat64),	    CALL(lstat),
			      CALL(lstat64),   CALL(newfstatat), CALL(fstatat64), CALL(statx),	    CALL(access),
			      CALL(faccessat), CALL(faccessat2), CALL(readlink),  CALL(readlinkat), CALL(getdents64),
			      CALL(getcwd),    CALL(fstatfs),	 CALL(statfs),	  CALL(utimensat),  CALL(flock)};

static const int writing[] = {CALL(rename), CALL(renameat),  CALL(renameat2),	    CALL(unlink),   CALL(unlinkat),
			      CALL(mkdir),  CALL(mkdirat),   CALL(rmdir),	    CALL(link),	    CALL(linkat),
			      CALL(fsync),  CALL(fdatasync), CALL(ftruncate),	    CALL(truncate), CALL(fallocate),
			      CALL(fchmod), CALL(umask),     CALL(copy_file_range), CALL(sendfile), CALL(chdir),
			      CALL(fchdir)};

/* In a process without files libraries may still try. */
static const int opening[] = {CALL(open),      CALL(openat),   CALL(stat),	 CALL(lstat), CALL(access),
			      CALL(faccessat), CALL(readlink), CALL(readlinkat), CALL(statx)};

/* Nobody but an intruder. */
static const int hostile[] = {CALL(execve),
			      CALL(execveat),
			      CALL(ptrace),
			      CALL(process_vm_readv),
			      CALL(process_vm_writev),
			      CALL(bpf),
			      CALL(keyctl),
			      CALL(add_key),
			      CALL(request_key),
			      CALL(mount),
			      CALL(umount2),
			      CALL(pivot_root),
			      CALL(move_mount),
			      CALL(open_tree),
			      CALL(fsopen),
			      CALL(fsmount),
			      CALL(fspick),
			      CALL(mount_setattr),
			      CALL(unshare),
			      CALL(setns),
			      CALL(chroot),
			      CALL(init_module),
			      CALL(finit_module),
			      CALL(delete_module),
			      CALL(kexec_load),
			      CALL(kexec_file_load),
			      CALL(reboot),
			      CALL(swapon),
			      CALL(swapoff),
			      CALL(acct),
			      CALL(iopl),
			      CALL(ioperm),
			      CALL(modify_ldt),
			      CALL(personality),
			      CALL(perf_event_open),
			      CALL(userfaultfd),
			      CALL(pidfd_getfd),
			      CALL(pidfd_send_signal),
			      CALL(process_madvise),
			      CALL(kcmp),
			      CALL(open_by_handle_at),
			      CALL(settimeofday),
			      CALL(clock_settime),
			      CALL(mknod),
			      CALL(mknodat),
			      CALL(listen)};

/* Calls of which some arguments are allowed: the argument's place, what of it is looked at, its value. */
static const struct {
	int call;
	unsigned argument;
	scmp_datum_t mask, value;
} some[] = {
    {CALL(fcntl), 1, UINT32_MAX, F_DUPFD},
    {CALL(fcntl), 1, UINT32_MAX, F_DUPFD_CLOEXEC},
    {CALL(fcntl), 1, UINT32_MAX, F_GETFD},
    {CALL(fcntl), 1, UINT32_MAX, F_SETFD},
    {CALL(fcntl), 1, UINT32_MAX, F_GETFL},
    {CALL(fcntl), 1, UINT32_MAX, F_SETFL}, /* but no owner, to whom a signal could be sent */
    {CALL(fcntl), 1, UINT32_MAX, F_GETLK},
    {CALL(fcntl), 1, UINT32_MAX, F_SETLK},
    {CALL(fcntl), 1, UINT32_MAX, F_SETLKW},
    {CALL(fcntl), 1, UINT32_MAX, F_OFD_GETLK},
    {CALL(fcntl), 1, UINT32_MAX, F_OFD_SETLK},
    {CALL(fcntl), 1, UINT32_MAX, F_OFD_SETLKW},
    {CALL(fcntl), 1, UINT32_MAX, F_ADD_SEALS},
    {CALL(fcntl), 1, UINT32_MAX, F_GET_SEALS},
    {CALL(ioctl), 1, UINT32_MAX, FIONREAD},
    {CALL(ioctl), 1, UINT32_MAX, FIONBIO},
    {CALL(ioctl), 1, UINT32_MAX, TIOCOUTQ}, /* of a socket: SIOCOUTQ */
    {CALL(ioctl), 1, UINT32_MAX, TCGETS},
    {CALL(prctl), 0, UINT32_MAX, PR_SET_NAME},
    {CALL(prctl), 0, UINT32_MAX, PR_GET_DUMPABLE},
    {CALL(prlimit64), 0, UINT32_MAX, 0}, /* its own, not another's */
    {CALL(mmap), 2, PROT_EXEC, 0},	 /* all code is loaded */
    {CALL(mmap2), 2, PROT_EXEC, 0},
    {CALL(mprotect), 2, PROT_EXEC, 0},
    {CALL(socketpair), 0, UINT32_MAX, AF_UNIX},
};

/* ---- rules ---- */

/* Calls that this machine or libseccomp doesn't have are none to allow. */
static int rule(scmp_filter_ctx filter, uint32_t action, int call, unsigned count, const struct scmp_arg_cmp *arguments)
{
	int result = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(filter, action, call, count, arguments);

	return result == -EDOM ? 0 : result;
}

static int rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++)
		result = rule(filter, action, calls[i], 0, NULL);
	return result;
}

static int allow_if(scmp_filter_ctx filter, int call, unsigned count, struct scmp_arg_cmp first,
		    struct scmp_arg_cmp second)
{
	const struct scmp_arg_cmp arguments[] = {first, second};

	return rule(filter, SCMP_ACT_ALLOW, call, count, arguments);
}

#define IS(argument, mask, value)    SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value)
#define ONE(filter, call, condition) allow_if(filter, CALL(call), 1, condition, condition)

static int allow_some(scmp_filter_ctx filter)
{
	int result = 0;

	/* what tells of forbidden calls stays; the kernel looks at 32 bits of the number */
	for (unsigned signal = 1; signal <= 64 && result == 0; signal++)
		if (signal != SIGSYS)
			result = ONE(filter, rt_sigaction, IS(0, UINT32_MAX, (scmp_datum_t)signal));

	for (size_t i = 0; i < COUNT(some) && result == 0; i++) {
		const struct scmp_arg_cmp condition = IS(some[i].argument, some[i].mask, some[i].value);

		result = rule(filter, SCMP_ACT_ALLOW, some[i].call, 1, &condition);
	}
	return result;
}

/* Signals to itself: abort() needs them, and where it can't have them it ends by SIGSEGV. What sessions inherit has no
 * process in it, so they signal nobody. */
static int allow_signals(scmp_filter_ctx filter)
{
	static const int calls[] = {CALL(kill), CALL(tkill), CALL(tgkill)};
	const struct scmp_arg_cmp self = IS(0, UINT32_MAX, (scmp_datum_t)getpid());
	int result = 0;

	for (size_t i = 0; i < COUNT(calls) && result == 0; i++)
		result = rule(filter, SCMP_ACT_ALLOW, calls[i], 1, &self);
	return result;
}

/* TCP and UDP, the sockets of name services, and the one by which the C library asks for addresses. That it binds; an
 * address as short is otherwise only that of a socket of this machine with a name of ten octets at most, which nobody
 * knows and none listens on. */
static int allow_sockets(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	const size_t netlink = 12;
	int result = rule(filter, SCMP_ACT_ALLOW, CALL(connect), 0, NULL);

	for (size_t i = 0; i < COUNT(families) && result == 0; i++)
		for (size_t j = 0; j < COUNT(types) && result == 0; j++)
			result = allow_if(filter, CALL(socket), 2, IS(0, UINT32_MAX, (scmp_datum_t)families[i]),
					  IS(1, 0xf, (scmp_datum_t)types[j]));
	if (result == 0)
		result = ONE(filter, socket, IS(0, UINT32_MAX, AF_UNIX));
	if (result == 0)
		result = allow_if(filter, CALL(socket), 2, IS(0, UINT32_MAX, AF_NETLINK), IS(2, UINT32_MAX, 0));
	return result == 0 ? ONE(filter, bind, IS(2, UINT32_MAX, netlink)) : result;
}

static int allow_files(scmp_filter_ctx filter, bool write)
{
	int result = rules(filter, SCMP_ACT_ALLOW, reading, COUNT(reading));

	return result == 0 && write ? rules(filter, SCMP_ACT_ALLOW, writing, COUNT(writing)) : result;
}

static int allow_children(scmp_filter_ctx filter, bool write)
{
	static const int waiting[] = {CALL(wait4), CALL(waitid)},
			 signalling[] = {CALL(kill), CALL(tkill), CALL(tgkill)};
	int result = rules(filter, SCMP_ACT_ALLOW, waiting, COUNT(waiting));

	if (result == 0)
		result = rules(filter, SCMP_ACT_ERRNO(EPERM), signalling, COUNT(signalling));
	if (result == 0)
		result = allow_files(filter, write);
	if (result == 0)
		result = ONE(filter, clone, CLONE_FLAGS(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)FORK_FLAGS, 0));
	return result == 0 ? allow_sockets(filter) : result;
}

/* As the C library makes them, once clone3() is not there. */
static int allow_threads(scmp_filter_ctx filter, bool write)
{
	const scmp_datum_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const scmp_datum_t others = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
				    CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PTRACE | CLONE_VFORK;
	static const int forking[] = {CALL(fork), CALL(vfork)};
	int result = rules(filter, SCMP_ACT_TRAP, forking, COUNT(forking));

	if (result == 0)
		result = ONE(filter, clone, CLONE_FLAGS(SCMP_CMP_MASKED_EQ, flags | others, flags));
	if (result == 0)
		result = allow_signals(filter);
	if (result == 0)
		result = allow_files(filter, write);
	return result == 0 ? allow_sockets(filter) : result;
}

/* fstat() is this call, with a flag. */
static int allow_no_files(scmp_filter_ctx filter)
{
	int result = ONE(filter, newfstatat, IS(3, AT_EMPTY_PATH, AT_EMPTY_PATH));

	return result == 0 ? rules(filter, SCMP_ACT_ERRNO(EACCES), opening, COUNT(opening)) : result;
}

/* Where no socket may be made nobody connects. */
static int allow_log(scmp_filter_ctx filter, bool syslog)
{
	static const int never[] = {CALL(connect), CALL(bind)};
	int result;

	if (!syslog)
		return rules(filter, SCMP_ACT_TRAP, never, COUNT(never));
	result = allow_if(filter, CALL(socket), 2, IS(0, UINT32_MAX, AF_UNIX), IS(1, 0xf, SOCK_DGRAM));
	return result == 0 ? rule(filter, SCMP_ACT_ALLOW, CALL(connect), 0, NULL) : result;
}

static int fill(scmp_filter_ctx filter, const struct sandbox_needs *needs)
{
	static const int accepting[] = {CALL(accept), CALL(accept4)},
			 forking[] = {CALL(fork), CALL(vfork), CALL(clone)},
			 pages[] = {CALL(memfd_create), CALL(ftruncate)};
	int result = rules(filter, SCMP_ACT_ALLOW, own, COUNT(own));

	if (result == 0)
		result = allow_some(filter);
	if (result == 0)
		result = rules(filter, SCMP_ACT_TRAP, hostile, COUNT(hostile));
	if (result == 0)
		result = rules(filter, needs->accept ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP, accepting, COUNT(accepting));
	if (result == 0 && needs->pages)
		result = rules(filter, SCMP_ACT_ALLOW, pages, COUNT(pages));
	if (result != 0)
		return result;
	if (needs->fork) /* by clone(); the C library uses neither fork() nor vfork() */
		return allow_children(filter, needs->write);
	if (needs->thread)
		return allow_threads(filter, needs->write);
	result = rules(filter, SCMP_ACT_TRAP, forking, COUNT(forking));
	if (result == 0)
		result = allow_signals(filter);
	if (result == 0)
		result = allow_no_files(filter);
	return result == 0 ? allow_log(filter, needs->syslog) : result;
}

bool sandbox_calls_available(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

/* Numbers of another machine's calls, and of x32, end the process; the filter is searched as a tree. */
int sandbox_calls_enter(const struct sandbox_needs *needs)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int result;

	if (filter == NULL) {
		errno = ENOMEM;
		return -1;
	}
	result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (result == 0)
		result = fill(filter, needs);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	if (result == 0)
		return 0;
	errno = -result;
	return -1;
}

#else

#include <errno.h>

bool sandbox_calls_available(void)
{
	return false;
}

int sandbox_calls_enter(const struct sandbox_needs *needs)
{
	(void)needs;
	errno = ENOSYS;
	return -1;
}

#endif
