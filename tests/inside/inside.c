/*
 * inside: one static program that tests put into their containers: it tells what the container
 * sees, so that a test compares that with what the spec asked for. Each argument is a verb; what a
 * verb needs follows it after ":". A verb prints a line.
 *
 *	inside caps umask rlimit:7 call:39 prctl:23
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The line of /proc/self/status that begins with name, without the name. */
static void print_status(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[4096] = "";
	size_t n = strlen(name);

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			printf("%s%.*s ", name, (int)strcspn(line + n, "\n"), line + n);
	if (file)
		fclose(file);
}

static void verb_caps(const char *word)
{
	static const char *const sets[] = {"CapBnd", "CapEff", "CapInh", "CapPrm", "CapAmb"};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		print_status(sets[i]);
	putchar('\n');
}

static void verb_ids(const char *word)
{
	gid_t groups[64];
	int n = getgroups(64, groups);

	printf("uid %u %u gid %u %u groups", getuid(), geteuid(), getgid(), getegid());
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	putchar('\n');
}

static void verb_rlimit(const char *word)
{
	struct rlimit limit = {0};

	getrlimit((__rlimit_resource_t)atoi(word), &limit);
	printf("rlimit %s %llu %llu\n", word, (unsigned long long)limit.rlim_cur,
		(unsigned long long)limit.rlim_max);
}

static void verb_umask(const char *word)
{
	printf("umask %03o\n", umask(0));
}

static void verb_cwd(const char *word)
{
	char path[PATH_MAX];

	printf("cwd %s\n", getcwd(path, sizeof(path)) ? path : "?");
}

static void verb_status(const char *word)
{
	print_status(word);
	putchar('\n');
}

static void print_result(const char *what, const char *word, long r)
{
	if (r >= 0)
		printf("%s %s = %ld\n", what, word, r);
	else
		printf("%s %s: errno %d\n", what, word, errno);
}

/* NUMBER,ARGUMENT... of a system call, made directly. */
static void verb_call(const char *word)
{
	long a[7] = {0};
	const char *p = word;

	for (int i = 0; i < 7 && *p; i++) {
		char *end;

		a[i] = (long)strtoull(p, &end, 0);
		p = *end == ',' ? end + 1 : end;
	}
	print_result("call", word, syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

static volatile sig_atomic_t trapped;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	trapped = info->si_syscall;
}

/* As call, with SIGSYS caught. */
static void verb_trap(const char *word)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &action, NULL);
	syscall(atol(word));
	printf("trapped %d\n", (int)trapped);
}

#ifdef __x86_64__
/* getpid as a 32-bit program calls it. */
static void verb_call32(const char *word)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "0"(20) : "memory");
	printf("getpid32 = %s\n", r > 0 ? "a pid" : "an error");
}
#endif

static void verb_ns(const char *word)
{
	char path[64], link[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", word);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		snprintf(link, sizeof(link), "none");
	printf("ns %s\n", link);
}

static void verb_size(const char *word)
{
	struct winsize size = {0};

	ioctl(0, TIOCGWINSZ, &size);
	printf("size %u %u tty %s\n", size.ws_row, size.ws_col, isatty(0) ? ttyname(0) : "none");
}

static void verb_stat(const char *word)
{
	struct stat st;

	if (lstat(word, &st) < 0)
		printf("stat %s: errno %d\n", word, errno);
	else
		printf("stat %s: mode %06o owner %u:%u device %u:%u\n", word, st.st_mode, st.st_uid,
			st.st_gid, (unsigned)(st.st_rdev >> 8) & 0xfff,
			(unsigned)st.st_rdev & 0xff);
}

/* Whether a file can be made in the directory. */
static void verb_write(const char *word)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/inside-wrote", word);
	file = fopen(path, "we");
	if (file)
		fclose(file);
	else
		printf("write %s: errno %d\n", word, errno);
	if (file)
		printf("write %s: yes\n", word);
}

/* Each mount at this path: its own options, and how it propagates (proc_pid_mountinfo(5)). */
static void verb_mount(const char *word)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[1024], options[1024], tags[256], type[64];

	printf("mount %s:", word);
	while (file && fgets(line, sizeof(line), file)) {
		char *dash = strstr(line, " - ");
		int at = 0;

		if (!dash ||
			sscanf(line, "%*d %*d %*s %*s %1023s %1023s%n", point, options, &at) < 2 ||
			strcmp(point, word) != 0)
			continue;
		*dash = '\0';
		sscanf(dash + 3, "%63s", type);
		tags[0] = '\0';
		sscanf(line + at, " %255[^\n]", tags);
		/* numbers of peer groups differ from run to run */
		printf(" %s %s%s%s", type, options, strstr(tags, "shared:") ? " shared" : "",
			strstr(tags, "master:") ? " slave" : "");
		if (strstr(tags, "unbindable"))
			printf(" unbindable");
	}
	if (file)
		fclose(file);
	putchar('\n');
}

/* PATH=WORD: whether the file system mounted there has this option. */
static void verb_super(const char *word)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[1024], options[1024], want[64], path[256];
	int found = 0;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(word, "="), word);
	snprintf(want, sizeof(want), ",%s,", word + strlen(path) + 1);
	while (file && fgets(line, sizeof(line) - 1, file)) {
		char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*d %*d %*s %*s %1023s", point) != 1 ||
			strcmp(point, path) != 0)
			continue;
		options[0] = ',';
		if (sscanf(dash + 3, "%*s %*s %1021s", options + 1) != 1)
			continue;
		strcat(options, ",");
		found = strstr(options, want) != NULL;
	}
	if (file)
		fclose(file);
	printf("super %s: %s\n", word, found ? "yes" : "no");
}

/* FILE=TEXT: a line with TEXT at the file's end, and what a hook's standard input says of the
 * state. */
static void verb_hook(const char *word)
{
	char path[PATH_MAX], state[8192], id[64] = "?", status[64] = "?";
	const char *equals = strchr(word, '=');
	size_t n = fread(state, 1, sizeof(state) - 1, stdin);
	int pid = -1;
	char *p;
	FILE *file;

	state[n] = '\0';
	if ((p = strstr(state, "\"id\":\"")))
		sscanf(p + 6, "%63[^\"]", id);
	if ((p = strstr(state, "\"status\":\"")))
		sscanf(p + 10, "%63[^\"]", status);
	if ((p = strstr(state, "\"pid\":")))
		sscanf(p + 6, "%d", &pid);
	snprintf(path, sizeof(path), "%.*s", (int)(equals - word), word);
	file = fopen(path, "ae");
	if (!file)
		exit(3);
	fprintf(file, "%s: %s is %s, %s\n", equals + 1, id, status, pid > 0 ? "a pid" : "no pid");
	fclose(file);
}

/* The number of the process with these arguments. */
static void verb_pid(const char *word)
{
	char path[64], text[256];

	for (int pid = 1; pid < 4194304; pid++) {
		FILE *file;
		size_t n;

		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		file = fopen(path, "re");
		if (!file)
			continue;
		n = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
		text[n] = '\0';
		for (size_t i = 0; i + 1 < n; i++)
			if (text[i] == '\0')
				text[i] = ' ';
		if (strcmp(text, word) == 0) {
			printf("pid %d\n", pid);
			return;
		}
	}
	printf("pid none\n");
}

/* All of a file. */
static void verb_cat(const char *word)
{
	FILE *file = fopen(word, "re");
	int c;

	while (file && (c = fgetc(file)) != EOF)
		putchar(c);
	if (file)
		fclose(file);
}

/* The first line of a file. */
static void verb_file(const char *word)
{
	FILE *file = fopen(word, "re");
	char line[4096] = "";

	if (file && fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = '\0';
	if (file)
		fclose(file);
	else
		snprintf(line, sizeof(line), "errno %d", errno);
	printf("file %s: %s\n", word, line);
}

static const struct {
	const char *name;
	void (*run)(const char *word);
} verbs[] = {
	{"caps", verb_caps},
	{"ids", verb_ids},
	{"rlimit", verb_rlimit},
	{"umask", verb_umask},
	{"cwd", verb_cwd},
	{"status", verb_status},
	{"call", verb_call},
	{"trap", verb_trap},
#ifdef __x86_64__
	{"call32", verb_call32},
#endif
	{"ns", verb_ns},
	{"size", verb_size},
	{"stat", verb_stat},
	{"write", verb_write},
	{"mount", verb_mount},
	{"super", verb_super},
	{"file", verb_file},
	{"cat", verb_cat},
	{"pid", verb_pid},
	{"hook", verb_hook},
};

static int run_verb(const char *word)
{
	size_t n = strcspn(word, ":");

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != n || strncmp(verbs[i].name, word, n) != 0)
			continue;
		verbs[i].run(word[n] ? word + n + 1 : "");
		fflush(stdout);
		return 0;
	}
	fprintf(stderr, "inside: unknown verb %s\n", word);
	return 2;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++)
		r = run_verb(argv[i]);
	return r;
}
