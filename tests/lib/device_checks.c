/* device_checks: see device_checks.h. */
#include "lib/device_checks.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_groups.h"
#include "lib/test_main.h"

static char *mknod_caps[] = {
	(char *)"CAP_MKNOD", (char *)"CAP_DAC_OVERRIDE", (char *)"CAP_SYS_ADMIN"};

static Grpc__LinuxDeviceCgroup rules[4], *rule_list[4];

static void rule(struct test_container *c, bool allow, const char *type, int64_t major,
	int64_t minor, const char *access)
{
	size_t i = c->resources.n_devices++;

	if (i == 0)
		grpc__linux_resources__init(&c->resources);
	c->resources.n_devices = i + 1;
	grpc__linux_device_cgroup__init(&rules[i]);
	rules[i].allow = allow;
	rules[i].type = (char *)type;
	rules[i].major = major;
	rules[i].minor = minor;
	rules[i].access = (char *)access;
	rule_list[i] = &rules[i];
	c->resources.devices = rule_list;
	c->linux_part.resources = &c->resources;
}

static void fill(struct test_container *c, const struct agent *agent, const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};

	container_fill(c, agent, "devices", argv);
	c->capabilities.bounding = c->capabilities.effective = c->capabilities.permitted =
		mknod_caps;
	c->capabilities.n_bounding = c->capabilities.n_effective = c->capabilities.n_permitted =
		ARRAY_SIZE(mknod_caps);
}

static void prints(struct agent *agent, struct test_container *c, const char *expected)
{
	container_send(agent, c);
	container_start_id(agent, "devices");
	assert_string_equal(container_output(agent, "devices", "", false), expected);
	assert_int_equal(container_wait(agent, "devices", ""), 0);
	container_remove_id(agent, "devices");
}

void check_device_control(struct agent *agent, unsigned disk_major, unsigned disk_minor)
{
	/* try NAME...: make it anew and open it; a number nobody serves is none, not denied */
	static const char script[] =
		"cd /dev; try() { n=$1; shift; rm -f t; "
		"mknod t \"$@\" 2>/dev/null || { echo $n: not made; return; }; "
		"e=$(dd if=t of=/dev/null count=0 2>&1); "
		"case \"$e\" in *\"not permitted\"*) echo $n: denied;; *) echo $n: open;; esac; }; "
		"try disk b %u %u; try zero c 1 5; try null c 1 3; try mem c 1 1; try kmsg c 1 11; "
		"echo x > /dev/null && echo null: written";
	char text[600];
	struct test_container c;

	str_format(text, sizeof(text), script, disk_major, disk_minor);
	fill(&c, agent, text);
	prints(agent, &c,
		"disk: denied\nzero: open\nnull: open\nmem: denied\nkmsg: denied\n"
		"null: written\n");
	/* what Docker sends: nothing, then something; and an exception from the defaults */
	fill(&c, agent, text);
	rule(&c, false, "a", -1, -1, "rwm");
	rule(&c, true, "b", disk_major, -1, "r");
	rule(&c, false, "c", 1, 3, "m");
	rule(&c, false, "c", 1, 11, "rwm");
	if (groups_v1_only()) { /* an exception from an exception */
		agent_fails(agent, "CreateContainer", &c.request, STATUS_FAILED_PRECONDITION,
			"cgroup v1 cannot deny c 1:3 m beside c *:* m");
		return;
	}
	prints(agent, &c,
		"disk: open\nzero: open\nnull: not made\nmem: denied\nkmsg: not made\n"
		"null: written\n");
}

/* From an exec; a node that nobody serves is none, not denied. */
static void expect_open(struct agent *agent, bool open)
{
	static const char script[] = "dd if=/dev/t of=/dev/null count=0 2>&1; echo end";
	static unsigned n;
	const char *output;
	char id[16];

	str_format(id, sizeof(id), "open%u", n++);
	assert_int_equal(container_exec_sh(agent, "devices", id, script, NULL), 0);
	output = container_output(agent, "devices", id, false);
	if (!strstr(output, "end\n") || !strstr(output, "not permitted") != open)
		fail_msg("want it %s: %s", open ? "open" : "denied", output);
	container_wait(agent, "devices", id);
}

void check_device_update(struct agent *agent)
{
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources none = GRPC__LINUX_RESOURCES__INIT;
	struct test_container c;

	fill(&c, agent, "mknod /dev/t c 10 229; echo up; sleep 1000");
	container_send(agent, &c);
	container_start_id(agent, "devices");
	container_expect_line(agent, "devices", "up\n");
	expect_open(agent, false);
	request.container_id = (char *)"devices";
	request.resources = &c.resources;
	grpc__linux_resources__init(&c.resources);
	rule(&c, false, "a", -1, -1, "rwm");
	rule(&c, true, "c", 10, 229, "rw");
	agent_ok(agent, "UpdateContainer", &request);
	expect_open(agent, true);
	/* no rules sent: as they are */
	request.resources = &none;
	agent_ok(agent, "UpdateContainer", &request);
	expect_open(agent, true);
	request.resources = &c.resources;
	c.resources.n_devices = 1;
	agent_ok(agent, "UpdateContainer", &request);
	expect_open(agent, false);
	container_remove_id(agent, "devices");
}

void check_root_disk_denied(struct agent *agent, unsigned disk_major, unsigned disk_minor)
{
	char text[300];
	struct test_container c;

	str_format(text, sizeof(text),
		"cd /dev; mknod t b %u %u || exit 0; dd if=t of=/dev/null count=1 && echo read",
		disk_major, disk_minor);
	fill(&c, agent, text);
	rule(&c, true, "a", 0, 0, "rwm");
	rule(&c, true, "b", disk_major, disk_minor, "rwm");
	prints(agent, &c, "");
}
