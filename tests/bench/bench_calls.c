/* bench_calls: see bench_calls.h. */
#include "bench/bench_calls.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "base/strings.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"

#define CALL_TIMEOUT_MS 120000
#define STORAGE_ROOT	"/run/kata-containers/shared/containers/bench/"
#define CREATE		"io.katacontainers.volume.overlayfs.create_directory="
#define READ_BYTES	(1u << 20)

void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

double bench_now_us(void)
{
	return (double)event_loop_now_ns() / 1e3;
}

int bench_dial(const char *text)
{
	const struct timespec pause = {.tv_nsec = 500000};
	double end = bench_now_us() + 120e6;
	struct error err = ERROR_INIT;
	struct address address;
	int fd;

	if (address_parse(text, &address, &err) < 0)
		bench_die(text, err.text);
	/* nothing tells when somebody listens: asked again and again */
	while ((fd = address_connect(&address, 2000, &err)) < 0) {
		if (bench_now_us() > end)
			bench_die(text, err.text);
		nanosleep(&pause, NULL);
	}
	return fd;
}

static void on_closed(struct ttrpc_client *client, const struct error *err)
{
	bench_die("the agent's connection ended", err ? err->text : "");
}

void bench_connect(struct bench_agent *agent, const char *address)
{
	agent->loop = event_loop_new();
	if (!agent->loop)
		bench_die("event loop", "no memory");
	agent->client = ttrpc_client_new(agent->loop, bench_dial(address), on_closed, NULL);
	if (!agent->client)
		bench_die("client", "no memory");
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const ProtobufCMessage *call(struct bench_agent *agent, struct client_call *c,
	const ProtobufCServiceDescriptor *service, const char *method, const void *request)
{
	const ProtobufCMethodDescriptor *m =
		protobuf_c_service_descriptor_get_method_by_name(service, method);
	struct error err = ERROR_INIT;

	if (client_call_wait(agent->client, c, service->name, method, request, m->output,
		    CALL_TIMEOUT_MS, &err) < 0)
		bench_die(method, err.text);
	return c->response;
}

/* The answer does not matter, only when it comes. */
static double timed(struct bench_agent *agent, const char *method, const void *request)
{
	struct client_call c = {0};
	double start = bench_now_us(), end;

	call(agent, &c, &grpc__agent_service__descriptor, method, request);
	end = bench_now_us();
	client_call_release(&c);
	return end - start;
}

double bench_health(struct bench_agent *agent)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct client_call c = {0};
	double start = bench_now_us(), end;

	call(agent, &c, &grpc__health__descriptor, "Check", &check);
	end = bench_now_us();
	client_call_release(&c);
	return end - start;
}

static double boot_metric(const char *text, const char *item)
{
	char line[64];
	const char *at;

	str_format(line, sizeof(line), "\ncradle_boot_microseconds{item=\"%s\"} ", item);
	at = strstr(text, line);
	if (!at)
		bench_die("GetMetrics", "it does not tell of the boot");
	return strtod(at + strlen(line), NULL);
}

void bench_boot(struct bench_agent *agent, struct bench_boot *boot)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	struct client_call c = {0};
	const Grpc__Metrics *metrics = (const void *)call(
		agent, &c, &grpc__agent_service__descriptor, "GetMetrics", &request);

	boot->kernel = boot_metric(metrics->metrics, "kernel");
	boot->modules = boot_metric(metrics->metrics, "modules");
	boot->agent = boot_metric(metrics->metrics, "agent");
	client_call_release(&c);
}

double bench_stats(struct bench_agent *agent, const char *id)
{
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;

	stats.container_id = (char *)id;
	return timed(agent, "StatsContainer", &stats);
}

static double start_container(struct bench_agent *agent, const char *id)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;

	start.container_id = (char *)id;
	return timed(agent, "StartContainer", &start);
}

static double wait_status(
	struct bench_agent *agent, const char *id, const char *exec_id, int expected)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct client_call c = {0};
	double start = bench_now_us(), end;
	const Grpc__WaitProcessResponse *response;

	wait.container_id = (char *)id;
	wait.exec_id = (char *)exec_id;
	response = (const void *)call(
		agent, &c, &grpc__agent_service__descriptor, "WaitProcess", &wait);
	end = bench_now_us();
	if (response->status != expected)
		bench_die(id, "its process did not end as it should");
	client_call_release(&c);
	return end - start;
}

static double wait_process(struct bench_agent *agent, const char *id, const char *exec_id)
{
	return wait_status(agent, id, exec_id, 0);
}

static double remove_container(struct bench_agent *agent, const char *id)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	remove.container_id = (char *)id;
	return timed(agent, "RemoveContainer", &remove);
}

/* ---- the container's spec -------------------------------------------------------------------- */

struct spec {
	Grpc__CreateContainerRequest request;
	Grpc__Spec oci;
	Grpc__Root root;
	Grpc__Process process;
	Grpc__User user;
	Grpc__LinuxCapabilities capabilities;
	Grpc__Linux linux_part;
	Grpc__LinuxNamespace namespaces[4], *namespace_list[4];
	Grpc__Mount mounts[3], *mount_list[3];
	Grpc__LinuxSeccomp seccomp;
	Grpc__LinuxSyscall rule, *rule_list[1];
	char *architectures[1];
	Grpc__Storage storages[3], *storage_list[3];
	Grpc__LinuxResources resources;
	Grpc__LinuxMemory memory;
	char cgroup[64];
};

static char *env[] = {(char *)"PATH=/bin"};

static void fill_process(Grpc__Process *process, Grpc__User *user, char **argv)
{
	grpc__process__init(process);
	grpc__user__init(user);
	process->user = user;
	process->cwd = (char *)"/";
	process->env = env;
	process->n_env = 1;
	process->args = argv;
	while (argv[process->n_args])
		process->n_args++;
}

/* As `crun spec` writes them. */
static void fill_capabilities(struct spec *s)
{
	static char *caps[] = {
		(char *)"CAP_AUDIT_WRITE", (char *)"CAP_KILL", (char *)"CAP_NET_BIND_SERVICE"};
	Grpc__LinuxCapabilities *c = &s->capabilities;

	grpc__linux_capabilities__init(c);
	c->bounding = c->effective = c->permitted = caps;
	c->n_bounding = c->n_effective = c->n_permitted = ARRAY_SIZE(caps);
	s->process.capabilities = c;
}

static void fill_mounts(struct spec *s)
{
	static char *proc[] = {(char *)"nosuid", (char *)"noexec", (char *)"nodev"};
	static char *dev[] = {
		(char *)"nosuid", (char *)"strictatime", (char *)"mode=755", (char *)"size=65536k"};
	static char *pts[] = {(char *)"nosuid", (char *)"noexec", (char *)"newinstance",
		(char *)"ptmxmode=0666", (char *)"mode=0620", (char *)"gid=5"};
	static const struct {
		const char *at, *type;
		char **options;
		size_t count;
	} rows[] = {{"/proc", "proc", proc, ARRAY_SIZE(proc)},
		{"/dev", "tmpfs", dev, ARRAY_SIZE(dev)},
		{"/dev/pts", "devpts", pts, ARRAY_SIZE(pts)}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Mount *m = &s->mounts[i];

		grpc__mount__init(m);
		m->destination = (char *)rows[i].at;
		m->type = m->source = (char *)rows[i].type;
		m->options = rows[i].options;
		m->n_options = rows[i].count;
		s->mount_list[i] = m;
	}
	s->oci.mounts = s->mount_list;
	s->oci.n_mounts = ARRAY_SIZE(rows);
}

static void fill_linux(struct spec *s, const char *id)
{
	static const char *const types[] = {"pid", "mount", "ipc", "uts"};

	grpc__linux__init(&s->linux_part);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		grpc__linux_namespace__init(&s->namespaces[i]);
		s->namespaces[i].type = (char *)types[i];
		s->namespace_list[i] = &s->namespaces[i];
	}
	s->linux_part.namespaces = s->namespace_list;
	s->linux_part.n_namespaces = ARRAY_SIZE(types);
	str_format(s->cgroup, sizeof(s->cgroup), "/%s", id);
	s->linux_part.cgroupspath = s->cgroup;
	s->oci.linux = &s->linux_part;
}

static void fill_seccomp(struct spec *s)
{
	grpc__linux_seccomp__init(&s->seccomp);
	grpc__linux_syscall__init(&s->rule);
	s->seccomp.defaultaction = (char *)"SCMP_ACT_ERRNO";
	s->architectures[0] = (char *)"SCMP_ARCH_X86_64";
	s->seccomp.architectures = s->architectures;
	s->seccomp.n_architectures = 1;
	s->rule.names = (char **)bench_seccomp_names();
	s->rule.n_names = SECCOMP_RULES;
	s->rule.action = (char *)"SCMP_ACT_ALLOW";
	s->rule_list[0] = &s->rule;
	s->seccomp.syscalls = s->rule_list;
	s->seccomp.n_syscalls = 1;
	s->linux_part.seccomp = &s->seccomp;
}

/* As `cradle run` has them: the disk, a tmpfs for what is written, an overlay of both. */
static void fill_storages(struct spec *s)
{
	static char *disk[] = {(char *)"ro"}, *tmpfs[] = {(char *)"mode=0755"},
		    *overlay[] = {(char *)"lowerdir=" STORAGE_ROOT "lower",
			    (char *)"upperdir=" STORAGE_ROOT "rw/upper",
			    (char *)"workdir=" STORAGE_ROOT "rw/work"},
		    *create[] = {(char *)CREATE STORAGE_ROOT "rw/upper",
			    (char *)CREATE STORAGE_ROOT "rw/work"};
	static const struct {
		const char *driver, *source, *type, *at;
		char **options;
		size_t count;
	} rows[] = {{"blk", "/dev/vda", "erofs", STORAGE_ROOT "lower", disk, 1},
		{"ephemeral", "tmpfs", "tmpfs", STORAGE_ROOT "rw", tmpfs, 1},
		{"overlayfs", "overlay", "overlay", STORAGE_ROOT "rootfs", overlay, 3}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Storage *storage = &s->storages[i];

		grpc__storage__init(storage);
		storage->driver = (char *)rows[i].driver;
		storage->source = (char *)rows[i].source;
		storage->fstype = (char *)rows[i].type;
		storage->mount_point = (char *)rows[i].at;
		storage->options = rows[i].options;
		storage->n_options = rows[i].count;
		s->storage_list[i] = storage;
	}
	s->storages[2].driver_options = create;
	s->storages[2].n_driver_options = ARRAY_SIZE(create);
	s->request.storages = s->storage_list;
	s->request.n_storages = ARRAY_SIZE(rows);
	s->root.path = (char *)STORAGE_ROOT "rootfs";
}

static void fill_limit(struct spec *s)
{
	grpc__linux_resources__init(&s->resources);
	grpc__linux_memory__init(&s->memory);
	s->memory.limit = BENCH_LIMIT;
	s->resources.memory = &s->memory;
	s->linux_part.resources = &s->resources;
}

static double create_container(
	struct bench_agent *agent, const char *id, enum bench_kind kind, char **argv)
{
	struct spec s;

	memset(&s, 0, sizeof(s));
	grpc__create_container_request__init(&s.request);
	grpc__spec__init(&s.oci);
	grpc__root__init(&s.root);
	s.request.container_id = (char *)id;
	s.request.oci = &s.oci;
	s.oci.version = (char *)"1.0.2";
	s.oci.root = &s.root;
	s.root.path = (char *)BENCH_ROOTFS;
	s.oci.process = &s.process;
	fill_process(&s.process, &s.user, argv);
	fill_capabilities(&s);
	fill_mounts(&s);
	fill_linux(&s, id);
	if (kind == BENCH_SECCOMP)
		fill_seccomp(&s);
	if (kind == BENCH_STORAGES)
		fill_storages(&s);
	if (kind == BENCH_LIMITED)
		fill_limit(&s);
	return timed(agent, "CreateContainer", &s.request);
}

const char *const *bench_seccomp_names(void)
{
	/* what a container's `true` may do without, and what Docker's profile keeps from it */
	static const char *const kept_back[] = {"reboot", "kexec_load", "mount", "umount2",
		"swapon", "swapoff", "init_module", "delete_module", "pivot_root", "ptrace", "acct",
		"settimeofday", "iopl", "ioperm"};
	static const char *names[SECCOMP_RULES];
	size_t count = 0;

	if (names[0])
		return names;
	for (int n = 0; count < SECCOMP_RULES && n < 1000; n++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, n);
		bool skip = !name;

		for (size_t i = 0; !skip && i < ARRAY_SIZE(kept_back); i++)
			skip = str_eq(name, kept_back[i]);
		if (!skip)
			names[count++] = name;
	}
	if (count < SECCOMP_RULES)
		bench_die("seccomp profile", "libseccomp knows too few system calls");
	return names;
}

/* ---- what is timed --------------------------------------------------------------------------- */

void bench_container(struct bench_agent *agent, enum bench_kind kind, double us[BENCH_STEPS])
{
	static char *argv[] = {(char *)"/bin/true", NULL};

	us[0] = create_container(agent, "bench", kind, argv);
	us[1] = start_container(agent, "bench");
	us[2] = wait_process(agent, "bench", "");
	us[3] = remove_container(agent, "bench");
}

void bench_oom(struct bench_agent *agent)
{
	static char *argv[] = {(char *)"/bin/oom_hog", (char *)BENCH_CLOCK, NULL};

	create_container(agent, "oom", BENCH_LIMITED, argv);
	start_container(agent, "oom");
	wait_status(agent, "oom", "", 137);
	remove_container(agent, "oom");
}

double bench_exec(struct bench_agent *agent, const char *id)
{
	static char *argv[] = {(char *)"/bin/true", NULL};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process;
	Grpc__User user;
	double us;

	static unsigned count;
	char exec_id[32];

	str_format(exec_id, sizeof(exec_id), "exec%u", count++);
	fill_process(&process, &user, argv);
	request.container_id = (char *)id;
	request.exec_id = exec_id;
	request.process = &process;
	us = timed(agent, "ExecProcess", &request);
	return us + wait_process(agent, id, exec_id);
}

void bench_hold(struct bench_agent *agent, const char *id)
{
	static char *argv[] = {(char *)"/bin/sleep", (char *)"1000000", NULL};

	create_container(agent, id, BENCH_PLAIN, argv);
	start_container(agent, id);
}

void bench_drop(struct bench_agent *agent, const char *id)
{
	remove_container(agent, id);
}

/* ---- bulk output ----------------------------------------------------------------------------- */

struct transfer {
	struct bench_agent *agent;
	struct client_call calls[8];
	uint64_t got, segment_bytes, expected;
	size_t segment;
	double *us, since;
	bool end;
};

static void on_read(struct client_call *c, int result, const struct error *err);

static void read_more(struct transfer *t, struct client_call *c)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	struct error err = ERROR_INIT;

	request.container_id = (char *)"bench";
	request.len = READ_BYTES;
	c->data = t;
	if (client_call_start(t->agent->client, c, grpc__agent_service__descriptor.name,
		    "ReadStdout", &request.base, &grpc__read_stream_response__descriptor,
		    CALL_TIMEOUT_MS, on_read, &err) < 0)
		bench_die("ReadStdout", err.text);
}

static void on_read(struct client_call *c, int result, const struct error *err)
{
	const Grpc__ReadStreamResponse *response = (const void *)c->response;
	struct transfer *t = c->data;
	size_t len;

	if (result < 0)
		bench_die("ReadStdout", err->text);
	len = response->data.len;
	if (len && (response->data.data[0] != 'x' || response->data.data[len - 1] != 'x'))
		bench_die("ReadStdout", "not the bytes that were printed");
	t->got += len;
	while (t->got >= (t->segment + 1) * t->segment_bytes && t->got <= t->expected &&
		t->segment < t->expected / t->segment_bytes) {
		double now = bench_now_us();

		t->us[t->segment++] = now - t->since;
		t->since = now;
	}
	client_call_release(c);
	if (len == 0)
		t->end = true;
	else
		read_more(t, c);
}

void bench_read(struct bench_agent *agent, unsigned in_flight, uint64_t segment_bytes,
	size_t segments, double *us)
{
	struct transfer t = {.agent = agent,
		.segment_bytes = segment_bytes,
		.expected = segment_bytes * segments,
		.us = us};
	char bytes[32];
	char *argv[] = {(char *)"/bin/bare_vsock", (char *)"write", bytes, NULL};

	str_format(bytes, sizeof(bytes), "%llu", (unsigned long long)t.expected);
	create_container(agent, "bench", BENCH_PLAIN, argv);
	start_container(agent, "bench");
	t.since = bench_now_us();
	for (unsigned i = 0; i < in_flight; i++)
		read_more(&t, &t.calls[i]);
	while (!t.end || ttrpc_client_in_flight(agent->client) > 0)
		event_loop_step(agent->loop, -1);
	if (t.got != t.expected)
		bench_die("ReadStdout", "not as many bytes as were printed");
	wait_process(agent, "bench", "");
	remove_container(agent, "bench");
}
