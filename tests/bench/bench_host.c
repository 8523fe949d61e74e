/*
 * bench_host: `make bench`. Boots guests, one for the figures (initrd with bench_guest, crun and
 * the bare programs) and some only to time the boot, gives bench_guest its orders, makes the calls
 * that come from the host, prints the table and writes the JSON and the page. Rounds are
 * interleaved: each round takes one sample of everything, so that a disturbance of the machine
 * meets all alike.
 *
 *   bench_host CRADLE KERNEL INITRD BENCH_INITRD ROOTFS AGENT FOLDER [quick|transfers]
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/strings.h"
#include "bench/bench_calls.h"
#include "bench/bench_page.h"
#include "bench/bench_rows.h"

#include "agent.pb-c.h"

#define MIB	      (1024 * 1024)
#define SEGMENT_BYTES (16ull * MIB)
#define SEGMENTS      4 /* 64 MiB a transfer, a sample each 16 MiB */
#define ECHO_BYTES    64

/* How much of each; medians of at least 30 in a full run. */
struct amounts {
	unsigned rounds, transfers, boots;
	unsigned few, some, many; /* containers alive, for StatsContainer */
	unsigned crowd, heap;	  /* the same, for PSS */
};
static const struct amounts full = {30, 8, 30, 1, 20, 100, 50, 200};
static const struct amounts quick = {8, 2, 3, 1, 20, 0, 50, 0};
static const struct amounts *amounts = &full;

static struct {
	const char *cradle, *kernel, *initrd, *bench_initrd, *rootfs, *agent, *folder;
} paths;

static char folder[] = "/tmp/cradle-bench-XXXXXX";
static char listen_at[64];

/* ---- a guest --------------------------------------------------------------------------------- */

struct guest {
	pid_t pid;
	int stdin_fd; /* its end of file ends the VM */
};

static void become_cradle(const char *initrd, int in, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, 0);
	dup2(out, 1);
	/* V=1: what the guest prints, bench_guest's complaints among it, on standard error */
	execl(paths.cradle, "cradle", "run", "--hold", "--listen", listen_at, "--rootfs",
		paths.rootfs, "--kernel", paths.kernel, "--initrd", initrd, "--memory", "512M",
		"--append", "cradle.also_listen=unix://" BENCH_SOCKET,
		getenv("V") ? "--verbose" : NULL, NULL);
	bench_die(paths.cradle, strerror(errno));
}

static void guest_start(struct guest *guest, const char *initrd)
{
	char line[128] = "";
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		bench_die("pipe", strerror(errno));
	guest->pid = fork();
	if (guest->pid < 0)
		bench_die("fork", strerror(errno));
	if (guest->pid == 0)
		become_cradle(initrd, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	guest->stdin_fd = in[1];
	if (read(out[0], line, sizeof(line) - 1) <= 0 || !str_starts(line, "ready "))
		bench_die("cradle run", "the VM did not get ready");
	close(out[0]);
}

static void guest_end(struct guest *guest)
{
	int status;

	kill(guest->pid, SIGTERM);
	if (waitpid(guest->pid, &status, 0) < 0 || status != 0)
		bench_die("cradle run", "it did not end well");
	close(guest->stdin_fd);
}

static const char *port(unsigned number)
{
	static char text[128];

	str_format(text, sizeof(text), "hvsock://%s:%u", listen_at, number);
	return text;
}

/* ---- boots ----------------------------------------------------------------------------------- */

static void bench_boots(void)
{
	for (unsigned i = 0; i < amounts->boots; i++) {
		double start = bench_now_us();
		struct bench_agent agent;
		struct bench_boot boot;
		struct guest guest;

		guest_start(&guest, paths.initrd);
		bench_connect(&agent, port(AGENT_PORT));
		bench_health(&agent);
		row_add(LAUNCH, bench_now_us() - start);
		bench_boot(&agent, &boot);
		row_add(BOOT_KERNEL, boot.kernel);
		row_add(BOOT_MODULES, boot.modules);
		row_add(BOOT_AGENT, boot.agent);
		ttrpc_client_free(agent.client);
		event_loop_free(agent.loop);
		start = bench_now_us();
		guest_end(&guest);
		row_add(ENDED, bench_now_us() - start);
	}
}

/* ---- orders to bench_guest ------------------------------------------------------------------- */

static FILE *orders;

static void send_order(const char *text)
{
	fprintf(orders, "%s\n", text);
	fflush(orders);
}

/* The numbers that bench_guest answers an order with. */
static size_t take_answer(double *out, size_t room, const char *text)
{
	char line[1024], *at = line, *end;
	size_t n = 0;

	if (!fgets(line, sizeof(line), orders) || !str_starts(line, "OK"))
		bench_die(text, "bench_guest did not do it; V=1 shows why");
	for (at += 2; n < room; at = end) {
		out[n] = strtod(at, &end);
		if (end == at)
			break;
		n++;
	}
	return n;
}

static size_t order(double *out, size_t room, const char *text)
{
	send_order(text);
	return take_answer(out, room, text);
}

static void sample(enum bench_row row, const char *text)
{
	double values[64];
	size_t n = order(values, ARRAY_SIZE(values), text);

	for (size_t i = 0; i < n; i++)
		row_add(row, values[i]);
}

static double sum(const double *us)
{
	double total = 0;

	for (size_t i = 0; i < BENCH_STEPS; i++)
		total += us[i];
	return total;
}

static void sample_container(enum bench_row row, enum bench_kind kind)
{
	double us[BENCH_STEPS] = {0};
	char text[32];

	str_format(text, sizeof(text), "container %d", kind);
	order(us, BENCH_STEPS, text);
	row_add(row, sum(us));
	if (kind != BENCH_PLAIN)
		return;
	for (int i = 0; i < BENCH_STEPS; i++)
		row_add((enum bench_row)(STEP_CREATE + i), us[i]);
}

/* Forks and context switches of one container; the order that counts costs none of the first. */
static void sample_work(void)
{
	double before[2] = {0}, after[2] = {0}, us[BENCH_STEPS];

	order(before, 2, "work");
	order(us, BENCH_STEPS, "container 0");
	order(after, 2, "work");
	row_add(FORKS, after[0] - before[0]);
	row_add(SWITCHES, after[1] - before[1]);
}

/* ---- from the host --------------------------------------------------------------------------- */

static int dial_blocking(unsigned number)
{
	int fd = bench_dial(port(number));

	fd_set_nonblock(fd, false);
	return fd;
}

static void echo_once(int fd)
{
	char buffer[ECHO_BYTES] = {'x'};

	for (int i = 0; i < BENCH_TRIPS; i++) {
		double start = bench_now_us();

		if (fd_write_full(fd, buffer, sizeof(buffer)) != sizeof(buffer) ||
			fd_read_full(fd, buffer, sizeof(buffer)) != sizeof(buffer))
			bench_die("bare echo", "the connection ended");
		row_add(BARE_ECHO, bench_now_us() - start);
	}
}

static void host_health(struct bench_agent *agent)
{
	for (int i = 0; i < BENCH_TRIPS; i++)
		row_add(HOST_HEALTH, bench_health(agent));
}

static void host_container(struct bench_agent *agent)
{
	double us[BENCH_STEPS];

	bench_container(agent, BENCH_PLAIN, us);
	row_add(HOST_CONTAINER, sum(us));
}

static void add_rate(enum bench_row row, double us)
{
	row_add(row, (double)SEGMENT_BYTES / MIB / (us / 1e6));
}

static void bare_source(void)
{
	static char buffer[256 * 1024];
	double since = bench_now_us();
	int fd = dial_blocking(BENCH_BARE + 2);
	uint64_t got = 0, segment = 1;
	char line[32];
	int n = snprintf(line, sizeof(line), "%llu\n", SEGMENT_BYTES * SEGMENTS);

	if (fd_write_full(fd, line, (size_t)n) != n)
		bench_die("bare source", "the connection ended");
	while (got < SEGMENT_BYTES * SEGMENTS) {
		ssize_t r = read(fd, buffer, sizeof(buffer));

		if (r <= 0)
			bench_die("bare source", "the connection ended");
		got += (uint64_t)r;
		if (got >= segment * SEGMENT_BYTES) {
			double now = bench_now_us();

			add_rate(BARE_SOURCE, now - since);
			since = now;
			segment++;
		}
	}
	close(fd);
}

static void read_stdout(struct bench_agent *agent, enum bench_row row, unsigned in_flight)
{
	double us[SEGMENTS];

	bench_read(agent, in_flight, SEGMENT_BYTES, SEGMENTS, us);
	for (int i = 0; i < SEGMENTS; i++)
		add_rate(row, us[i]);
}

/* ---- OOM kills ------------------------------------------------------------------------------- */

/* Host's clock minus the guest's, from the quickest of some questions. */
static double clock_offset(void)
{
	double best = 1e12, offset = 0;

	for (int i = 0; i < BENCH_TRIPS; i++) {
		double start = bench_now_us(), guest[1] = {0}, end;

		order(guest, 1, "clock");
		end = bench_now_us();
		if (end - start < best) {
			best = end - start;
			offset = (start + end) / 2 - guest[0];
		}
	}
	return offset;
}

static void on_event(struct client_call *call, int result, const struct error *err)
{
	if (result < 0)
		bench_die("GetOOMEvent", err->text);
	*(double *)call->data = bench_now_us();
}

static void oom_event(struct bench_agent *agent)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;
	double offset = clock_offset(), arrived = 0, killed[1] = {0};
	struct client_call call = {.data = &arrived};
	struct error err = ERROR_INIT;

	if (client_call_start(agent->client, &call, grpc__agent_service__descriptor.name,
		    "GetOOMEvent", &request.base, &grpc__oomevent__descriptor, 0, on_event,
		    &err) < 0)
		bench_die("GetOOMEvent", err.text);
	send_order("oomagent");
	while (arrived == 0)
		event_loop_step(agent->loop, -1);
	client_call_release(&call);
	if (take_answer(killed, 1, "oomagent") != 1)
		bench_die("oomagent", "it told no time");
	row_add(HOST_OOM, arrived - offset - killed[0]);
}

static void oom_kills(struct bench_agent *agent)
{
	double ignored[1];

	order(ignored, 1, "oombare"); /* the first one pages the hog in */
	for (unsigned i = 0; i < amounts->rounds; i++) {
		sample(BARE_OOM, "oombare");
		oom_event(agent);
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void progress(const char *what)
{
	static double start;

	if (start == 0)
		start = bench_now_us();
	fprintf(stderr, "  BENCH    %5.1f s  %s\n", (bench_now_us() - start) / 1e6, what);
}

/* The guest's first containers make cgroups, page the programs in, load modules. */
static void warm_up(struct bench_agent *agent)
{
	double us[64];

	for (int kind = BENCH_PLAIN; kind <= BENCH_STORAGES; kind++) {
		char text[32];

		str_format(text, sizeof(text), "container %d", kind);
		order(us, BENCH_STEPS, text);
	}
	order(us, 1, "floor");
	order(us, 1, "floor s");
	order(us, 1, "floor f");
	order(us, 1, "crun");
	order(us, 1, "crun seccomp");
	bench_container(agent, BENCH_PLAIN, us);
}

static void containers(struct bench_agent *agent)
{
	int echo = dial_blocking(BENCH_BARE);

	for (unsigned i = 0; i < amounts->rounds; i++) {
		sample(FLOOR, "floor");
		sample_container(LOCAL_CONTAINER, BENCH_PLAIN);
		sample(CRUN, "crun");
		sample(FLOOR_ALL, "floor a");
		host_container(agent);
		sample(FLOOR_SECCOMP, "floor f");
		sample(FLOOR_STORAGES, "floor s");
		sample_container(LOCAL_STORAGES, BENCH_STORAGES);
		sample_container(LOCAL_SECCOMP, BENCH_SECCOMP);
		sample(CRUN_SECCOMP, "crun seccomp");
		sample(LOCAL_HEALTH, "health");
		host_health(agent);
		echo_once(echo);
		sample_work();
	}
	close(echo);
}

static void transfers(struct bench_agent *agent)
{
	for (unsigned i = 0; i < amounts->transfers; i++) {
		bare_source();
		read_stdout(agent, READ_ONE, 1);
		read_stdout(agent, READ_TWO, 2);
	}
}

static unsigned alive;

/* Makes or ends containers until so many are alive. */
static void have(unsigned count)
{
	double ignored[1];
	char text[64];

	while (alive != count) {
		bool more = alive < count;

		str_format(text, sizeof(text), "%s held%u", more ? "hold" : "drop",
			more ? alive : alive - 1);
		order(ignored, 1, text);
		alive += more ? 1 : -1u;
	}
}

static void weigh(enum bench_row row)
{
	double values[3] = {0};

	/* what the agent frees once things are quiet is freed after a second (agent/main.c) */
	sleep(2);
	order(values, 3, "weigh");
	row_add(row, values[0]);
	if (row != PSS_REST)
		return;
	row_add(PROCESSES, values[1]);
	row_add(THREADS, values[2]);
}

/* bare: the row of bare reads, which ours and ours from the host follow. */
static void stats(struct bench_agent *agent, enum bench_row bare)
{
	for (unsigned i = 0; i < amounts->rounds; i++) {
		sample(bare, "statsbare held0");
		sample((enum bench_row)(bare + 1), "stats held0");
		row_add((enum bench_row)(bare + 2), bench_stats(agent, "held0"));
	}
}

static void alive_ones(struct bench_agent *agent)
{
	have(amounts->few);
	weigh(PSS_1);
	stats(agent, BARE_STATS_1);
	for (unsigned i = 0; i < amounts->rounds; i++)
		sample(LOCAL_EXEC, "exec held0");
	for (unsigned i = 0; i < amounts->rounds; i += 10)
		sample(CRUN_EXEC, "crunexec");
	have(amounts->some);
	stats(agent, BARE_STATS_20);
	have(amounts->crowd);
	weigh(PSS_50);
	if (amounts->many) {
		have(amounts->many);
		stats(agent, BARE_STATS_100);
	}
	if (amounts->heap) {
		have(amounts->heap);
		weigh(PSS_200);
	}
	have(0);
}

static bool only_transfers; /* bulk output and the bare transfer, nothing else */

static void bench_guest(void)
{
	struct bench_agent agent;
	struct guest guest;
	struct stat st;

	guest_start(&guest, paths.bench_initrd);
	bench_connect(&agent, port(AGENT_PORT));
	orders = fdopen(bench_dial(port(BENCH_PORT)), "r+");
	if (!orders || fd_set_nonblock(fileno(orders), false) < 0)
		bench_die("orders", strerror(errno));
	if (stat(paths.agent, &st) == 0)
		row_add(AGENT_BYTES, (double)st.st_size);
	weigh(PSS_REST);
	if (!only_transfers) {
		progress("containers: floor, agent, crun");
		warm_up(&agent);
		containers(&agent);
		progress("OOM kills: a bare reader, the agent's event");
		oom_kills(&agent);
	}
	progress("transfers of 64 MiB");
	transfers(&agent);
	if (!only_transfers) {
		progress("many containers alive: statistics, exec, memory");
		alive_ones(&agent);
	}
	fclose(orders);
	ttrpc_client_free(agent.client);
	event_loop_free(agent.loop);
	guest_end(&guest);
}

/* One line, fit for JSON: what is neither a letter, a digit nor harmless becomes a space. */
static void name_machine(char *out, size_t size)
{
	char cpu[8192] = "", *model;
	struct utsname host;

	uname(&host);
	if (file_read("/proc/cpuinfo", cpu, sizeof(cpu)) < 0)
		cpu[0] = '\0';
	model = strstr(cpu, "model name");
	model = model ? strchr(model, ':') : NULL;
	if (model)
		model[strcspn(model, "\n")] = '\0';
	str_format(out, size, "%ld CPUs, %s, Linux %s; %s run", sysconf(_SC_NPROCESSORS_ONLN),
		model ? model + 2 : host.machine, host.release,
		amounts == &quick ? "quick" : "full");
	for (char *p = out; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = ' ';
}

static void write_file(
	const char *name, void (*print)(FILE *out, const char *machine), const char *machine)
{
	char path[PATH_MAX];
	FILE *out;

	str_format(path, sizeof(path), "%s/%s", paths.folder, name);
	out = fopen(path, "we");
	if (!out)
		bench_die(path, strerror(errno));
	print(out, machine);
	if (fclose(out) != 0)
		bench_die(path, strerror(errno));
	printf("%s\n", path);
}

int main(int argc, char *argv[])
{
	char machine[256];

	if (argc < 8) {
		fprintf(stderr, "usage: bench_host CRADLE KERNEL INITRD BENCH_INITRD ROOTFS AGENT "
				"FOLDER [quick|transfers]\n");
		return 2;
	}
	memcpy(&paths, argv + 1, sizeof(paths));
	if (argc > 8 && str_eq(argv[8], "quick"))
		amounts = &quick;
	only_transfers = argc > 8 && str_eq(argv[8], "transfers");
	if (only_transfers)
		amounts = &quick;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder))
		bench_die(folder, strerror(errno));
	str_format(listen_at, sizeof(listen_at), "%s/vm.sock", folder);
	name_machine(machine, sizeof(machine));
	if (!only_transfers) {
		progress("boots");
		bench_boots();
	}
	bench_guest();
	progress("done");
	rmdir(folder);
	rows_print(stdout, machine);
	write_file("bench.json", rows_print_json, machine);
	write_file("index.html", bench_page, machine);
	return 0;
}
