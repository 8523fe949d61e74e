/* pod_life: see pod_life.h. */
#include "lib/pod_life.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_main.h"

#define SHARED	 "/run/kata-containers/shared/containers/"
#define SHM	 "/run/kata-containers/sandbox/shm"
#define EMPTY	 "/run/kata-containers/sandbox/ephemeral/cache"
#define PAUSE_ID "pause0123456789abcdef"
#define MIB	 (1024 * 1024)

enum runtime { GO, RS };

#define TERMINATION_PATH "/dev/termination-log"

/* A container spec with room for all that a shim puts there. */
struct pod_container {
	struct test_container c;
	struct agent *agent;
	enum runtime runtime;
	bool pause;
	Grpc__Mount mounts[12], *mount_list[12];
	char sources[4][256];
	Grpc__Storage extra[2], *storage_list[5];
	Grpc__Spec__AnnotationsEntry annotations[3], *annotation_list[3];
	Grpc__POSIXRlimit rlimit, *rlimit_list[1];
	Grpc__LinuxCPU cpu;
	Grpc__LinuxSeccomp seccomp;
	Grpc__LinuxSyscall syscall, *syscall_list[1];
	char *env[3];
};

/* ---- files, which a host without a shared file system copies ---- */

static void copy_text(struct agent *agent, const char *path, const char *text)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

	r.path = (char *)path;
	r.file_mode = S_IFREG | 0644;
	r.dir_mode = 0750;
	r.data.data = (uint8_t *)text;
	r.data.len = strlen(text);
	r.file_size = (int64_t)r.data.len;
	agent_ok(agent, "CopyFile", &r);
}

static Grpc__Mount *add_mount(struct pod_container *p, const char *destination, const char *type,
	const char *source, char **options)
{
	Grpc__Mount *m = &p->mounts[p->c.spec.n_mounts];

	grpc__mount__init(m);
	m->destination = (char *)destination;
	m->type = (char *)type;
	m->source = (char *)source;
	m->options = options;
	while (options[m->n_options])
		m->n_options++;
	p->mount_list[p->c.spec.n_mounts++] = m;
	return m;
}

/* The kubelet's files of a container, under the names the shims give them. */
static void add_files(struct pod_container *p)
{
	static char *options[] = {(char *)"rbind", (char *)"rprivate", (char *)"rw", NULL};
	static const char *const files[][3] = {
		{"/etc/resolv.conf", "resolv.conf", "nameserver 10.1.2.3\n"},
		{"/etc/hosts", "hosts", "127.0.0.1 localhost\n"},
		{TERMINATION_PATH, "termination", ""}};

	for (size_t i = 0; i < ARRAY_SIZE(files) - p->pause; i++) {
		str_format(p->sources[i], sizeof(p->sources[i]), SHARED "%s%s-%016zx-%s",
			p->runtime == RS ? "passthrough/" : "", p->c.request.container_id,
			i + 0xabcdef, files[i][1]);
		copy_text(p->agent, p->sources[i], files[i][2]);
		add_mount(p, files[i][0], "bind", p->sources[i], options);
	}
}

static void add_mounts(struct pod_container *p)
{
	static char *proc[] = {(char *)"nosuid", (char *)"noexec", (char *)"nodev", NULL};
	static char *dev[] = {(char *)"nosuid", (char *)"strictatime", (char *)"mode=755",
		(char *)"size=65536k", NULL};
	static char *pts[] = {(char *)"nosuid", (char *)"noexec", (char *)"newinstance",
		(char *)"ptmxmode=0666", (char *)"mode=0620", (char *)"gid=5", NULL};
	static char *sys[] = {
		(char *)"nosuid", (char *)"noexec", (char *)"nodev", (char *)"ro", NULL};
	static char *rbind[] = {(char *)"rbind", NULL};

	p->c.spec.mounts = p->mount_list;
	p->c.spec.n_mounts = 0;
	add_mount(p, "/proc", "proc", "proc", proc);
	add_mount(p, "/dev", "tmpfs", "tmpfs", dev);
	add_mount(p, "/dev/pts", "devpts", "devpts", pts);
	add_mount(p, "/dev/mqueue", "mqueue", "mqueue", proc);
	add_mount(p, "/sys", "sysfs", "sysfs", sys);
	add_mount(p, "/dev/shm", "bind", SHM, rbind);
	add_files(p);
}

/* ---- storages ---- */

static void fill_tmpfs(Grpc__Storage *s, const char *source, const char *point, char **options)
{
	grpc__storage__init(s);
	s->driver = (char *)"ephemeral";
	s->source = (char *)source;
	s->fstype = (char *)"tmpfs";
	s->mount_point = (char *)point;
	s->options = options;
	while (options[s->n_options])
		s->n_options++;
}

static void fill_shm(Grpc__Storage *s)
{
	static char *options[] = {(char *)"noexec", (char *)"nosuid", (char *)"nodev",
		(char *)"mode=1777", (char *)"size=67108864", NULL};

	fill_tmpfs(s, "shm", SHM, options);
}

static void add_storage(struct pod_container *p, Grpc__Storage *s)
{
	for (size_t i = 0; i < p->c.request.n_storages; i++)
		p->storage_list[i] = p->c.request.storages[i];
	p->storage_list[p->c.request.n_storages++] = s;
	p->c.request.storages = p->storage_list;
}

/* emptyDir with medium memory: a tmpfs of the guest, bound in. */
static void add_empty_dir(struct pod_container *p)
{
	static char *options[] = {(char *)"mode=0777", NULL};
	static char *rbind[] = {(char *)"rbind", (char *)"rprivate", (char *)"rw", NULL};

	fill_tmpfs(&p->extra[1], "tmpfs", EMPTY, options);
	add_storage(p, &p->extra[1]);
	add_mount(p, "/cache", "bind", EMPTY, rbind);
}

/* ---- the spec ---- */

static void add_annotation(struct pod_container *p, const char *key, const char *value)
{
	size_t i = p->c.spec.n_annotations++;

	grpc__spec__annotations_entry__init(&p->annotations[i]);
	p->annotations[i].key = (char *)key;
	p->annotations[i].value = (char *)value;
	p->annotation_list[i] = &p->annotations[i];
	p->c.spec.annotations = p->annotation_list;
}

/* containerd's default set; Go says CAP_CHOWN, runtime-rs CHOWN. */
static void set_capabilities(struct pod_container *p)
{
	static char *const words[] = {(char *)"CAP_CHOWN", (char *)"CAP_DAC_OVERRIDE",
		(char *)"CAP_FSETID", (char *)"CAP_FOWNER", (char *)"CAP_SETGID",
		(char *)"CAP_SETUID", (char *)"CAP_SETPCAP", (char *)"CAP_NET_BIND_SERVICE",
		(char *)"CAP_SYS_CHROOT", (char *)"CAP_KILL"};
	static char *go[ARRAY_SIZE(words)], *rs[ARRAY_SIZE(words)];
	Grpc__LinuxCapabilities *set = &p->c.capabilities;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		go[i] = words[i];
		rs[i] = words[i] + strlen("CAP_");
	}
	set->bounding = set->effective = set->permitted = p->runtime == GO ? go : rs;
	set->n_bounding = set->n_effective = set->n_permitted = ARRAY_SIZE(words);
}

static void set_namespaces(struct pod_container *p)
{
	/* pid and network are taken out; runtime-rs keeps cgroup and says mnt */
	static const char *const words[2][4] = {
		{"ipc", "uts", "mount", NULL}, {"ipc", "uts", "mnt", "cgroup"}};
	size_t n = 0;

	for (; n < 4 && words[p->runtime][n]; n++) {
		grpc__linux_namespace__init(&p->c.namespaces[n]);
		p->c.namespaces[n].type = (char *)words[p->runtime][n];
		p->c.namespace_list[n] = &p->c.namespaces[n];
	}
	p->c.linux_part.n_namespaces = n;
}

static void set_paths(struct pod_container *p)
{
	static char *masked[] = {(char *)"/proc/acpi", (char *)"/proc/kcore", (char *)"/proc/keys",
		(char *)"/proc/timer_list", (char *)"/proc/scsi", (char *)"/sys/firmware"};
	static char *readonly[] = {(char *)"/proc/bus", (char *)"/proc/fs", (char *)"/proc/irq",
		(char *)"/proc/sys", (char *)"/proc/sysrq-trigger"};

	p->c.linux_part.maskedpaths = masked;
	p->c.linux_part.n_maskedpaths = ARRAY_SIZE(masked);
	p->c.linux_part.readonlypaths = readonly;
	p->c.linux_part.n_readonlypaths = ARRAY_SIZE(readonly);
}

/* One rule, whose errno runtime-rs sends as 0 where none was said: EPERM (c14). */
static void set_seccomp(struct pod_container *p)
{
	static char *names[] = {(char *)"mkdir", (char *)"mkdirat", (char *)"no_such_call"};

	grpc__linux_seccomp__init(&p->seccomp);
	grpc__linux_syscall__init(&p->syscall);
	p->seccomp.defaultaction = (char *)"SCMP_ACT_ALLOW";
	p->syscall.names = names;
	p->syscall.n_names = 3;
	p->syscall.action = (char *)"SCMP_ACT_ERRNO";
	if (p->runtime == RS)
		p->syscall.errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	p->syscall_list[0] = &p->syscall;
	p->seccomp.syscalls = p->syscall_list;
	p->seccomp.n_syscalls = 1;
	p->c.linux_part.seccomp = &p->seccomp;
}

static void set_process(struct pod_container *p)
{
	Grpc__Process *process = &p->c.process;

	p->env[0] = (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	p->env[1] = (char *)"HOSTNAME=pod-host";
	process->env = p->env;
	process->n_env = 2;
	/* both want CAP_SYS_RESOURCE of the agent (a lower score; limits of another user's
	 * process), which not everybody's root has: in a VM it does */
	process->oomscoreadj = !p->pause ? 1000 : p->agent->vm ? -998 : 1;
	process->nonewprivileges = p->pause;
	if (p->pause && p->agent->vm)
		p->c.user.uid = p->c.user.gid = 65535;
	grpc__posixrlimit__init(&p->rlimit);
	p->rlimit.type = (char *)"RLIMIT_NOFILE";
	p->rlimit.soft = p->rlimit.hard = 1024;
	p->rlimit_list[0] = &p->rlimit;
	process->rlimits = p->rlimit_list;
	process->n_rlimits = 1;
	set_capabilities(p);
}

static void fill(struct pod_container *p, struct agent *agent, enum runtime runtime, const char *id,
	const char *script)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};

	memset(p, 0, sizeof(*p));
	container_fill(&p->c, agent, id, argv);
	p->agent = agent;
	p->runtime = runtime;
	p->pause = str_eq(id, PAUSE_ID);
	/* Go names init by the container's id, runtime-rs by nothing */
	p->c.request.exec_id = (char *)(runtime == GO ? id : "");
	p->c.root.readonly = p->pause;
	if (p->pause)
		p->c.spec.hostname = (char *)"pod-host";
	add_annotation(p, "io.katacontainers.pkg.oci.bundle_path", "/run/containerd/x");
	add_annotation(p, "io.katacontainers.pkg.oci.container_type",
		p->pause ? "pod_sandbox" : "pod_container");
	add_annotation(p, "io.kubernetes.container.terminationMessagePath", TERMINATION_PATH);
	set_process(p);
	set_namespaces(p);
	set_paths(p);
	add_mounts(p);
	if (!p->pause)
		set_seccomp(p);
	if (p->pause && agent->vm) {
		fill_shm(&p->extra[0]);
		add_storage(p, &p->extra[0]);
	}
}

static void limit(struct pod_container *p, int64_t bytes)
{
	container_limit(&p->c, bytes);
	grpc__linux_cpu__init(&p->cpu);
	p->cpu.shares = 102;
	p->cpu.quota = 50000;
	p->cpu.period = 100000;
	p->c.resources.cpu = &p->cpu;
}

/* ---- calls ---- */

static void start_sandbox(struct agent *agent)
{
	Grpc__CreateSandboxRequest create = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__GuestDetailsRequest details = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__Storage shm, *list[] = {&shm};

	fill_shm(&shm);
	create.hostname = (char *)"pod-host";
	create.sandbox_id = (char *)PAUSE_ID;
	create.storages = list;
	create.n_storages = 1;
	if (!agent->vm)
		agent_ok(agent, "CreateSandbox", &create);
	details.mem_block_size = details.mem_hotplug_probe = true;
	agent_ok(agent, "GetGuestDetails", &details);
}

/* Not static: between creation and start, of every container, the empty forms too. */
static void create_go(struct pod_container *p)
{
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__UpdateEphemeralMountsRequest mounts = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;

	container_send(p->agent, &p->c);
	agent_ok(p->agent, "OnlineCPUMem", &online);
	agent_ok(p->agent, "UpdateEphemeralMounts", &mounts);
	container_start_id(p->agent, p->c.request.container_id);
}

static void send_signal(struct agent *agent, const char *id, const char *exec_id, int sig)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.signal = (uint32_t)sig;
	agent_ok(agent, "SignalProcess", &request);
}

/* A read of the shims: text must come; it may come in pieces. */
static void expect_output(
	struct agent *agent, const char *id, const char *exec_id, const char *text)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	char found[4096] = "";
	size_t len = 0;

	read.container_id = (char *)id;
	read.exec_id = (char *)exec_id;
	read.len = 32768;
	while (!strstr(found, text)) {
		const Grpc__ReadStreamResponse *response;

		assert_int_equal(agent_call(agent, &call, "ReadStdout", &read, NULL), 0);
		response = (void *)call.response;
		if (response->data.len == 0)
			fail_msg("'%s' is not in the output of %s: '%s'", text, id, found);
		assert_true(len + response->data.len < sizeof(found));
		memcpy(found + len, response->data.data, response->data.len);
		len += response->data.len;
	}
	client_call_release(&call);
}

static void write_line(struct agent *agent, const char *id, const char *exec_id, const char *line)
{
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;

	write.container_id = (char *)id;
	write.exec_id = (char *)exec_id;
	write.data.data = (uint8_t *)line;
	write.data.len = strlen(line);
	agent_ok(agent, "WriteStdin", &write);
}

static void begin_wait(
	struct agent *agent, struct pending *pending, const char *id, const char *exec_id)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	wait.container_id = (char *)id;
	wait.exec_id = (char *)exec_id;
	agent_begin(agent, agent->client, pending, "WaitProcess", &wait);
}

static void end_wait(struct agent *agent, struct pending *pending, int status)
{
	agent_await(agent, pending);
	assert_int_equal(pending->code, 0);
	assert_int_equal(((Grpc__WaitProcessResponse *)pending->call.response)->status, status);
	pending_release(pending);
}

static void expect_stats(struct agent *agent, const char *id)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};

	request.container_id = (char *)id;
	assert_int_equal(agent_call(agent, &call, "StatsContainer", &request, NULL), 0);
	assert_non_null(((Grpc__StatsContainerResponse *)call.response)->cgroup_stats);
	client_call_release(&call);
}

static void expect_termination_log(struct agent *agent, const char *id, const char *text)
{
	Grpc__GetDiagnosticDataRequest request = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;
	struct client_call call = {0};

	request.log_type = (char *)"termination_log";
	request.container_id = (char *)id;
	assert_int_equal(agent_call(agent, &call, "GetDiagnosticData", &request, NULL), 0);
	assert_string_equal(((Grpc__GetDiagnosticDataResponse *)call.response)->data, text);
	client_call_release(&call);
}

static void pause_and_resume(struct agent *agent, const char *id)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;

	pause.container_id = resume.container_id = (char *)id;
	agent_ok(agent, "PauseContainer", &pause);
	/* a wrong state is INTERNAL (1.4) */
	agent_fails(agent, "PauseContainer", &pause, STATUS_INTERNAL, "paused");
	agent_ok(agent, "ResumeContainer", &resume);
}

/* cpus emptied, as both send it. */
static void update(struct agent *agent, const char *id, int64_t bytes)
{
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;

	request.container_id = (char *)id;
	request.resources = &resources;
	resources.memory = &memory;
	resources.cpu = &cpu;
	memory.limit = bytes;
	cpu.shares = 204;
	agent_ok(agent, "UpdateContainer", &request);
}

/* Terminal, user, args, env and cwd: no more is sent; the capabilities are the container's. */
static void exec_on_terminal(struct agent *agent, const char *id, const char *exec_id)
{
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	Grpc__User user = GRPC__USER__INIT;
	char *args[] = {(char *)"/bin/sh", (char *)"-c",
		(char *)"read go; stty size; grep CapEff /proc/self/status; hostname; exit 7"};
	char *env[] = {(char *)"PATH=/bin", (char *)"TERM=xterm"};
	const char *output;

	request.container_id = resize.container_id = (char *)id;
	request.exec_id = resize.exec_id = (char *)exec_id;
	request.process = &process;
	process.terminal = true;
	process.user = &user;
	process.args = args;
	process.n_args = 3;
	process.env = env;
	process.n_env = 2;
	process.cwd = (char *)"/";
	agent_ok(agent, "ExecProcess", &request);
	resize.row = 40;
	resize.column = 120;
	agent_ok(agent, "TtyWinResize", &resize);
	write_line(agent, id, exec_id, "go\n");
	output = container_output(agent, id, exec_id, false);
	assert_non_null(strstr(output, "40 120\r\n"));
	/* chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, bind, chroot */
	assert_non_null(strstr(output, "CapEff:\t00000000000405fb\r\n"));
	assert_non_null(strstr(output, agent->vm ? "\r\n" : "pod-host\r\n"));
	assert_int_equal(container_wait(agent, id, exec_id), 7);
}

/* ---- the ends ---- */

/* Go's, after its WaitProcess was answered. */
static void stop_go(struct agent *agent, const char *id, const char *log)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__RemoveStaleVirtiofsShareMountsRequest stale =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;

	/* all of it, dead or not; then a second WaitProcess, which must fail at once */
	send_signal(agent, id, "", SIGKILL);
	wait.container_id = wait.exec_id = (char *)id;
	agent_fails(agent, "WaitProcess", &wait, STATUS_NOT_FOUND, "not found");
	if (log)
		expect_termination_log(agent, id, log);
	container_remove_id(agent, id);
	agent_ok(agent, "RemoveStaleVirtiofsShareMounts", &stale);
}

static void stop_rs(struct agent *agent, const char *id, const char *log)
{
	Grpc__SignalProcessRequest kill = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	/* code 5 is "already gone" to it */
	kill.container_id = remove.container_id = (char *)id;
	kill.signal = SIGTERM;
	agent_fails(agent, "SignalProcess", &kill, STATUS_NOT_FOUND, "not found");
	if (log)
		expect_termination_log(agent, id, log);
	remove.timeout = 10;
	agent_ok(agent, "RemoveContainer", &remove);
}

/* A container that takes more than it may: the event is there before its exit is. */
static void oom_kill(struct agent *agent, enum runtime runtime, struct pending *oom)
{
	const char *init = runtime == GO ? "app2" : "";
	struct pending wait;

	begin_wait(agent, &wait, "app2", init);
	write_line(agent, "app2", init, "go\n");
	agent_await(agent, &wait);
	agent_await(agent, oom);
	assert_true(oom->order < wait.order);
	assert_int_equal(oom->code, 0);
	assert_string_equal(((Grpc__OOMEvent *)oom->call.response)->container_id, "app2");
	end_wait(agent, &wait, 137);
}

/* ---- the lives ---- */

#define APP1                                                                                       \
	"trap 'echo -n bye > " TERMINATION_PATH "; exit 0' TERM; echo up as $$;"                   \
	"cat /etc/resolv.conf; mkdir /tmp/x 2> /dev/null || echo no mkdir;"                        \
	"touch /dev/shm/from-app1; ls /cache; echo done;"                                          \
	"while :; do sleep 1000 & wait; done"
#define APP2 "ls /dev/shm; read go; echo grows; exec dd if=/dev/zero of=/dev/null bs=80M count=1"

static void start_pause(struct agent *agent, enum runtime runtime, struct pod_container *p)
{
	fill(p, agent, runtime, PAUSE_ID, "echo pausing; exec sleep 100000");
	if (runtime == GO) {
		create_go(p);
	} else {
		container_send(agent, &p->c);
		container_start_id(agent, PAUSE_ID);
	}
	expect_output(agent, PAUSE_ID, runtime == GO ? PAUSE_ID : "", "pausing\n");
}

static void kill_pause(struct agent *agent, enum runtime runtime)
{
	struct pending wait;

	begin_wait(agent, &wait, PAUSE_ID, runtime == GO ? PAUSE_ID : "");
	send_signal(agent, PAUSE_ID, "", SIGKILL);
	end_wait(agent, &wait, 137);
}

static void app_two(
	struct agent *agent, enum runtime runtime, struct pod_container *p, struct pending *oom)
{
	const char *init = runtime == GO ? "app2" : "";
	Grpc__CloseStdinRequest end = GRPC__CLOSE_STDIN_REQUEST__INIT;

	fill(p, agent, runtime, "app2", APP2);
	if (agent->vm)
		limit(p, 64 * MIB);
	/* a pod that shares its processes */
	p->c.request.sandbox_pidns = runtime == RS;
	if (runtime == GO) {
		create_go(p);
	} else {
		container_send(agent, &p->c);
		container_start_id(agent, "app2");
	}
	expect_output(agent, "app2", init, "from-app1\n");
	expect_stats(agent, "app2");
	if (agent->vm) {
		update(agent, "app2", 32 * MIB);
		oom_kill(agent, runtime, oom);
		return;
	}
	/* without limits it ends with its input */
	end.container_id = (char *)"app2";
	if (runtime == GO)
		agent_ok(agent, "CloseStdin", &end);
	else
		write_line(agent, "app2", "", "");
	assert_non_null(strstr(container_output(agent, "app2", init, false), "grows"));
	assert_int_equal(container_wait(agent, "app2", init), 0);
}

static void app_one(
	struct agent *agent, enum runtime runtime, struct pod_container *p, struct pending *wait)
{
	const char *init = runtime == GO ? "app1" : "";

	fill(p, agent, runtime, "app1", APP1);
	add_empty_dir(p);
	if (agent->vm)
		limit(p, 64 * MIB);
	if (runtime == GO) {
		create_go(p);
	} else {
		container_send(agent, &p->c);
		container_start_id(agent, "app1");
		begin_wait(agent, wait, "app1", init);
	}
	expect_output(agent, "app1", init, "up as 1\nnameserver 10.1.2.3\nno mkdir\ndone\n");
	if (runtime == GO)
		begin_wait(agent, wait, "app1", init);
	expect_stats(agent, "app1");
	pause_and_resume(agent, "app1");
}

void pod_life_go(struct agent *agent)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	Grpc__GetOOMEventRequest oom_request = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct pod_container *p = test_malloc(sizeof(*p));
	struct pending oom, wait;

	agent_ok(agent, "Check", &check);
	start_sandbox(agent);
	start_pause(agent, GO, p);
	agent_begin(agent, agent->client, &oom, "GetOOMEvent", &oom_request);
	app_one(agent, GO, p, &wait);
	app_two(agent, GO, p, &oom);
	exec_on_terminal(agent, "app1", "7c9a2b3e-0d41-4a55-9d6e-3f1f9a6e0b42");
	agent_ok(agent, "Check", &check);
	/* kubelet's stop: SIGTERM, and what the container says of its end */
	send_signal(agent, "app1", "app1", SIGTERM);
	end_wait(agent, &wait, 0);
	stop_go(agent, "app1", "bye");
	stop_go(agent, "app2", "");
	kill_pause(agent, GO);
	stop_go(agent, PAUSE_ID, NULL);
	if (!agent->vm) {
		agent_ok(agent, "DestroySandbox", &destroy);
		/* the pending one ends with it */
		agent_await(agent, &oom);
		assert_int_not_equal(oom.code, 0);
	}
	pending_release(&oom);
	test_free(p);
}

void pod_life_rs(struct agent *agent)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	Grpc__GetOOMEventRequest oom_request = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct pod_container *p = test_malloc(sizeof(*p));
	static struct pending oom; /* open until the client goes, unless there was an event */
	struct pending wait;

	start_sandbox(agent);
	agent_begin(agent, agent->client, &oom, "GetOOMEvent", &oom_request);
	start_pause(agent, RS, p);
	app_one(agent, RS, p, &wait);
	app_two(agent, RS, p, &oom);
	exec_on_terminal(agent, "app1", "exec-1");
	agent_ok(agent, "Check", &check);
	agent_ok(agent, "Version", &check);
	send_signal(agent, "app1", "", SIGTERM);
	end_wait(agent, &wait, 0);
	stop_rs(agent, "app1", "bye");
	stop_rs(agent, "app2", "");
	kill_pause(agent, RS);
	stop_rs(agent, PAUSE_ID, NULL);
	if (oom.done)
		pending_release(&oom);
	test_free(p);
}
