/* CopyFile as the runtimes send it, and a container that sees what was copied (g24). */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define SHARED "/run/kata-containers/shared/containers/"
#define PIECE  (1 << 20)

static struct agent agent;

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	agent_start(&agent);
	agent_ok(&agent, "CreateSandbox", &request);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* Go: pieces of 1 MiB, one after another; runtime-rs: all in one, dir_mode 0. */
static void send_file(const char *path, const uint8_t *data, size_t len, size_t most, uint32_t mode)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;
	size_t done = 0;

	r.path = (char *)path;
	r.file_size = (int64_t)len;
	r.file_mode = mode;
	r.dir_mode = most < len ? 0750 : 0;
	r.uid = 1000;
	r.gid = 1000;
	do {
		r.offset = (int64_t)done;
		r.data.data = (uint8_t *)data + done;
		r.data.len = len - done < most ? len - done : most;
		agent_ok(&agent, "CopyFile", &r);
		done += r.data.len;
	} while (done < len);
}

static void test_g24_a_container_reads_it(void **state)
{
	static const char *const argv[] = {
		"sh", "-c", "cat /etc/resolv.conf; wc -c < /big; md5sum < /big; ls -n /big", NULL};
	static uint8_t big[3 * PIECE + 77];
	static char *rbind[] = {(char *)"rbind", (char *)"ro"};
	Grpc__Mount second = GRPC__MOUNT__INIT, *list[5];
	struct test_container c;
	char expected[256], sum[64];
	FILE *md5;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 4099);
	send_file(SHARED "c1-0123456789abcdef-resolv.conf",
		(const uint8_t *)"nameserver 10.0.0.1\n", 20, PIECE, S_IFREG | 0644);
	send_file(SHARED "c1-0123456789abcdef-big", big, sizeof(big), PIECE, S_IFREG | 0604);
	md5 = fopen(scratch_path("big"), "w");
	assert_int_equal(fwrite(big, sizeof(big), 1, md5), 1);
	fclose(md5);
	str_format(expected, sizeof(expected), "md5sum < %s", scratch_path("big"));
	md5 = popen(expected, "r");
	assert_non_null(fgets(sum, sizeof(sum), md5));
	pclose(md5);

	container_fill(&c, &agent, "c1", argv);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/etc/resolv.conf";
	c.mounts[3].type = second.type = (char *)"bind";
	c.mounts[3].source = (char *)SHARED "c1-0123456789abcdef-resolv.conf";
	c.mounts[3].options = second.options = rbind;
	c.mounts[3].n_options = second.n_options = 2;
	second.destination = (char *)"/big";
	second.source = (char *)SHARED "c1-0123456789abcdef-big";
	c.mount_list[3] = &c.mounts[3];
	memcpy(list, c.mount_list, 4 * sizeof(list[0]));
	list[4] = &second;
	c.spec.mounts = list;
	c.spec.n_mounts = 5;
	container_send(&agent, &c);
	container_start_id(&agent, "c1");
	str_format(expected, sizeof(expected), "nameserver 10.0.0.1\n%zu\n%s-rw----r--",
		sizeof(big), sum);
	assert_memory_equal(container_output(&agent, "c1", "", false), expected, strlen(expected));
	assert_int_equal(container_wait(&agent, "c1", ""), 0);
	container_remove_id(&agent, "c1");
}

static void test_refusals(void **state)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

	r.path = (char *)"/etc/passwd";
	agent_fails(&agent, "CopyFile", &r, STATUS_INVALID_ARGUMENT,
		"path '/etc/passwd' is not one of a file below /run/kata-containers/shared");
	r.path = (char *)SHARED "../x";
	agent_fails(&agent, "CopyFile", &r, STATUS_INVALID_ARGUMENT, "is not one of a file below");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_g24_a_container_reads_it),
	cmocka_unit_test(test_refusals),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
