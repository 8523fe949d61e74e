/* oci_container: see oci_container.h. */
#include "lib/oci_container.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/test_main.h"

#define ID     "oci"
#define INSIDE OCI_SHARED "inside"

struct oci oci;

void oci_copy(const char *name, const void *data, size_t len, uint32_t mode)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;
	char path[200];

	str_format(path, sizeof(path), OCI_SHARED "%s", name);
	r.path = path;
	r.file_size = (int64_t)len;
	r.file_mode = S_IFREG | mode;
	r.dir_mode = 0755;
	r.data.data = (uint8_t *)data;
	r.data.len = len;
	agent_ok(oci.agent, "CopyFile", &r);
}

void oci_prepare(struct agent *agent)
{
	char *text;
	ssize_t n = file_read_alloc(INSIDE_PATH, 3 << 20, &text);

	if (n < 0)
		fail_msg("no " INSIDE_PATH);
	oci.agent = agent;
	oci_copy("inside", text, (size_t)n, 0755);
	free(text);
}

static void slot(size_t n)
{
	if (n >= OCI_ROOM)
		fail_msg("OCI_ROOM");
}

void oci_fill(const char *verb, ...)
{
	static const char *const argv[] = {"/inside", NULL};
	struct agent *agent = oci.agent;
	Grpc__Process *process = &oci.c.process;
	va_list ap;

	memset(&oci, 0, sizeof(oci));
	oci.agent = agent;
	container_fill(&oci.c, agent, ID, argv);
	oci.args[0] = (char *)"/inside";
	process->args = oci.args;
	process->n_args = 1;
	va_start(ap, verb);
	for (; verb; verb = va_arg(ap, const char *)) {
		slot(process->n_args);
		oci.args[process->n_args++] = (char *)verb;
	}
	va_end(ap);
	for (size_t i = 0; i < oci.c.spec.n_mounts; i++)
		oci.mounts[i] = oci.c.mount_list[i];
	oci.c.spec.mounts = oci.mounts;
	for (size_t i = 0; i < oci.c.linux_part.n_namespaces; i++)
		oci.namespaces[i] = oci.c.namespace_list[i];
	oci.c.linux_part.namespaces = oci.namespaces;
	oci_mount(INSIDE, "/inside", "bind", "rbind,ro");
}

/* Words of a comma-separated list, in slot i. */
static size_t split(size_t i, const char *options)
{
	char *rest = oci.options[i], *word;
	size_t n = 0;

	slot(i);
	str_copy(oci.options[i], sizeof(oci.options[i]), options ? options : "");
	while ((word = strsep(&rest, ",")))
		if (*word)
			oci.words[i][n < 39 ? n++ : 39] = word;
	return n;
}

void oci_storage(const char *name, const char *options)
{
	Grpc__CreateContainerRequest *r = &oci.c.request;
	size_t i = r->n_storages, k = OCI_ROOM - 1 - i;
	static char paths[OCI_ROOM][100];
	Grpc__Storage *s = &oci.storage[i];

	slot(i);
	for (size_t n = 0; n < i; n++)
		oci.storages[n] = r->storages[n];
	str_format(paths[i], sizeof(paths[i]), OCI_SHARED "%s", name);
	grpc__storage__init(s);
	s->driver = (char *)"ephemeral";
	s->source = s->fstype = (char *)"tmpfs";
	s->mount_point = paths[i];
	s->n_options = split(k, options);
	s->options = oci.words[k];
	oci.storages[i] = s;
	r->storages = oci.storages;
	r->n_storages = i + 1;
}

Grpc__Mount *oci_mount(
	const char *source, const char *destination, const char *type, const char *options)
{
	size_t i = oci.c.spec.n_mounts;
	Grpc__Mount *m = &oci.mount[i];

	slot(i);
	grpc__mount__init(m);
	m->source = (char *)source;
	m->destination = (char *)destination;
	m->type = (char *)type;
	m->options = oci.words[i];
	m->n_options = split(i, options);
	oci.mounts[oci.c.spec.n_mounts++] = m;
	return m;
}

void oci_namespace(const char *type, const char *path)
{
	size_t i = oci.c.linux_part.n_namespaces++;

	slot(i);
	grpc__linux_namespace__init(&oci.ns[i]);
	oci.ns[i].type = (char *)type;
	oci.ns[i].path = (char *)path;
	oci.namespaces[i] = &oci.ns[i];
}

void oci_without_namespace(const char *type)
{
	Grpc__Linux *l = &oci.c.linux_part;
	size_t kept = 0;

	for (size_t i = 0; i < l->n_namespaces; i++)
		if (strcmp(oci.namespaces[i]->type, type) != 0)
			oci.namespaces[kept++] = oci.namespaces[i];
	l->n_namespaces = kept;
}

void oci_map_ids(void)
{
	Grpc__Linux *l = &oci.c.linux_part;

	for (size_t i = 0; i < 2; i++) {
		grpc__linux_idmapping__init(&oci.map[i]);
		oci.map[i].containerid = (uint32_t)i;
		oci.map[i].hostid = i ? 100001 : 0;
		oci.map[i].size = i ? 65535 : 1;
		oci.maps[i] = &oci.map[i];
	}
	l->uidmappings = l->gidmappings = oci.maps;
	l->n_uidmappings = l->n_gidmappings = 2;
}

void oci_caps(int set, const char *names)
{
	Grpc__LinuxCapabilities *c = &oci.c.capabilities;
	char ***const lists[] = {
		&c->bounding, &c->effective, &c->inheritable, &c->permitted, &c->ambient};
	size_t *const counts[] = {
		&c->n_bounding, &c->n_effective, &c->n_inheritable, &c->n_permitted, &c->n_ambient};
	static char text[5][400];
	char *rest = text[set], *word;

	str_copy(text[set], sizeof(text[set]), names);
	*lists[set] = oci.caps[set];
	*counts[set] = 0;
	while ((word = strsep(&rest, " ")))
		if (*word)
			oci.caps[set][(*counts[set])++] = word;
}

Grpc__LinuxSyscall *oci_rule(const char *syscall, const char *action, uint32_t errnoret)
{
	Grpc__LinuxSeccomp *s = &oci.seccomp;
	size_t i = s->n_syscalls;
	Grpc__LinuxSyscall *rule = &oci.rule[i];

	slot(i);
	if (!oci.c.linux_part.seccomp) {
		grpc__linux_seccomp__init(s);
		s->defaultaction = (char *)"SCMP_ACT_ALLOW";
		s->syscalls = oci.rules;
		oci.c.linux_part.seccomp = s;
	}
	grpc__linux_syscall__init(rule);
	oci.names[i][0] = (char *)syscall;
	rule->names = oci.names[i];
	rule->n_names = 1;
	rule->action = (char *)action;
	if (errnoret) {
		rule->errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
		rule->errnoret = errnoret;
	}
	oci.rules[s->n_syscalls++] = rule;
	return rule;
}

/* One argument a rule. */
void oci_rule_arg(Grpc__LinuxSyscall *rule, uint64_t index, const char *op, uint64_t value,
	uint64_t value_two)
{
	size_t i = (size_t)(rule - oci.rule);

	grpc__linux_seccomp_arg__init(&oci.arg[i]);
	oci.arg[i].index = index;
	oci.arg[i].op = (char *)op;
	oci.arg[i].value = value;
	oci.arg[i].valuetwo = value_two;
	oci.arg_list[i] = &oci.arg[i];
	rule->args = &oci.arg_list[i];
	rule->n_args = 1;
}

const char *oci_run(void)
{
	const char *output;

	container_send(oci.agent, &oci.c);
	container_start_id(oci.agent, ID);
	output = container_output(oci.agent, ID, "", false);
	oci.code = container_wait(oci.agent, ID, "");
	container_remove_id(oci.agent, ID);
	return output;
}

void oci_prints(const char *expected)
{
	assert_string_equal(oci_run(), expected);
	assert_int_equal(oci.code, 0);
}

void oci_refused(int code, const char *text)
{
	agent_fails(oci.agent, "CreateContainer", &oci.c.request, code, text);
}
