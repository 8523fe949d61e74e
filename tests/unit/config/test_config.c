/* agent/config.c: the command line's words, hostile ones too; environment; arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config.h"
#include "hard_limits.h"
#include "lib/test_main.h"

struct heard {
	int count;
	char last[256];
};

static void hear(const char *text, void *context)
{
	struct heard *heard = context;

	heard->count++;
	snprintf(heard->last, sizeof(heard->last), "%s", text);
}

static struct heard heard;
static const struct config_report to = {hear, &heard};

static struct agent_config parse(const char *text)
{
	struct agent_config config;

	memset(&heard, 0, sizeof(heard));
	agent_config_init(&config);
	agent_config_parse_cmdline(&config, text, &to);
	return config;
}

static void assert_defaults(const struct agent_config *config)
{
	assert_int_equal(config->log_level, LOG_INFO);
	assert_string_equal(config->server_addr, "vsock://-1:1024");
	assert_int_equal(config->hotplug_timeout_s, 3);
	assert_int_equal(config->container_pipe_size, 0);
	assert_int_equal(config->reserve, AGENT_RESERVE_BYTES);
	assert_string_equal(config->skip_modules, "");
	assert_false(config->cgroup_v2);
}

static void test_defaults(void **state)
{
	static const char *const harmless[] = {"", " \t\n", "quiet panic=-1 root=/dev/vda1 ro",
		"agent.log", "agent.logs=debug", "xagent.log=debug", "agent.log.x=debug", "=",
		"==", "\"", "\"\"", "agent.unknown=1 cradle.unknown=2", "agent.hotplug_timeout=0",
		"cgroup_no_v1=memory", "systemd.unified_cgroup_hierarchy=0"};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		struct agent_config config = parse(harmless[i]);

		assert_defaults(&config);
		assert_int_equal(heard.count, 0);
	}
}

static void test_every_key(void **state)
{
	struct agent_config config = parse(
		"console=ttyS0 agent.log=debug agent.server_addr=unix:///run/a.sock "
		"cradle.also_listen=unix:///run/b.sock "
		"agent.hotplug_timeout=17 agent.container_pipe_size=65536 cradle.reserve=33554433 "
		"cradle.memory=134217728 cradle.kernel_memory=40 cradle.cpus=3 "
		"cradle.oom_window=250 cradle.stall_guard=kill,90,30 "
		"cradle.skip_modules=fuse,virtiofs cradle.root=root rootfstype=erofs,ext4 "
		"cgroup_no_v1=all\n");

	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_string_equal(config.server_addr, "unix:///run/a.sock");
	assert_string_equal(config.also_listen, "unix:///run/b.sock");
	assert_int_equal(config.hotplug_timeout_s, 17);
	assert_int_equal(config.container_pipe_size, 65536);
	assert_int_equal(config.reserve, 33554433);
	assert_int_equal(config.vm_memory, 134217728);
	assert_int_equal(config.vm_kernel_memory, 40);
	assert_int_equal(config.vm_cpus, 3);
	assert_int_equal(config.oom_window_ms, 250);
	assert_int_equal(config.stall_guard.mode, STALL_KILL);
	assert_int_equal(config.stall_guard.percent, 90);
	assert_int_equal(config.stall_guard.seconds, 30);
	assert_string_equal(config.skip_modules, "fuse,virtiofs");
	assert_string_equal(config.root_serial, "root");
	assert_string_equal(config.root_fstype, "erofs");
	assert_true(config.cgroup_v2);
	assert_int_equal(heard.count, 0);
	assert_true(parse("systemd.unified_cgroup_hierarchy=true").cgroup_v2);
	assert_true(parse("systemd.unified_cgroup_hierarchy=1").cgroup_v2);
}

static void test_last_word_wins(void **state)
{
	assert_int_equal(parse("agent.log=trace agent.log=error").log_level, LOG_ERROR);
	/* A bad one does not undo a good one. */
	assert_int_equal(parse("agent.log=trace agent.log=loud").log_level, LOG_TRACE);
	assert_int_equal(heard.count, 1);
}

static void test_quotes(void **state)
{
	assert_string_equal(
		parse("agent.server_addr=\"unix:///a b\" x").server_addr, "unix:///a b");
	assert_string_equal(parse("\"agent.server_addr=unix:///a b\"").server_addr, "unix:///a b");
	/* A word inside another's quotes is not a word. */
	assert_int_equal(parse("dyndbg=\"file x agent.log=debug +p\"").log_level, LOG_INFO);
	/* Never closed: the quote runs to the end. */
	assert_int_equal(parse("x=\"agent.log=debug agent.log=debug").log_level, LOG_INFO);
	assert_int_equal(parse("x=\"y\" agent.log=debug").log_level, LOG_DEBUG);
}

static void test_bad_values_are_reported_and_defaulted(void **state)
{
	static const char *const bad[] = {"agent.log=", "agent.log=loud", "agent.log=DEBUG",
		"agent.server_addr=", "cradle.also_listen=b", "agent.server_addr=tcp://1.2.3.4:5",
		"agent.server_addr=vsock://x:1024", "agent.server_addr=hvsock:///a:1024",
		"agent.hotplug_timeout=-1", "agent.hotplug_timeout=3s",
		"agent.hotplug_timeout=3601", "agent.hotplug_timeout=99999999999999999999",
		"agent.container_pipe_size=-5", "agent.container_pipe_size=4294967295",
		"agent.container_pipe_size=4096=1", "cradle.reserve=1M", "cradle.reserve=-1",
		"cradle.reserve=0x10", "cradle.memory=1G", "cradle.kernel_memory=x",
		"cradle.cpus=-1", "cradle.oom_window=60001", "cradle.oom_window=-1",
		"cradle.stall_guard=yes", "cradle.stall_guard=kill,0",
		"cradle.skip_modules="
		"0123456789,123456789,123456789,123456789,123456789,123456789,123456789,"
		"123456789,123456789,123456789,123456789,123456789,1234567",
		"cradle.root=0123456789012345678901234", "rootfstype=0123456789abcdef",
		"systemd.unified_cgroup_hierarchy=yes"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct agent_config config = parse(bad[i]);
		size_t key = strcspn(bad[i], "=");

		assert_defaults(&config);
		assert_int_equal(heard.count, 1);
		assert_memory_equal(strstr(heard.last, ": ") + 2, bad[i], key + 1);
	}
}

static void test_hostile_lengths(void **state)
{
	size_t big = 1 << 20;
	char *text = malloc(big + 64);
	struct agent_config config;

	/* One word of a mebibyte, with a good one behind it. */
	memset(text, 'a', big);
	snprintf(text + big, 64, " agent.log=debug");
	assert_int_equal(parse(text).log_level, LOG_DEBUG);
	/* A value that does not fit is not cut to one that would. */
	memcpy(text, "agent.server_addr=unix:///", 26);
	config = parse(text);
	assert_string_equal(config.server_addr, "vsock://-1:1024");
	assert_int_equal(heard.count, 1);
	memset(text, '"', big);
	parse(text);
	free(text);
}

static void test_every_byte(void **state)
{
	const char *text = "agent.log=\x01\xff\x80 agent.hotplug_timeout=\xe2\x28 agent.log=warn";

	assert_int_equal(parse(text).log_level, LOG_WARN);
	for (int c = 1; c < 256; c++) {
		char any[] = {(char)c, (char)c, '=', (char)c, ' ', (char)c, '\0'};
		struct agent_config config = parse(any);

		assert_defaults(&config);
	}
}

static void test_environment(void **state)
{
	struct agent_config config = parse("agent.log=trace");

	agent_config_parse_environment(&config, "unix://@x", "error", &to);
	assert_string_equal(config.server_addr, "unix://@x");
	assert_int_equal(config.log_level, LOG_ERROR);
	agent_config_parse_environment(&config, NULL, NULL, &to);
	assert_int_equal(heard.count, 0);
	agent_config_parse_environment(&config, "nonsense", "loud", &to);
	assert_string_equal(config.server_addr, "unix://@x");
	assert_int_equal(config.log_level, LOG_ERROR);
	assert_int_equal(heard.count, 2);
}

#define VERDICT(config, is_init, ...)                                                              \
	({                                                                                         \
		char *argv_[] = {(char *)"cradle-agent", __VA_ARGS__, NULL};                       \
		agent_config_parse_arguments(config, ARRAY_SIZE(argv_) - 1, argv_, is_init, &to);  \
	})

static void test_arguments(void **state)
{
	struct agent_config config = parse("");

	assert_int_equal(VERDICT(&config, false, (char *)"--server-addr", (char *)"unix:///s",
				 (char *)"--log-level=debug"),
		CONFIG_RUN);
	assert_string_equal(config.server_addr, "unix:///s");
	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_int_equal(VERDICT(&config, false, (char *)"-v"), CONFIG_SHOW_VERSION);
	assert_int_equal(VERDICT(&config, false, (char *)"--version"), CONFIG_SHOW_VERSION);
	assert_int_equal(VERDICT(&config, false, (char *)"--help"), CONFIG_SHOW_HELP);
	assert_int_equal(heard.count, 0);
	assert_int_equal(VERDICT(&config, false, (char *)"--server-addr"), CONFIG_WRONG_USAGE);
	assert_int_equal(VERDICT(&config, false, (char *)"--server-address=x"), CONFIG_WRONG_USAGE);
	assert_int_equal(
		VERDICT(&config, false, (char *)"--log-level", (char *)"loud"), CONFIG_WRONG_USAGE);
	assert_int_equal(VERDICT(&config, false, (char *)"word"), CONFIG_WRONG_USAGE);
	assert_int_equal(heard.count, 4);
}

/* g2: the kernel passes its unknown bare words to process 1: dying of one would be a kernel panic.
 */
static void test_init_ignores_arguments(void **state)
{
	struct agent_config config = parse("");

	assert_int_equal(
		VERDICT(&config, true, (char *)"splash", (char *)"--version", (char *)"-x"),
		CONFIG_RUN);
	assert_int_equal(
		VERDICT(&config, true, (char *)"--log-level", (char *)"debug"), CONFIG_RUN);
	assert_defaults(&config);
	assert_int_equal(heard.count, 0);
}

static void test_passfd_port(void **state)
{
	struct agent_config config;

	agent_config_init(&config);
	assert_string_equal(config.passfd_addr, "");
	agent_config_parse_cmdline(&config, "agent.passfd_listener_port=1027", NULL);
	assert_string_equal(config.passfd_addr, "vsock://-1:1027");
	agent_config_parse_cmdline(&config, "agent.passfd_listener_port=x", NULL);
	assert_string_equal(config.passfd_addr, "vsock://-1:1027");
	agent_config_parse_cmdline(&config, "agent.passfd_listener_port=0", NULL);
	assert_string_equal(config.passfd_addr, "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_passfd_port),
	cmocka_unit_test(test_defaults),
	cmocka_unit_test(test_every_key),
	cmocka_unit_test(test_last_word_wins),
	cmocka_unit_test(test_quotes),
	cmocka_unit_test(test_bad_values_are_reported_and_defaulted),
	cmocka_unit_test(test_hostile_lengths),
	cmocka_unit_test(test_every_byte),
	cmocka_unit_test(test_environment),
	cmocka_unit_test(test_arguments),
	cmocka_unit_test(test_init_ignores_arguments),
};
TEST_MAIN(tests)
