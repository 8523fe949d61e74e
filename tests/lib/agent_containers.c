/* agent_fixture: the containers of a test, their requests and streams: see agent_fixture.h. */
#include "lib/agent_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "lib/test_main.h"

/* Where storages of a guest's containers are mounted, and the options the agent knows. */
#define STORAGE_ROOT	 "/run/kata-containers/shared/containers/"
#define CREATE_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="
#define BUSYBOX		 "/bin/busybox"

/* ---- requests -------------------------------------------------------------------------------- */

static void fill_mounts(struct test_container *c)
{
	static const char *const mounts[3][6] = {{"/proc", "proc", "proc"},
		{"/dev", "tmpfs", "tmpfs", "nosuid", "mode=755"},
		{"/dev/pts", "devpts", "devpts", "newinstance", "ptmxmode=0666"}};

	for (size_t i = 0; i < 3; i++) {
		Grpc__Mount *m = &c->mounts[i];

		grpc__mount__init(m);
		m->destination = (char *)mounts[i][0];
		m->type = (char *)mounts[i][1];
		m->source = (char *)mounts[i][2];
		m->options = c->options[i];
		for (size_t k = 3; k < 6 && mounts[i][k]; k++)
			c->options[i][m->n_options++] = (char *)mounts[i][k];
		c->mount_list[i] = m;
	}
	c->spec.mounts = c->mount_list;
	c->spec.n_mounts = 3;
}

static void fill_linux(struct test_container *c, const char *id)
{
	static const char *const types[] = {"pid", "ipc", "uts", "mount", "cgroup"};

	grpc__linux__init(&c->linux_part);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		grpc__linux_namespace__init(&c->namespaces[i]);
		c->namespaces[i].type = (char *)types[i];
		c->namespace_list[i] = &c->namespaces[i];
	}
	c->linux_part.namespaces = c->namespace_list;
	c->linux_part.n_namespaces = ARRAY_SIZE(types);
	/* a group of this test's own: tests that run at the same time share the host's hierarchy */
	str_format(c->group, sizeof(c->group), "/cradle-test-%d/%s", (int)getpid(), id);
	c->linux_part.cgroupspath = c->group;
	c->spec.linux = &c->linux_part;
}

static void fill_process(Grpc__Process *process, struct test_container *c, const char *const *argv)
{
	grpc__process__init(process);
	process->args = c->args;
	for (; argv[process->n_args]; process->n_args++)
		c->args[process->n_args] = (char *)argv[process->n_args];
	process->env = c->env;
	c->env[process->n_env++] = (char *)"PATH=/bin";
	process->cwd = (char *)"/";
	grpc__user__init(&c->user);
	process->user = &c->user;
	grpc__linux_capabilities__init(&c->capabilities);
	c->caps[0] = (char *)"CAP_KILL";
	c->capabilities.bounding = c->capabilities.effective = c->capabilities.permitted = c->caps;
	c->capabilities.n_bounding = c->capabilities.n_effective = c->capabilities.n_permitted = 1;
	process->capabilities = &c->capabilities;
}

/* As cradle run does it: the disk below, a tmpfs for what is written, an overlay of both. */
static void fill_storages(struct test_container *c, const char *id)
{
	static const char *const kinds[3][4] = {{"blk", "/dev/vda", "erofs", "lower"},
		{"ephemeral", "tmpfs", "tmpfs", "rw"},
		{"overlayfs", "overlay", "overlay", "rootfs"}};

	for (size_t i = 0; i < 3; i++) {
		Grpc__Storage *s = &c->storages[i];

		grpc__storage__init(s);
		s->driver = (char *)kinds[i][0];
		s->source = (char *)kinds[i][1];
		s->fstype = (char *)kinds[i][2];
		str_format(c->paths[i], sizeof(c->paths[i]), STORAGE_ROOT "%s/%s", id, kinds[i][3]);
		s->mount_point = c->paths[i];
		s->options = c->storage_options[i];
		c->storage_list[i] = s;
	}
	c->storage_options[0][c->storages[0].n_options++] = (char *)"ro";
	for (size_t i = 0; i < 3; i++) {
		static const char *const words[] = {"lowerdir=", "upperdir=", "workdir="};
		static const char *const dirs[] = {"lower", "rw/upper", "rw/work"};

		str_format(c->paths[3 + i], sizeof(c->paths[0]), "%s" STORAGE_ROOT "%s/%s",
			words[i], id, dirs[i]);
		c->storage_options[2][c->storages[2].n_options++] = c->paths[3 + i];
	}
	for (size_t i = 0; i < 2; i++) {
		static char words[2][320];

		str_format(words[i], sizeof(words[i]), CREATE_DIRECTORY "%s",
			strchr(c->paths[4 + i], '=') + 1);
		c->driver_options[i] = words[i];
	}
	c->storages[2].driver_options = c->driver_options;
	c->storages[2].n_driver_options = 2;
	c->request.storages = c->storage_list;
	c->request.n_storages = 3;
	c->root.path = c->paths[2];
}

void container_limit(struct test_container *c, int64_t bytes)
{
	grpc__linux_resources__init(&c->resources);
	grpc__linux_memory__init(&c->memory);
	c->memory.limit = bytes;
	c->resources.memory = &c->memory;
	c->linux_part.resources = &c->resources;
}

void container_fill(struct test_container *c, const struct agent *agent, const char *id,
	const char *const *argv)
{
	memset(c, 0, sizeof(*c));
	grpc__create_container_request__init(&c->request);
	grpc__spec__init(&c->spec);
	grpc__root__init(&c->root);
	c->request.container_id = (char *)id;
	c->request.oci = &c->spec;
	c->spec.version = (char *)"1.0.2";
	c->spec.root = &c->root;
	c->root.path = (char *)agent->rootfs;
	fill_process(&c->process, c, argv);
	c->spec.process = &c->process;
	fill_mounts(c);
	fill_linux(c, id);
	if (agent->vm)
		fill_storages(c, id);
}

/* ---- calls about one container --------------------------------------------------------------- */

void container_send(struct agent *agent, struct test_container *c)
{
	agent_ok(agent, "CreateContainer", &c->request);
}

void container_start_id(struct agent *agent, const char *id)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;

	start.container_id = (char *)id;
	agent_ok(agent, "StartContainer", &start);
}

void container_run(struct agent *agent, const char *id, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, agent, id, argv);
	container_send(agent, &c);
	container_start_id(agent, id);
}

int container_wait(struct agent *agent, const char *id, const char *exec_id)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	int status;

	wait.container_id = (char *)id;
	wait.exec_id = (char *)exec_id;
	if (agent_call(agent, &call, "WaitProcess", &wait, &err) != 0)
		fail_msg("WaitProcess %s: %s", id, err.text);
	status = ((Grpc__WaitProcessResponse *)call.response)->status;
	client_call_release(&call);
	return status;
}

void container_remove_id(struct agent *agent, const char *id)
{
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	remove.container_id = (char *)id;
	agent_ok(agent, "RemoveContainer", &remove);
}

/* ---- streams --------------------------------------------------------------------------------- */

const char *container_output(
	struct agent *agent, const char *id, const char *exec_id, bool want_stderr)
{
	static char text[65536];
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	size_t len = 0;

	read.container_id = (char *)id;
	read.exec_id = (char *)exec_id;
	read.len = 32768;
	for (;;) {
		const Grpc__ReadStreamResponse *response;

		if (agent_call(
			    agent, &call, want_stderr ? "ReadStderr" : "ReadStdout", &read, &err))
			fail_msg("read %s: %s", id, err.text);
		response = (void *)call.response;
		if (response->data.len == 0)
			break;
		assert_true(len + response->data.len < sizeof(text));
		memcpy(text + len, response->data.data, response->data.len);
		len += response->data.len;
	}
	client_call_release(&call);
	text[len] = '\0';
	return text;
}

void container_expect_line(struct agent *agent, const char *id, const char *line)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	const Grpc__ReadStreamResponse *response;
	struct client_call call = {0};

	read.container_id = (char *)id;
	read.len = (uint32_t)strlen(line);
	assert_int_equal(agent_call(agent, &call, "ReadStdout", &read, NULL), 0);
	response = (void *)call.response;
	assert_int_equal(response->data.len, strlen(line));
	assert_memory_equal(response->data.data, line, strlen(line));
	client_call_release(&call);
}

void container_write(struct agent *agent, const char *id, const char *exec_id, const char *text)
{
	Grpc__WriteStreamRequest write_request = GRPC__WRITE_STREAM_REQUEST__INIT;

	write_request.container_id = (char *)id;
	write_request.exec_id = (char *)exec_id;
	write_request.data.data = (uint8_t *)text;
	write_request.data.len = strlen(text);
	agent_ok(agent, "WriteStdin", &write_request);
}

void container_expect_much_output(struct agent *agent, const char *id, size_t total)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct client_call call = {0};
	char script[128], *expected;
	ssize_t size = file_read_alloc(BUSYBOX, 16 << 20, &expected);
	size_t got = 0;

	assert_true(size > 0);
	str_format(
		script, sizeof(script), "while cat /bin/busybox; do :; done | head -c %zu", total);
	container_run(agent, id, script);
	read.container_id = (char *)id;
	read.len = 1 << 20;
	for (;;) {
		const Grpc__ReadStreamResponse *r;

		assert_int_equal(agent_call(agent, &call, "ReadStdout", &read, NULL), 0);
		r = (void *)call.response;
		if (r->data.len == 0)
			break;
		for (size_t i = 0; i < r->data.len; i++)
			if (r->data.data[i] != (uint8_t)expected[(got + i) % (size_t)size])
				fail_msg("byte %zu differs", got + i);
		got += r->data.len;
	}
	client_call_release(&call);
	free(expected);
	assert_int_equal(got, total);
	container_remove_id(agent, id);
}

/* ---- whole lives, execs ---------------------------------------------------------------------- */

int container_whole(struct agent *agent, const char *id, const char *script, const char **ret)
{
	const char *output;
	int status;

	container_run(agent, id, script);
	output = container_output(agent, id, "", false);
	if (ret)
		*ret = output;
	status = container_wait(agent, id, "");
	container_remove_id(agent, id);
	return status;
}

int container_exec_sh(struct agent *agent, const char *id, const char *exec_id, const char *script,
	struct error *err)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct test_container c;
	struct client_call call = {0};
	Grpc__Process process;
	int r;

	memset(&c, 0, sizeof(c));
	fill_process(&process, &c, argv);
	process.capabilities = NULL;
	request.container_id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.process = &process;
	r = agent_call(agent, &call, "ExecProcess", &request, err);
	client_call_release(&call);
	return r;
}
