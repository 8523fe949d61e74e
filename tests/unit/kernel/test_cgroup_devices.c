/*
 * cgroup_devices.c: rules -> program, run here by an interpreter of the few instructions it is made
 * of; then by the kernel's verifier. c22: wildcards; c30: device control on cgroup v2.
 */
#include "kernel/cgroup_devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/strings.h"
#include "hard_limits.h"
#include "lib/test_main.h"

#define B     BPF_DEVCG_DEV_BLOCK
#define C     BPF_DEVCG_DEV_CHAR
#define R     BPF_DEVCG_ACC_READ
#define W     BPF_DEVCG_ACC_WRITE
#define M     BPF_DEVCG_ACC_MKNOD
#define RULES 16

static struct arena arena;
static const struct cgroup no_group = {0};
static struct device_program program;
static struct device_denied denied;
static Grpc__Linux linux_part;
static Grpc__LinuxResources resources;
static Grpc__LinuxDeviceCgroup rules[RULES], *rule_list[DEVICE_RULES_MAX + 1];

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	denied.count = 0;
	grpc__linux__init(&linux_part);
	grpc__linux_resources__init(&resources);
	linux_part.resources = &resources;
	resources.devices = rule_list;
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

static void rule(bool allow, const char *type, int64_t major, int64_t minor, const char *access)
{
	Grpc__LinuxDeviceCgroup *r = &rules[resources.n_devices];

	grpc__linux_device_cgroup__init(r);
	r->allow = allow;
	r->type = (char *)type;
	r->major = major;
	r->minor = minor;
	r->access = (char *)access;
	rule_list[resources.n_devices++] = r;
}

static void plan(void)
{
	struct error err = ERROR_INIT;

	if (cgroup_devices_plan(NULL, &linux_part, resources.n_devices == 0, &denied, &arena,
		    &program, &err) < 0)
		fail_msg("%s", err.text);
}

static uint64_t load(const struct bpf_cgroup_dev_ctx *context, int16_t offset)
{
	uint32_t value;

	assert_true(offset >= 0 && (size_t)offset + sizeof(value) <= sizeof(*context));
	memcpy(&value, (const char *)context + offset, sizeof(value));
	return value;
}

/* Does the program allow it? Fails the test on anything it should not be made of. */
static bool allowed(unsigned type, unsigned major, unsigned minor, unsigned access)
{
	struct bpf_cgroup_dev_ctx context = {access << 16 | type, major, minor};
	uint64_t reg[11] = {0};

	for (size_t at = 0; at < program.count; at++) {
		const struct bpf_insn *i = &program.insns[at];
		uint64_t imm = (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, 1);
			reg[i->dst_reg] = load(&context, i->off);
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			reg[i->dst_reg] = reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = imm;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			reg[i->dst_reg] &= imm;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			reg[i->dst_reg] >>= imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			at += reg[i->dst_reg] != imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += reg[i->dst_reg] == imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			assert_true(reg[0] <= 1);
			return reg[0];
		default:
			fail_msg("instruction %zu: code 0x%x", at, i->code);
		}
	}
	fail_msg("it runs past its end");
	return false;
}

static void expect_defaults(void)
{
	assert_true(allowed(C, 1, 3, R | W));
	assert_true(allowed(C, 1, 9, R));
	assert_true(allowed(C, 5, 0, R | W));
	assert_true(allowed(C, 5, 2, R | W));
	assert_true(allowed(C, 136, 17, R | W));
	assert_true(allowed(C, 10, 200, R | W));
	assert_true(allowed(B, 254, 0, M));
	assert_true(allowed(C, 42, 42, M));
	assert_false(allowed(B, 254, 0, R));
	assert_false(allowed(B, 254, 0, M | R));
	assert_false(allowed(C, 1, 1, R)); /* /dev/mem */
	assert_false(allowed(C, 1, 11, W));
	assert_false(allowed(B, 1, 3, R)); /* a block device of null's number */
}

static void test_no_rules(void **state)
{
	plan();
	expect_defaults();
	assert_false(program.required);
	linux_part.resources = NULL;
	plan();
	expect_defaults();
}

static void test_deny_everything_leaves_the_defaults(void **state)
{
	rule(true, "c", 10, 229, "rwm");
	rule(false, "a", -1, -1, "rwm");
	plan();
	expect_defaults();
	assert_false(allowed(C, 10, 229, R)); /* what came before is gone */
	assert_true(program.required);
}

static void test_last_match_wins(void **state)
{
	rule(false, "a", -1, -1, "rwm");
	rule(true, "c", 10, 229, "rw");
	rule(false, "c", 10, 229, "w");
	rule(false, "c", 1, 5, "rwm");
	rule(true, "b", 8, 1, "r");
	rule(true, "b", 8, 1, "w");
	plan();
	assert_true(allowed(C, 10, 229, R));
	assert_false(allowed(C, 10, 229, W));
	assert_false(allowed(C, 10, 229, R | W));
	assert_false(allowed(C, 1, 5, R));
	assert_true(allowed(C, 1, 3, R));
	/* each letter by itself: two rules together allow both */
	assert_true(allowed(B, 8, 1, R | W));
	assert_true(allowed(B, 8, 1, R | W | M));
	assert_false(allowed(B, 8, 2, R));
	rule(true, "c", 1, 5, "r");
	plan();
	assert_true(allowed(C, 1, 5, R));
	assert_false(allowed(C, 1, 5, R | W));
}

static void test_c22_wildcards(void **state)
{
	rule(true, "b", 8, -1, "rw");
	rule(true, "c", -1, 7, "r");
	plan();
	assert_false(program.required);
	assert_true(allowed(B, 8, 0, R | W));
	assert_true(allowed(B, 8, 1048575, R));
	assert_false(allowed(B, 9, 0, R));
	assert_true(allowed(C, 4, 7, R));
	assert_false(allowed(C, 4, 8, R));
	assert_false(allowed(C, 4, 7, W));
	/* Go's runtime sends 0 for "not said"; a minor of 0 after a real major is a number */
	rule(true, "c", 0, 0, "rwm");
	rule(true, "b", 9, 0, "rwm");
	plan();
	assert_true(allowed(C, 4, 8, W));
	assert_true(allowed(B, 9, 0, W));
	assert_false(allowed(B, 9, 1, R));
}

static void test_allow_everything(void **state)
{
	denied.list[0] = makedev(254, 0);
	denied.list[1] = makedev(259, 300);
	denied.count = 2;
	rule(true, "a", 0, 0, "rwm");
	plan();
	assert_true(allowed(C, 1, 1, R | W | M));
	assert_true(allowed(B, 8, 0, R | W));
	/* but for the guest's own root disk */
	assert_false(allowed(B, 254, 0, R));
	assert_false(allowed(B, 254, 0, M));
	assert_false(allowed(B, 259, 300, W));
	assert_true(allowed(B, 254, 1, R));
	assert_true(allowed(C, 254, 0, R));
	rule(true, "b", 254, 0, "r");
	plan();
	assert_false(allowed(B, 254, 0, R));
	/* a later denial is an exception from it */
	rule(false, "c", 1, 1, "w");
	plan();
	assert_true(allowed(C, 1, 1, R));
	assert_false(allowed(C, 1, 1, W));
}

static void test_nodes_of_the_spec(void **state)
{
	Grpc__LinuxDevice node = GRPC__LINUX_DEVICE__INIT, pipe = GRPC__LINUX_DEVICE__INIT;
	Grpc__LinuxDevice *nodes[] = {&node, &pipe};

	node.type = (char *)"c";
	node.major = 10;
	node.minor = 229;
	pipe.type = (char *)"p";
	linux_part.devices = nodes;
	linux_part.n_devices = 2;
	plan();
	assert_true(allowed(C, 10, 229, R | W));
	assert_false(allowed(B, 10, 229, R));
	expect_defaults();
	rule(false, "a", -1, -1, "rwm"); /* who sends rules says all that is wanted */
	plan();
	assert_false(allowed(C, 10, 229, R));
}

static void refused(const char *text)
{
	struct error err = ERROR_INIT;

	assert_true(cgroup_devices_plan(NULL, &linux_part, resources.n_devices == 0, &denied,
			    &arena, &program, &err) < 0);
	if (!strstr(err.text, text))
		fail_msg("want '%s' in '%s'", text, err.text);
	resources.n_devices = 0;
}

static void test_bad_rules(void **state)
{
	rule(true, "z", 1, 3, "r");
	refused("Devices[0]: type \"z\"");
	rule(true, "c", 1, 3, "x");
	refused("access \"x\"");
	rule(true, "c", 1, 3, "");
	refused("access");
	rule(true, "c", 4096, 3, "r");
	refused("4096:3");
	rule(true, "c", -2, 3, "r");
	refused("-2:3");
	rule(true, "c", 3, 1048576, "r");
	refused("3:1048576");
	rule(true, "c", 1, 3, "r");
	for (size_t i = 1; i <= DEVICE_RULES_MAX; i++)
		rule_list[i] = rule_list[0];
	resources.n_devices = DEVICE_RULES_MAX + 1;
	refused("more than");
}

/* The verifier of the kernel has the last word; an unattached program goes with its descriptor. */
static void test_verifier(void **state)
{
	struct error err = ERROR_INIT;
	Grpc__LinuxDeviceCgroup *all = calloc(DEVICE_RULES_MAX, sizeof(*all));
	static char *access[] = {(char *)"r", (char *)"w", (char *)"rwm", (char *)"rw"};

	assert_non_null(all);
	for (size_t i = 0; i < DEVICE_RULES_MAX; i++) {
		grpc__linux_device_cgroup__init(&all[i]);
		all[i].allow = i % 3;
		all[i].type = (char *)(i % 5 ? "c" : "b");
		all[i].major = (int64_t)(i % 7) + 10;
		all[i].minor = i % 11 ? (int64_t)i : -1;
		all[i].access = access[i % 4];
		rule_list[i] = &all[i];
	}
	resources.n_devices = DEVICE_RULES_MAX;
	plan();
	/* -1 is no cgroup: what fails is the attaching, after the program was taken */
	assert_true(cgroup_devices_attach(&no_group, &program, &err) < 0);
	if (!strstr(err.text, "attach the device program"))
		fail_msg("%s (root is needed)", err.text);
	free(all);
	resources.n_devices = 0;
	plan();
	program.required = true;
	assert_true(cgroup_devices_attach(&no_group, &program, &err) < 0);
	assert_non_null(strstr(err.text, "attach the device program"));
	/* the defaults alone: said once, and the container starts */
	program.required = false;
	assert_int_equal(cgroup_devices_attach(&no_group, &program, &err), 0);
}

/* ---- v1 ---- */

static const char *plan_v1(void)
{
	static const struct cgroup_root root = {
		.v1_only = true, .v1 = {1, {{.mount = "/d", .options = "rw,devices"}}}};
	static char text[2048];
	struct error err = ERROR_INIT;
	size_t n = 0;

	text[0] = '\0';
	if (cgroup_devices_plan(&root, &linux_part, resources.n_devices == 0, &denied, &arena,
		    &program, &err) < 0)
		return strcpy(text, err.text);
	assert_null(program.insns);
	for (size_t i = 0; i < program.v1.count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;",
			program.v1.list[i].file + strlen("devices."), program.v1.list[i].value);
	return text;
}

#define V1_DEFAULTS                                                                                \
	"deny=a;allow=c *:* m;allow=b *:* m;allow=c 1:3 rwm;allow=c 1:5 rwm;allow=c 1:7 rwm;"      \
	"allow=c 1:8 rwm;allow=c 1:9 rwm;allow=c 5:0 rwm;allow=c 5:1 rwm;allow=c 5:2 rwm;"         \
	"allow=c 136:* rwm;allow=c 10:200 rwm;"

static void test_v1_lists(void **state)
{
	denied.list[denied.count++] = makedev(254, 1);
	assert_string_equal(plan_v1(), V1_DEFAULTS);
	rule(false, "a", -1, -1, "rwm");
	rule(true, "c", 10, 229, "rw");
	rule(true, "b", 8, -1, "r"); /* c22 */
	assert_string_equal(plan_v1(), V1_DEFAULTS "allow=c 10:229 rw;allow=b 8:* r;");
	/* taken away again, in parts; and all of a kind */
	rule(false, "c", 10, 229, "w");
	rule(false, "c", 136, -1, "rw");
	assert_non_null(strstr(plan_v1(), "allow=c 136:* m;"));
	assert_non_null(strstr(plan_v1(), "allow=c 10:229 r;"));
	/* what may not be opened may be made all the same */
	rule(false, "c", 1, 3, "rwm");
	assert_null(strstr(plan_v1(), "c 1:3"));
}

static void test_v1_everything_but(void **state)
{
	denied.list[denied.count++] = makedev(254, 1);
	rule(true, "a", 0, 0, "rwm");
	rule(false, "c", 1, 11, "w");
	rule(false, "a", 7, -1, "rw");
	assert_string_equal(
		plan_v1(), "allow=a;deny=c 1:11 w;deny=b 7:* rw;deny=c 7:* rw;deny=b 254:1 rwm;");
	rule(true, "c", -1, -1, "w");
	assert_string_equal(plan_v1(), "allow=a;deny=b 7:* rw;deny=c 7:* r;deny=b 254:1 rwm;");
}

static void test_v1_cannot(void **state)
{
	denied.list[denied.count++] = makedev(254, 1);
	rule(true, "b", 254, -1, "rw"); /* the root disk would be among them */
	assert_string_equal(plan_v1(), "Linux.Resources.Devices: cgroup v1 cannot deny b 254:1 rwm "
				       "beside b 254:* rw");
	resources.n_devices = 0;
	rule(false, "c", 1, 3, "m");
	assert_non_null(strstr(plan_v1(), "cannot deny c 1:3 m beside c *:* m"));
	resources.n_devices = 0;
	rule(true, "a", 0, 0, "rwm");
	rule(false, "c", 7, -1, "rw");
	rule(true, "c", 7, 1, "rw");
	assert_non_null(strstr(plan_v1(), "cannot allow c 7:1 rw beside c 7:* rw"));
}

static void test_root_disk(void **state)
{
	struct device_denied found;

	device_denied_root(&found);
	assert_true(found.count <= DEVICE_DENIED_MAX);
	for (size_t i = 0; i < found.count; i++)
		assert_true(major(found.list[i]) != 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_no_rules, setup, teardown),
	cmocka_unit_test_setup_teardown(test_deny_everything_leaves_the_defaults, setup, teardown),
	cmocka_unit_test_setup_teardown(test_last_match_wins, setup, teardown),
	cmocka_unit_test_setup_teardown(test_c22_wildcards, setup, teardown),
	cmocka_unit_test_setup_teardown(test_allow_everything, setup, teardown),
	cmocka_unit_test_setup_teardown(test_nodes_of_the_spec, setup, teardown),
	cmocka_unit_test_setup_teardown(test_bad_rules, setup, teardown),
	cmocka_unit_test_setup_teardown(test_verifier, setup, teardown),
	cmocka_unit_test_setup_teardown(test_v1_lists, setup, teardown),
	cmocka_unit_test_setup_teardown(test_v1_everything_but, setup, teardown),
	cmocka_unit_test_setup_teardown(test_v1_cannot, setup, teardown),
	cmocka_unit_test_setup_teardown(test_root_disk, setup, teardown),
};

int main(void)
{
	test_begin(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
