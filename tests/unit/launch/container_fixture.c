/* container_fixture: see container_fixture.h. */
#include "unit/launch/container_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/seccomp.h"
#include "lib/scratch.h"

#define BUSYBOX "/bin/busybox" /* Debian's busybox-static */

static struct event_loop *the_loop;

static void die(const char *what)
{
	fprintf(stderr, "container_fixture: %s: errno %d\n", what, errno);
	exit(99);
}

static void *must(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

/* ---- root ----------------------------------------------------------------------------------- */

static void copy_busybox(const char *root)
{
	char path[PATH_MAX], command[2 * PATH_MAX];

	if (path_join(path, sizeof(path), root, "bin/busybox") < 0)
		die("path");
	snprintf(command, sizeof(command), "cp %s %s", BUSYBOX, path);
	if (system(command) != 0)
		die("cp " BUSYBOX " (package busybox-static)");
}

static void link_applets(const char *root)
{
	FILE *list = popen(BUSYBOX " --list", "re");
	char line[128], path[PATH_MAX];

	if (!list)
		die("busybox --list");
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = '\0';
		if (str_format(path, sizeof(path), "%s/bin/%s", root, line) < 0)
			die("path");
		if (symlink("busybox", path) < 0 && errno != EEXIST)
			die(path);
	}
	pclose(list);
}

static const char *make_root(void)
{
	static char root[PATH_MAX];
	static const char *const dirs[] = {"bin", "etc", "proc", "sys", "dev", "tmp", "data"};
	char path[PATH_MAX];

	if (root[0])
		return root;
	if (!realpath(scratch_mkdir("rootfs"), root))
		die("realpath");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (path_join(path, sizeof(path), root, dirs[i]) < 0 || mkdir(path, 0755) < 0)
			die("mkdir");
	}
	if (path_join(path, sizeof(path), root, "tmp") < 0 || chmod(path, 01777) < 0)
		die("chmod");
	copy_busybox(root);
	link_applets(root);
	scratch_file("rootfs/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbad line\n"
					  "someone:x:1000:1000::/home/someone:/bin/sh\n");
	return root;
}

/* ---- spec ----------------------------------------------------------------------------------- */

static char *copy(struct container_fixture *f, const char *text)
{
	return must(arena_strdup(&f->arena, text));
}

static size_t add_slot(size_t *n)
{
	if (*n + 1 >= FIXTURE_ROOM)
		die("FIXTURE_ROOM");
	return (*n)++;
}

void fixture_args(struct container_fixture *f, ...)
{
	const char *word;
	va_list ap;

	f->process.n_args = 0;
	va_start(ap, f);
	while ((word = va_arg(ap, const char *)))
		f->args[add_slot(&f->process.n_args)] = copy(f, word);
	va_end(ap);
}

void fixture_shell(struct container_fixture *f, const char *text)
{
	fixture_args(f, "sh", "-c", text, NULL);
}

void fixture_env(struct container_fixture *f, const char *entry)
{
	f->env[add_slot(&f->process.n_env)] = copy(f, entry);
}

Grpc__Mount *fixture_mount(struct container_fixture *f, const char *source, const char *destination,
	const char *type, const char *options)
{
	Grpc__Mount *m = must(arena_calloc(&f->arena, 1, sizeof(*m)));
	char *words = copy(f, options), *word;

	grpc__mount__init(m);
	m->source = copy(f, source);
	m->destination = copy(f, destination);
	m->type = copy(f, type);
	m->options = must(arena_calloc(&f->arena, FIXTURE_ROOM, sizeof(char *)));
	while ((word = strsep(&words, ",")))
		if (*word)
			m->options[add_slot(&m->n_options)] = word;
	f->mounts[add_slot(&f->spec.n_mounts)] = m;
	return m;
}

void fixture_namespace(struct container_fixture *f, const char *type, const char *path)
{
	Grpc__LinuxNamespace *ns = must(arena_calloc(&f->arena, 1, sizeof(*ns)));

	grpc__linux_namespace__init(ns);
	ns->type = copy(f, type);
	ns->path = copy(f, path);
	f->namespaces[add_slot(&f->linux.n_namespaces)] = ns;
}

void fixture_without_namespace(struct container_fixture *f, const char *type)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->linux.n_namespaces; i++)
		if (strcmp(f->namespaces[i]->type, type) != 0)
			f->namespaces[kept++] = f->namespaces[i];
	f->linux.n_namespaces = kept;
}

void fixture_mask(struct container_fixture *f, const char *path)
{
	f->masked[add_slot(&f->linux.n_maskedpaths)] = copy(f, path);
}

void fixture_readonly(struct container_fixture *f, const char *path)
{
	f->readonly[add_slot(&f->linux.n_readonlypaths)] = copy(f, path);
}

void fixture_sysctl(struct container_fixture *f, const char *name, const char *value)
{
	Grpc__Linux__SysctlEntry *s = must(arena_calloc(&f->arena, 1, sizeof(*s)));

	grpc__linux__sysctl_entry__init(s);
	s->key = copy(f, name);
	s->value = copy(f, value);
	f->sysctls[add_slot(&f->linux.n_sysctl)] = s;
}

void fixture_rlimit(struct container_fixture *f, const char *type, uint64_t soft, uint64_t hard)
{
	Grpc__POSIXRlimit *l = must(arena_calloc(&f->arena, 1, sizeof(*l)));

	grpc__posixrlimit__init(l);
	l->type = copy(f, type);
	l->soft = soft;
	l->hard = hard;
	f->rlimits[add_slot(&f->process.n_rlimits)] = l;
}

Grpc__LinuxDevice *fixture_device(struct container_fixture *f, const char *path, const char *type,
	int64_t major, int64_t minor)
{
	Grpc__LinuxDevice *d = must(arena_calloc(&f->arena, 1, sizeof(*d)));

	grpc__linux_device__init(d);
	d->path = copy(f, path);
	d->type = copy(f, type);
	d->major = major;
	d->minor = minor;
	f->devices[add_slot(&f->linux.n_devices)] = d;
	return d;
}

static Grpc__LinuxIDMapping **id_map(struct container_fixture *f, uint32_t host, uint32_t size)
{
	Grpc__LinuxIDMapping **list = must(arena_calloc(&f->arena, 2, sizeof(*list)));

	for (int i = 0; i < 2; i++) {
		list[i] = must(arena_calloc(&f->arena, 1, sizeof(**list)));
		grpc__linux_idmapping__init(list[i]);
	}
	/* The first is of size 0, as runtimes send them, and is to be dropped. */
	list[1]->hostid = host;
	list[1]->size = size;
	return list;
}

void fixture_map_ids(struct container_fixture *f, uint32_t host, uint32_t size)
{
	fixture_namespace(f, "user", "");
	f->linux.uidmappings = id_map(f, host, size);
	f->linux.n_uidmappings = 2;
	f->linux.gidmappings = id_map(f, host, size);
	f->linux.n_gidmappings = 2;
}

void fixture_capabilities(struct container_fixture *f, ...)
{
	Grpc__LinuxCapabilities *c = &f->capabilities;
	const char *word;
	size_t n = 0;
	va_list ap;

	va_start(ap, f);
	while ((word = va_arg(ap, const char *)))
		f->caps[add_slot(&n)] = copy(f, word);
	va_end(ap);
	c->bounding = c->effective = c->inheritable = c->permitted = f->caps;
	c->n_bounding = c->n_effective = c->n_inheritable = c->n_permitted = n;
}

static void default_spec(struct container_fixture *f)
{
	static const char *const namespaces[] = {"mount", "pid", "ipc", "uts", "network"};

	grpc__spec__init(&f->spec);
	grpc__process__init(&f->process);
	grpc__root__init(&f->root);
	grpc__linux__init(&f->linux);
	grpc__user__init(&f->user);
	grpc__linux_capabilities__init(&f->capabilities);
	f->spec.process = &f->process;
	f->spec.root = &f->root;
	f->spec.linux = &f->linux;
	f->spec.mounts = f->mounts;
	f->spec.hostname = copy(f, "fixture");
	f->root.path = copy(f, f->rootfs);
	f->process.user = &f->user;
	f->process.capabilities = &f->capabilities;
	f->process.args = f->args;
	f->process.env = f->env;
	f->process.rlimits = f->rlimits;
	f->process.cwd = copy(f, "/");
	f->linux.namespaces = f->namespaces;
	f->linux.devices = f->devices;
	f->linux.sysctl = f->sysctls;
	f->linux.maskedpaths = f->masked;
	f->linux.readonlypaths = f->readonly;
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		fixture_namespace(f, namespaces[i], "");
	fixture_env(f, "PATH=/bin");
	fixture_mount(f, "proc", "/proc", "proc", "nosuid,noexec,nodev");
	fixture_mount(f, "tmpfs", "/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	fixture_mount(f, "devpts", "/dev/pts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	fixture_mount(f, "shm", "/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k");
	fixture_mount(f, "mqueue", "/dev/mqueue", "mqueue", "nosuid,noexec,nodev");
	fixture_mount(f, "sysfs", "/sys", "sysfs", "nosuid,noexec,nodev,ro");
	fixture_capabilities(f, "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "SETUID", "SETGID",
		"CAP_NET_BIND_SERVICE", NULL);
}

static void process_init(struct fixture_process *p)
{
	memset(p, 0, sizeof(*p));
	p->out = p->in = -1;
}

void fixture_init(struct container_fixture *f)
{
	if (geteuid() != 0)
		die("these tests want root");
	if (!the_loop) {
		the_loop = event_loop_new();
		if (!the_loop || child_reaper_init(the_loop) < 0)
			die("event loop");
	}
	memset(f, 0, sizeof(*f));
	f->loop = the_loop;
	f->rootfs = make_root();
	f->cgroup_fd = f->seccomp_fd = -1;
	arena_init(&f->arena, 4 << 20);
	process_init(&f->init);
	f->config = (struct launch_config){
		.container_id = "fixture",
		.rootfs = f->rootfs,
		.cgroup_path = "/",
		.ipc_fd = -1,
		.uts_fd = -1,
		.pid_fd = -1,
	};
	default_spec(f);
}

void fixture_process_release(struct fixture_process *p)
{
	launch_abort(&p->launch);
	close_fd(&p->out);
	close_fd(&p->in);
}

void fixture_release(struct container_fixture *f)
{
	fixture_process_release(&f->init);
	close_fd(&f->cgroup_fd);
	close_fd(&f->seccomp_fd);
	arena_release(&f->arena);
}

/* ---- launching ------------------------------------------------------------------------------ */

static void on_event(struct launch *launch, enum launch_event event, const struct error *err)
{
	struct fixture_process *p = container_of(launch, struct fixture_process, launch);

	if (event == LAUNCH_CREATED)
		p->created = true;
	else if (event == LAUNCH_RUNNING)
		p->running = true;
	if (event == LAUNCH_FAILED) {
		p->failed = true;
		p->error = *err;
		error_render(err, p->text, sizeof(p->text));
	}
}

static void on_exit_event(struct launch *launch)
{
	container_of(launch, struct fixture_process, launch)->exited = true;
}

static void read_output(struct fixture_process *p)
{
	while (p->out >= 0 && p->output_len < sizeof(p->output) - 1) {
		ssize_t n = read(
			p->out, p->output + p->output_len, sizeof(p->output) - 1 - p->output_len);

		if (n <= 0)
			return;
		p->output_len += (size_t)n;
		p->output[p->output_len] = '\0';
	}
}

void fixture_step(struct container_fixture *f, struct fixture_process *p)
{
	if (event_loop_step(f->loop, 100) < 0)
		die("event_loop_step");
	read_output(p);
}

int fixture_begin(struct container_fixture *f, struct fixture_process *p,
	const struct launch_request *request, struct error *err)
{
	return launch_begin(f->loop, &p->launch, request, on_event, on_exit_event, err);
}

static bool begin_failed(struct fixture_process *p)
{
	p->failed = true;
	error_render(&p->error, p->text, sizeof(p->text));
	return false;
}

static bool begin(struct container_fixture *f, struct fixture_process *p,
	const struct launch_plan *plan, const struct namespace_set *join)
{
	struct launch_request request = {
		.plan = plan,
		.cgroup_fd = f->cgroup_fd,
		.join = join,
		.seccomp_fd = f->seccomp_fd,
		.stdio = {-1, -1, -1},
	};
	int out[2], in[2], r;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0)
		die("pipe");
	fd_set_nonblock(out[0], true);
	request.stdio = (struct launch_stdio){in[0], out[1], out[1]};
	r = fixture_begin(f, p, &request, &p->error);
	close(out[1]);
	close(in[0]);
	p->out = out[0];
	p->in = in[1];
	if (r < 0)
		return begin_failed(p);
	while (!p->created && !p->failed)
		fixture_step(f, p);
	return p->created;
}

bool fixture_create(struct container_fixture *f)
{
	const struct launch_plan *plan;

	if (launch_plan_container(&f->spec, &f->config, &f->arena, &plan, &f->init.error) < 0)
		return begin_failed(&f->init);
	return begin(f, &f->init, plan, NULL);
}

bool fixture_exec(struct container_fixture *f, struct fixture_process *p)
{
	const struct launch_plan *plan;
	struct namespace_set join;
	Grpc__Process process = f->process;
	bool ok;

	process_init(p);
	if (launch_plan_exec(&process, &f->spec, &f->config, &f->arena, &plan, &p->error) < 0 ||
		namespace_set_pin(&join, f->init.launch.child.pid, &p->error) < 0)
		return begin_failed(p);
	ok = begin(f, p, plan, &join);
	namespace_set_release(&join);
	return ok;
}

bool fixture_start(struct container_fixture *f, struct fixture_process *p)
{
	if (launch_start(&p->launch, &p->error) < 0)
		return begin_failed(p);
	while (!p->running && !p->failed)
		fixture_step(f, p);
	return p->running;
}

int fixture_wait(struct container_fixture *f, struct fixture_process *p)
{
	while (!p->exited && !p->failed)
		fixture_step(f, p);
	read_output(p);
	return p->launch.child.exit_status;
}

int fixture_run(struct container_fixture *f)
{
	if (!fixture_create(f) || !fixture_start(f, &f->init))
		return -1;
	return fixture_wait(f, &f->init);
}

void fixture_compile_seccomp(struct container_fixture *f)
{
	struct error err = ERROR_INIT;

	f->seccomp_fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (f->seccomp_fd < 0 || seccomp_compile(f->linux.seccomp, f->seccomp_fd, &err) < 0)
		die(err.text);
}

int fixture_count_mounts(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int count = 0, c;

	if (!file)
		die("mountinfo");
	while ((c = fgetc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}
