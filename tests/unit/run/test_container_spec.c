/* container_spec: the request that goes to the agent. */
#include <string.h>

#include "lib/test_main.h"
#include "run/container_spec.h"

static struct user_identity root = {.home = "/root"};
static struct arena arena;

static struct container_spec sample(void)
{
	static char *args[] = {(char *)"/bin/echo", (char *)"hello"};
	static char *env[] = {(char *)"A=1", (char *)"PATH=/opt", (char *)"A=2"};

	return (struct container_spec){.id = "c1",
		.args = args,
		.arg_count = 2,
		.env = env,
		.env_count = 3,
		.user = &root,
		.memory_bytes = 64 << 20,
		.cpu_quota = 150000,
		.cpu_period = 100000,
		.image_driver = "blk",
		.image_device = "/dev/vda"};
}

static Grpc__CreateContainerRequest *build(const struct container_spec *spec)
{
	struct error err = ERROR_INIT;
	Grpc__CreateContainerRequest *request;

	arena_init(&arena, 1 << 20);
	request = container_spec_build(&arena, spec, &err);
	if (!request)
		fail_msg("%s", err.text);
	return request;
}

static void the_root_is_an_overlay_over_the_image(void **state)
{
	struct container_spec spec = sample();
	Grpc__CreateContainerRequest *r = build(&spec);
	Grpc__Storage **s = r->storages;

	assert_int_equal(r->n_storages, 3);
	assert_string_equal(s[0]->driver, "blk");
	assert_string_equal(s[0]->source, "/dev/vda");
	assert_string_equal(s[0]->fstype, "erofs");
	assert_string_equal(s[0]->options[0], "ro");
	assert_string_equal(s[1]->driver, "ephemeral");
	assert_string_equal(s[1]->options[1], "size=67108864");
	assert_string_equal(s[2]->driver, "overlayfs");
	assert_int_equal(strncmp(s[2]->options[0], "lowerdir=", 9), 0);
	assert_string_equal(s[2]->options[0] + 9, s[0]->mount_point);
	/* Upper and work lie in the tmpfs, and are asked to be made. */
	assert_int_equal(
		strncmp(s[2]->options[1] + 9, s[1]->mount_point, strlen(s[1]->mount_point)), 0);
	assert_int_equal(s[2]->n_driver_options, 2);
	assert_string_equal(strchr(s[2]->driver_options[0], '=') + 1, s[2]->options[1] + 9);
	assert_string_equal(strchr(s[2]->driver_options[1], '=') + 1, s[2]->options[2] + 8);
	assert_string_equal(r->oci->root->path, s[2]->mount_point);
	assert_false(r->oci->root->readonly);
	arena_release(&arena);
}

static void the_process_is_as_asked(void **state)
{
	struct container_spec spec = sample();
	Grpc__CreateContainerRequest *r = build(&spec);
	Grpc__Process *p = r->oci->process;

	assert_string_equal(p->args[1], "hello");
	assert_string_equal(p->cwd, "/");
	assert_int_equal(p->n_env, 4);
	assert_string_equal(p->env[0], "PATH=/opt");
	assert_string_equal(p->env[1], "HOSTNAME=c1");
	assert_string_equal(p->env[2], "HOME=/root");
	assert_string_equal(p->env[3], "A=2");
	assert_int_equal(p->capabilities->n_effective, 14);
	assert_int_equal(r->oci->linux->resources->memory->limit, 64 << 20);
	assert_int_equal(r->oci->linux->resources->cpu->quota, 150000);
	assert_int_equal(r->oci->linux->n_namespaces, 5);
	arena_release(&arena);
}

static void nobody_else_keeps_roots_capabilities(void **state)
{
	struct user_identity web = {
		.uid = 33, .gid = 34, .groups = {4}, .group_count = 1, .home = "/"};
	struct container_spec spec = sample();
	Grpc__CreateContainerRequest *r;

	spec.user = &web;
	spec.arg_count = 0;
	spec.cpu_quota = 0;
	r = build(&spec);
	assert_string_equal(r->oci->process->args[0], "/bin/sh");
	assert_int_equal(r->oci->process->user->uid, 33);
	assert_int_equal(r->oci->process->user->additionalgids[0], 4);
	assert_int_equal(r->oci->process->capabilities->n_bounding, 14);
	assert_int_equal(r->oci->process->capabilities->n_effective, 0);
	assert_null(r->oci->linux->resources->cpu);
	arena_release(&arena);
}

static void volumes_are_shares_mounted_behind_all(void **state)
{
	struct volumes volumes = {.count = 2,
		.list = {{.host = "/h", .guest = "/g"},
			{.host = "/f", .guest = "/etc/f", .read_only = true}},
		.shares = {{.host = "/h", .tag = "volume0"},
			{.host = "/f", .tag = "volume1", .file = true, .read_only = true}}};
	struct container_spec spec = sample();
	Grpc__CreateContainerRequest *r;
	Grpc__Mount **m;
	Grpc__Storage **s;

	spec.volumes = &volumes;
	r = build(&spec);
	s = r->storages;
	m = r->oci->mounts;
	assert_int_equal(r->n_storages, 5);
	assert_string_equal(s[3]->driver, "virtio-fs");
	assert_string_equal(s[3]->source, "volume0");
	assert_string_equal(s[3]->fstype, "virtiofs");
	assert_int_equal(s[3]->n_options, 1);
	assert_string_equal(s[3]->options[0], "nodev");
	assert_int_equal(s[4]->n_options, 2);
	assert_string_equal(s[4]->options[1], "ro");
	assert_int_equal(r->oci->n_mounts, 9);
	assert_string_equal(m[7]->destination, "/g");
	assert_string_equal(m[7]->type, "bind");
	assert_string_equal(m[7]->source, s[3]->mount_point);
	assert_int_equal(m[7]->n_options, 2);
	assert_string_equal(m[8]->destination, "/etc/f");
	assert_int_equal(strncmp(m[8]->source, s[4]->mount_point, strlen(s[4]->mount_point)), 0);
	assert_string_equal(m[8]->source + strlen(s[4]->mount_point), "/file");
	assert_string_equal(m[8]->options[2], "ro");
	arena_release(&arena);
}

/* With a network the sandbox's resolv.conf is the container's; without, the image's stays. */
static void a_network_brings_its_resolv_conf(void **state)
{
	struct container_spec spec = sample();
	Grpc__Spec *oci = build(&spec)->oci;
	const Grpc__Mount *last = oci->mounts[oci->n_mounts - 1];
	size_t without = oci->n_mounts;

	assert_string_not_equal(last->destination, "/etc/resolv.conf");
	arena_release(&arena);
	spec.network = true;
	oci = build(&spec)->oci;
	assert_int_equal(oci->n_mounts, without + 1);
	last = oci->mounts[without];
	assert_string_equal(last->destination, "/etc/resolv.conf");
	assert_string_equal(last->type, "bind");
	assert_string_equal(last->source, "/run/kata-containers/sandbox/resolv.conf");
	assert_string_equal(oci->mounts[0]->destination, "/proc");
	arena_release(&arena);
}

static void travels_over_the_wire(void **state)
{
	struct container_spec spec = sample();
	Grpc__CreateContainerRequest *r = build(&spec), *back;
	size_t size = grpc__create_container_request__get_packed_size(r);
	uint8_t bytes[16384];

	assert_true(size < sizeof(bytes));
	assert_int_equal(grpc__create_container_request__pack(r, bytes), size);
	back = grpc__create_container_request__unpack(NULL, size, bytes);
	assert_non_null(back);
	assert_int_equal(back->oci->n_mounts, 7);
	assert_string_equal(back->oci->mounts[6]->options[5 - 1], "ro");
	grpc__create_container_request__free_unpacked(back, NULL);
	arena_release(&arena);
}

static void refuse(const struct container_spec *spec, const char *naming)
{
	struct error err = ERROR_INIT;

	arena_init(&arena, 1 << 20);
	assert_null(container_spec_build(&arena, spec, &err));
	assert_non_null(strstr(err.text, naming));
	arena_release(&arena);
}

static void bad_values_are_named(void **state)
{
	static char *bad_text[] = {(char *)"caf\xe9"}, *no_key[] = {(char *)"=x"};
	struct container_spec spec = sample();

	spec.id = "-x";
	refuse(&spec, "'-x'");
	spec = sample();
	spec.workdir = "tmp";
	refuse(&spec, "'tmp'");
	spec = sample();
	spec.args = bad_text;
	spec.arg_count = 1;
	refuse(&spec, "UTF-8");
	spec = sample();
	spec.env = no_key;
	spec.env_count = 1;
	refuse(&spec, "'=x'");
}

static void no_memory_is_an_error(void **state)
{
	struct container_spec spec = sample();
	struct error err = ERROR_INIT;

	for (size_t budget = 0; budget < 4096; budget += 128) {
		arena_init(&arena, budget);
		assert_null(container_spec_build(&arena, &spec, &err));
		arena_release(&arena);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_root_is_an_overlay_over_the_image),
	cmocka_unit_test(the_process_is_as_asked),
	cmocka_unit_test(nobody_else_keeps_roots_capabilities),
	cmocka_unit_test(volumes_are_shares_mounted_behind_all),
	cmocka_unit_test(a_network_brings_its_resolv_conf),
	cmocka_unit_test(travels_over_the_wire),
	cmocka_unit_test(bad_values_are_named),
	cmocka_unit_test(no_memory_is_an_error),
};

TEST_MAIN(tests)
