/* sandbox_try - see sandbox_try.h. Where one succeeds it does as little harm as it can. */
#include "session/sandbox_try.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define OCTETS 4096

typedef const struct sandbox_try_place place;

/* ---- files ---- */

static int open_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static int open_in(const char *folder, const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open_path(path, flags);
}

static int read_public(place *p)
{
	(void)p;
	return open_path("/etc/passwd", O_RDONLY);
}

static int read_shadow(place *p)
{
	(void)p;
	return open_path("/etc/shadow", O_RDONLY);
}

static int read_program(place *p)
{
	(void)p;
	return open_path("/bin/sh", O_RDONLY);
}

static int read_proc(place *p)
{
	(void)p;
	return open_path("/proc/self/status", O_RDONLY);
}

static int leave_by_folder(place *p)
{
	int fd = openat(p->folder, "usr/bin/env", O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? close(fd) : -1;
}

static int make_elsewhere(place *p)
{
	(void)p;
	return open_path("/tmp/popgate-sandbox-test", O_RDWR | O_CREAT);
}

static int make_lock(place *p)
{
	return open_in(p->directory, "sandbox-test", O_RDWR | O_CREAT);
}

static int remove_lock(place *p)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/victim.lock", p->directory);
	return unlink(path);
}

static int link_lock(place *p)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/link.lock", p->directory);
	return symlink("/etc/shadow", path);
}

/* ---- network ---- */

static int connect_out(place *p)
{
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int result = connect(p->socket, (const struct sockaddr *)&address, sizeof(address));

	return result == 0 || errno == ECONNREFUSED ? 0 : -1;
}

static int bind_port(place *p)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return bind(p->socket, (const struct sockaddr *)&address, sizeof(address));
}

static int bind_path(place *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/s", p->directory);
	return fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, sizeof(address));
}

static int listen_now(place *p)
{
	return listen(p->socket, 1);
}

static int accept_one(place *p)
{
	int result = accept(p->socket, NULL, NULL);

	return result >= 0 || errno == EINVAL ? 0 : -1; /* it is no listening socket */
}

static int make_socket(place *p)
{
	(void)p;
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : -1;
}

static int make_raw(place *p)
{
	(void)p;
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0 ? 0 : -1;
}

static int make_packet(place *p)
{
	(void)p;
	return socket(AF_PACKET, SOCK_DGRAM, 0) >= 0 ? 0 : -1;
}

static int make_vsock(place *p)
{
	(void)p;
	return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 ? 0 : -1;
}

/* ---- processes ---- */

static int run_program(place *p)
{
	char *const arguments[] = {(char[]){"true"}, NULL};

	(void)p;
	return execv("/bin/true", arguments);
}

static int fork_child(place *p)
{
	pid_t pid = fork();

	(void)p;
	if (pid == 0)
		_exit(0);
	return pid > 0 ? 0 : -1;
}

static int clone_namespace(place *p)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)p;
	if (pid == 0)
		_exit(0);
	return pid > 0 ? 0 : -1;
}

static int leave_namespace(place *p)
{
	(void)p;
	return unshare(CLONE_NEWUSER);
}

static int enter_namespace(place *p)
{
	return setns(p->folder, 0) == 0 || errno == EINVAL ? 0 : -1;
}

static int trace(place *p)
{
	return ptrace(PTRACE_ATTACH, p->victim, NULL, NULL) == 0 ? 0 : -1;
}

static int read_memory(place *p)
{
	char octet;
	struct iovec here = {&octet, 1}, there = {(void *)(uintptr_t)&sandbox_tries, 1};

	return process_vm_readv(p->victim, &here, 1, &there, 1, 0) == 1 ? 0 : -1;
}

static int write_memory(place *p)
{
	char octet = 0;
	struct iovec here = {&octet, 1}, there = {(void *)(uintptr_t)&octet, 1};

	return process_vm_writev(p->victim, &here, 1, &there, 1, 0) == 1 ? 0 : -1;
}

static int open_memory(place *p)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)p->victim);
	return open_path(path, O_RDONLY);
}

static int kill_victim(place *p)
{
	return kill(p->victim, SIGKILL);
}

static int kill_parent(place *p)
{
	(void)p;
	return kill(getppid(), 0);
}

static int kill_all(place *p)
{
	(void)p;
	return kill(-1, 0);
}

static int kill_thread(place *p)
{
	return (int)syscall(SYS_tgkill, p->victim, p->victim, SIGKILL);
}

static int queue_signal(place *p)
{
	siginfo_t info = {.si_signo = SIGKILL, .si_code = SI_QUEUE};

	return (int)syscall(SYS_rt_sigqueueinfo, p->victim, SIGKILL, &info);
}

/* Urgent data would then signal the victim. */
static int own_socket(place *p)
{
	return fcntl(p->socket, F_SETOWN, p->victim);
}

static int limit_victim(place *p)
{
	const struct rlimit limits = {RLIM_INFINITY, RLIM_INFINITY};

	return prlimit(p->victim, RLIMIT_CORE, &limits, NULL) == 0 || errno == EPERM ? 0 : -1;
}

static int slow_victim(place *p)
{
	return setpriority(PRIO_PROCESS, (id_t)p->victim, 19);
}

static int pin_victim(place *p)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(p->victim, sizeof(set), &set);
}

/* ---- the kernel ---- */

static int mount_something(place *p)
{
	(void)p;
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int change_root(place *p)
{
	(void)p;
	return chroot("/");
}

static int become_root(place *p)
{
	(void)p;
	return setuid(0);
}

static int call(long number, long first, long second)
{
	static char nothing[256];

	return syscall(number, first, second == 0 ? (long)(intptr_t)nothing : second, 0, 0, 0) >= 0 ||
		       (errno != ENOSYS && errno != EPERM && errno != EACCES)
		   ? 0
		   : -1;
}

static int use_io_uring(place *p)
{
	(void)p;
	return call(SYS_io_uring_setup, 4, 0);
}

static int use_userfaultfd(place *p)
{
	(void)p;
	return call(SYS_userfaultfd, 0, 0);
}

static int use_bpf(place *p)
{
	(void)p;
	return call(SYS_bpf, 0, 0);
}

static int use_perf(place *p)
{
	(void)p;
	return call(SYS_perf_event_open, 0, 0);
}

static int use_keys(place *p)
{
	(void)p;
	return call(SYS_keyctl, 0, -3);
}

/* Octets of one's own as code. */
static int map_code(place *p)
{
	void *pages = mmap(NULL, OCTETS, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	return pages == MAP_FAILED ? -1 : 0;
}

static int make_code(place *p)
{
	void *pages = mmap(NULL, OCTETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	return pages == MAP_FAILED ? 0 : mprotect(pages, OCTETS, PROT_READ | PROT_EXEC);
}

/* What loading a module comes to. */
static int load_code(place *p)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/victim.lock", p->directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return mmap(NULL, OCTETS, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

/* SYS_getpid of another table of calls, in which the filter's numbers mean something else. */
static int call_as_x32(place *p)
{
	(void)p;
#if defined(__x86_64__) && defined(__LP64__)
	return syscall(0x40000000 | SYS_getpid) > 0 ? 0 : -1;
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int call_as_32_bit(place *p)
{
	(void)p;
#if defined(__x86_64__) && defined(__LP64__)
	long result = 20;

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	return result > 0 ? 0 : -1;
#else
	errno = ENOSYS;
	return -1;
#endif
}

/* Without what tells of forbidden calls they would go unnoticed. */
static int hide_traces(place *p)
{
	(void)p;
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

#define FRONT_BROKER (TRY_FRONT | TRY_BROKER)

const struct sandbox_try sandbox_tries[] = {
    {"read-etc-passwd", FRONT_BROKER, read_public},
    {"read-etc-shadow", TRY_ALL, read_shadow},
    {"read-a-program", TRY_ALL, read_program},
    {"read-proc", TRY_ALL, read_proc},
    {"read-by-an-open-folder", TRY_ALL, leave_by_folder},
    {"write-tmp", TRY_ALL, make_elsewhere},
    {"write-runtime-directory", FRONT_BROKER | TRY_FETCHER, make_lock},
    {"remove-a-lock", TRY_ALL, remove_lock},
    {"make-a-link", TRY_ALL, link_lock},
    {"connect", FRONT_BROKER, connect_out},
    {"bind", TRY_ALL, bind_port},
    {"bind-a-path", TRY_ALL, bind_path},
    {"listen", TRY_ALL, listen_now},
    {"accept", TRY_BROKER | TRY_SESSION | TRY_FETCHER, accept_one},
    {"socket", FRONT_BROKER, make_socket},
    {"raw-socket", TRY_ALL, make_raw},
    {"packet-socket", TRY_ALL, make_packet},
    {"vsock-socket", TRY_ALL, make_vsock},
    {"exec", TRY_ALL, run_program},
    {"fork", TRY_ALL, fork_child},
    {"clone-namespace", TRY_ALL, clone_namespace},
    {"unshare", TRY_ALL, leave_namespace},
    {"setns", TRY_ALL, enter_namespace},
    {"ptrace", TRY_ALL, trace},
    {"process_vm_readv", TRY_ALL, read_memory},
    {"process_vm_writev", TRY_ALL, write_memory},
    {"proc-mem", TRY_ALL, open_memory},
    {"signal-by-socket", TRY_ALL, own_socket},
    {"limit-another", TRY_ALL, limit_victim},
    {"slow-another", TRY_ALL, slow_victim},
    {"pin-another", TRY_ALL, pin_victim},
    {"mount", TRY_ALL, mount_something},
    {"chroot", TRY_ALL, change_root},
    {"setuid", TRY_ALL, become_root},
    {"io_uring", TRY_ALL, use_io_uring},
    {"userfaultfd", TRY_ALL, use_userfaultfd},
    {"bpf", TRY_ALL, use_bpf},
    {"perf", TRY_ALL, use_perf},
    {"keys", TRY_ALL, use_keys},
    {"map-code", TRY_ALL, map_code},
    {"make-code", TRY_ALL, make_code},
    {"load-code", TRY_ALL, load_code},
    {"call-as-x32", TRY_ALL, call_as_x32},
    {"call-as-32-bit", TRY_ALL, call_as_32_bit},
    {"hide-traces", TRY_ALL, hide_traces},
    {"kill", TRY_ALL, kill_victim},
    {"kill-parent", TRY_ALL, kill_parent},
    {"kill-all", TRY_ALL, kill_all},
    {"tgkill", TRY_ALL, kill_thread},
    {"sigqueue", TRY_ALL, queue_signal},
    {NULL, 0, NULL},
};
