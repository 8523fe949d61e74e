/*
 * agent_fixture: the process or guest, its census, calls: see agent_fixture.h. The containers of a
 * test: agent_containers.c.
 */
#include "lib/agent_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/socket.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

#define CALL_TIMEOUT_MS 60000
/* Ten containers that run at once in an emulated guest on a busy machine take half a minute. */
#define AWAIT_S 120
#define BUSYBOX "/bin/busybox"

static void die(const char *what)
{
	fprintf(stderr, "agent_fixture: %s: %s\n", what, errno_name(errno));
	abort();
}

static void print_log(void);

/* ---- the process
 * ---------------------------------------------------------------------------------- */

static void make_rootfs(struct agent *agent)
{
	static const char *const dirs[] = {"bin", "proc", "dev", "tmp", "etc", "sys", "root"};
	static const char *const applets[] = {"sh", "cat", "echo", "sleep", "true", "false", "id",
		"ls", "head", "dd", "env", "pwd", "kill", "grep", "mount", "touch", "rm", "wc",
		"tr", "md5sum", "tty", "stty", "readlink", "hostname", "seq", "yes", "mkdir",
		"chmod", "mknod"};
	char path[512];

	str_format(agent->rootfs, sizeof(agent->rootfs), "%s/rootfs", scratch_dir());
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		str_format(path, sizeof(path), "%s/%s", agent->rootfs, dirs[i]);
		if (path_mkdirs(path, 0755) < 0)
			die(path);
	}
	str_format(path, sizeof(path), "cp " BUSYBOX " %s/bin/busybox", agent->rootfs);
	if (system(path) != 0)
		die("copy " BUSYBOX " (package busybox-static)");
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		str_format(path, sizeof(path), "%s/bin/%s", agent->rootfs, applets[i]);
		if (symlink("busybox", path) < 0 && errno != EEXIST)
			die(path);
	}
}

static void run_agent(const struct agent *agent, const char *log, const char *const *arguments)
{
	char address[128];
	const char *argv[16] = {
		"cradle-agent", "--server-addr", address, "--log-level", "debug", NULL};
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, 1);
	dup2(fd, 2);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		die("make the agent's mount namespace (root is needed)");
	if (groups_v1_only() && umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0)
		die("hide /sys/fs/cgroup/unified (a host with cgroup v1 beside it is needed)");
	if (groups_bare() && (umount2("/sys/fs/cgroup/memory", MNT_DETACH) < 0 ||
				     umount2("/sys/fs/cgroup/devices", MNT_DETACH) < 0))
		die("hide controllers of cgroup v1");
	str_format(address, sizeof(address), "unix://%s", agent->socket);
	for (size_t i = 0; arguments && arguments[i]; i++)
		argv[5 + i] = arguments[i];
	/* what is freed is overwritten: who reads it all the same is found without a sanitizer too
	 */
	setenv("MALLOC_PERTURB_", "165", 1);
	execv(AGENT_PATH, (char *const *)argv);
	die("exec " AGENT_PATH);
}

struct ttrpc_client *agent_connect(struct agent *agent)
{
	char text[128];
	struct address address;
	struct error err = ERROR_INIT;
	int fd = -1;

	str_format(text, sizeof(text), agent->vm ? "hvsock://%s:1024" : "unix://%s", agent->socket);
	if (address_parse(text, &address, &err) < 0)
		die(text);
	/* the one place without an event to wait for: a socket that is not bound yet */
	for (int i = 0; fd < 0 && i < 1000; i++) {
		if (waitpid(agent->pid, NULL, WNOHANG) == agent->pid)
			die("the agent has ended before it listened; see agent.log");
		fd = address_connect(&address, 1000, &err);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0)
		die("connect to the agent");
	return ttrpc_client_new(agent->loop, fd, NULL, NULL);
}

/*
 * A test program that was killed leaves its agent's containers running in their groups: the next
 * one ends them, or they eat a CPU for ever.
 */
static void sweep_dead_groups(void)
{
	static const char command[] =
		"for g in /sys/fs/cgroup/unified/cradle-test-* /sys/fs/cgroup/cradle-test-*; do "
		"[ -d $g ] && ! kill -0 ${g##*-} 2> /dev/null || continue; "
		"echo 1 > $g/cgroup.kill; "
		"while grep -q 'populated 1' $g/cgroup.events; do sleep 0.01; done; "
		"find $g -depth -type d -exec rmdir {} +; done; "
		"for g in /sys/fs/cgroup/*/cradle-test-*; do "
		"[ -d $g ] && ! kill -0 ${g##*-} 2> /dev/null || continue; "
		"for s in $(find $g -name freezer.state); do echo THAWED > $s; done; "
		"for i in 1 2 3 4 5 6 7 8 9; do "
		"kill -9 $(find $g -name cgroup.procs -exec cat {} +) 2> /dev/null || break; "
		"sleep 0.02; done; "
		"find $g -depth -type d -exec rmdir {} +; done";

	if (system(command) != 0)
		fprintf(stderr, "agent_fixture: groups of dead tests stay\n");
}

void agent_start(struct agent *agent)
{
	agent_start_with(agent, NULL);
}

void agent_start_with(struct agent *agent, const char *const *arguments)
{
	sweep_dead_groups();
	memset(agent, 0, sizeof(*agent));
	make_rootfs(agent);
	str_format(agent->socket, sizeof(agent->socket), "%s/agent.sock", scratch_dir());
	agent->loop = event_loop_new();
	signal(SIGPIPE, SIG_IGN);
	agent->pid = fork();
	if (agent->pid == 0)
		run_agent(agent, scratch_path("agent.log"), arguments);
	agent->client = agent_connect(agent);
}

/* ---- a guest
 * -------------------------------------------------------------------------------------- */

static void run_cradle(const struct agent *agent, const char *memory, const char *rootfs, int out)
{
	int log = open(scratch_path("agent.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	int null = open("/dev/null", O_RDONLY);
	int in[2];

	/* stdin must stay open: its end of file ends the VM. The write end lives as long as we do.
	 */
	if (log < 0 || null < 0 || pipe(in) < 0)
		die("open cradle's stdio");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in[0], 0);
	dup2(out, 1);
	dup2(log, 2);
	execl(CRADLE_PATH, "cradle", "run", "--hold", "--listen", agent->socket, "--rootfs", rootfs,
		"--kernel", KERNEL_PATH, "--initrd", INITRD_PATH, "--memory", memory, "--append",
		"agent.passfd_listener_port=1027", NULL);
	die("exec " CRADLE_PATH);
}

void agent_start_vm(struct agent *agent, const char *memory)
{
	agent_start_vm_from(agent, memory, ROOTFS_PATH);
}

void agent_start_vm_from(struct agent *agent, const char *memory, const char *rootfs)
{
	char line[256];
	int out[2];
	size_t n = 0;

	memset(agent, 0, sizeof(*agent));
	agent->vm = true;
	str_format(agent->socket, sizeof(agent->socket), "%s/vm.sock", scratch_dir());
	agent->loop = event_loop_new();
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(out, O_CLOEXEC) < 0)
		die("make a pipe");
	agent->pid = fork();
	if (agent->pid == 0)
		run_cradle(agent, memory, rootfs, out[1]);
	close(out[1]);
	/* "ready SOCKET" */
	while (n < sizeof(line) - 1 && read(out[0], line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	close(out[0]);
	if (!str_starts(line, "ready ")) {
		print_log();
		fail_msg("the VM did not get ready: '%s'", line);
	}
	agent->client = agent_connect(agent);
}

static void print_log(void)
{
	char command[512];

	str_format(command, sizeof(command), "tail -n 40 %s/agent.log >&2", scratch_dir());
	if (system(command) != 0)
		fprintf(stderr, "(no agent.log)\n");
}

void agent_stop(struct agent *agent)
{
	int status;

	ttrpc_client_free(agent->client);
	kill(agent->pid, SIGTERM);
	if (waitpid(agent->pid, &status, 0) != agent->pid)
		die("wait for the agent");
	if (status != 0)
		print_log();
	event_loop_free(agent->loop);
	assert_int_equal(status, 0);
}

/* ---- census
 * --------------------------------------------------------------------------------------- */

static int count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	int c, n = 0;

	if (!f)
		die(path);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = -2;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int count_children(pid_t pid)
{
	char path[64];
	FILE *f;
	int child, n = 0;

	str_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fscanf(f, "%d", &child) == 1)
		n++;
	fclose(f);
	return n;
}

struct agent_census agent_census(const struct agent *agent)
{
	struct agent_census c;
	char path[64];

	str_format(path, sizeof(path), "/proc/%d/mountinfo", (int)agent->pid);
	c.mounts = count_lines(path);
	str_format(path, sizeof(path), "/proc/%d/fd", (int)agent->pid);
	c.fds = count_entries(path);
	c.children = count_children(agent->pid);
	c.cgroups = group_count();
	str_format(path, sizeof(path), "/proc/%d/root/run/kata-containers", (int)agent->pid);
	c.run_entries = count_entries(path);
	return c;
}

struct agent_census agent_census_at_rest(struct agent *agent)
{
	struct agent_census found = agent_census(agent), now;

	for (int same = 0; same < 50; same++) {
		event_loop_step(agent->loop, 10);
		now = agent_census(agent);
		if (memcmp(&now, &found, sizeof(now)) != 0)
			same = 0;
		found = now;
	}
	return found;
}

void agent_assert_census(struct agent *agent, const struct agent_census *expected)
{
	struct agent_census now;

	for (int i = 0; i < 1000; i++) {
		now = agent_census(agent);
		if (memcmp(&now, expected, sizeof(now)) == 0)
			return;
		event_loop_step(agent->loop, 10);
	}
	print_log();
	fail_msg("left behind: mounts %d (%d), fds %d (%d), children %d (%d), cgroups %d (%d), "
		 "/run %d (%d)",
		now.mounts, expected->mounts, now.fds, expected->fds, now.children,
		expected->children, now.cgroups, expected->cgroups, now.run_entries,
		expected->run_entries);
}

/* ---- calls
 * ---------------------------------------------------------------------------------------- */

static const ProtobufCServiceDescriptor *service_of(
	const char *method, const ProtobufCMethodDescriptor **ret)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&grpc__agent_service__descriptor, &grpc__health__descriptor,
		&cradle__memory__descriptor};

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		*ret = protobuf_c_service_descriptor_get_method_by_name(services[i], method);
		if (*ret)
			return services[i];
	}
	fail_msg("no method %s", method);
	return NULL;
}

int agent_call(struct agent *agent, struct client_call *call, const char *method,
	const void *request, struct error *err)
{
	const ProtobufCMethodDescriptor *m;
	const ProtobufCServiceDescriptor *service = service_of(method, &m);
	struct error own = ERROR_INIT;
	int r;

	client_call_release(call);
	r = client_call_wait(agent->client, call, service->name, method, request, m->output,
		CALL_TIMEOUT_MS, &own);
	if (r < 0 && err)
		*err = own;
	return r < 0 ? own.status : 0;
}

void agent_ok(struct agent *agent, const char *method, const void *request)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	if (agent_call(agent, &call, method, request, &err) != 0) {
		print_log();
		fail_msg("%s: code %d: %s", method, err.status, err.text);
	}
	client_call_release(&call);
}

void agent_fails(
	struct agent *agent, const char *method, const void *request, int code, const char *text)
{
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	int got = agent_call(agent, &call, method, request, &err);

	client_call_release(&call);
	if (got != code || !strstr(err.text, text))
		fail_msg("%s: want code %d and '%s', got %d '%s'", method, code, text, got,
			err.text);
}

static unsigned order;

static void on_pending(struct client_call *call, int result, const struct error *err)
{
	struct pending *pending = container_of(call, struct pending, call);

	pending->done = true;
	pending->order = ++order;
	if (result < 0) {
		pending->err = *err;
		pending->code = err->status;
	}
}

void agent_begin(struct agent *agent, struct ttrpc_client *client, struct pending *pending,
	const char *method, const void *request)
{
	const ProtobufCMethodDescriptor *m;
	const ProtobufCServiceDescriptor *service = service_of(method, &m);
	struct error err = ERROR_INIT;

	memset(pending, 0, sizeof(*pending));
	if (client_call_start(client ? client : agent->client, &pending->call, service->name,
		    method, request, m->output, 0, on_pending, &err) < 0)
		fail_msg("%s: %s", method, err.text);
}

void agent_await(struct agent *agent, struct pending *pending)
{
	uint64_t end = event_loop_now_ns() + AWAIT_S * 1000000000ull;

	while (!pending->done) {
		event_loop_step(agent->loop, 1000);
		if (event_loop_now_ns() > end) {
			print_log();
			fail_msg("a call was not answered in %d s", AWAIT_S);
		}
	}
}

void pending_release(struct pending *pending)
{
	client_call_release(&pending->call);
}
