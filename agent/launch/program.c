/*
 * program: see program.h. What is read here belongs to the image and is hostile: nothing blocks on
 * a fifo, no line is longer than the buffer.
 */
#include "launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"

/* As execvp(3) has it where PATH is not set. */
#define DEFAULT_PATH "/bin:/usr/bin"
/* /etc/passwd is read no further. */
#define PASSWD_MAX (1 << 20)

static const char *environment_value(const struct launch_plan *plan, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < plan->env_count; i++)
		if (strncmp(plan->env[i], name, n) == 0 && plan->env[i][n] == '=')
			return plan->env[i] + n + 1;
	return NULL;
}

/* ---- HOME ----------------------------------------------------------------------------------- */

/* name:password:uid:gid:comment:home:shell */
static bool passwd_line_home(char *line, uid_t uid, char *home, size_t size)
{
	char *rest = line, *field[6];
	uint32_t number;

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (!(field[i] = strsep(&rest, ":")))
			return false;
	if (parse_u32(field[2], &number) < 0 || number != uid || field[5][0] != '/')
		return false;
	return str_copy(home, size, field[5]) == 0;
}

static FILE *open_passwd(void)
{
	_cleanup_fd_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	file = fdopen(fd, "r");
	if (file)
		take_fd(&fd);
	return file;
}

static void find_home(uid_t uid, char *home, size_t size)
{
	_cleanup_file_ FILE *file = open_passwd();
	size_t total = 0;
	char line[1024];

	str_copy(home, size, "/");
	while (file && total < PASSWD_MAX && fgets(line, sizeof(line), file)) {
		total += strlen(line);
		if (passwd_line_home(line, uid, home, size))
			return;
	}
}

static int add_home(const struct launch_plan *plan, struct program *program, struct error *err)
{
	char home[PATH_MAX - sizeof("HOME=")];

	if (environment_value(plan, "HOME"))
		return 0;
	find_home(plan->uid, home, sizeof(home));
	if (str_format(program->home, sizeof(program->home), "HOME=%s", home) < 0)
		return error_errno(err, ENAMETOOLONG, "HOME of user %u", plan->uid);
	/* The slot was kept free for this; the array is the plan's, copied by the fork. */
	((char **)plan->env)[plan->env_count] = program->home;
	return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

static int not_found(const char *name, struct error *err)
{
	return error_errno(err, ENOENT, "the file %s was not found", name);
}

static bool is_file(const char *path, bool *executable)
{
	struct stat st;

	if (stat(path, &st) < 0 || S_ISDIR(st.st_mode))
		return false;
	*executable = S_ISREG(st.st_mode) && (st.st_mode & 0111);
	return true;
}

/*
 * The first executable file wins; one that is not executable is taken only when there is no other,
 * so that execve(2) can say what is wrong with it.
 */
static int search_path(
	const char *name, const char *dirs, struct program *program, struct error *err)
{
	char candidate[PATH_MAX];
	bool found = false;

	for (;;) {
		size_t n = strcspn(dirs, ":");
		bool executable;

		/* An empty element is the working directory. */
		if (str_format(candidate, sizeof(candidate), "%.*s%s%s", (int)n, dirs,
			    n ? "/" : "./", name) >= 0 &&
			is_file(candidate, &executable) && (executable || !found)) {
			str_copy(program->path, sizeof(program->path), candidate);
			found = true;
			if (executable)
				return 0;
		}
		if (dirs[n] == '\0')
			break;
		dirs += n + 1;
	}
	return found ? 0 : not_found(name, err);
}

static int find_file(const struct launch_plan *plan, struct program *program, struct error *err)
{
	const char *name = plan->args[0], *dirs;
	struct stat st;

	if (!strchr(name, '/')) {
		dirs = environment_value(plan, "PATH");
		return search_path(name, dirs ? dirs : DEFAULT_PATH, program, err);
	}
	if (stat(name, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? not_found(name, err)
			       : error_errno(err, errno, "the program %s", name);
	return str_copy(program->path, sizeof(program->path), name) < 0 ? not_found(name, err) : 0;
}

int program_prepare(const struct launch_plan *plan, struct program *program, struct error *err)
{
	int r = add_home(plan, program, err);

	return r < 0 ? r : find_file(plan, program, err);
}

int program_exec(const struct launch_plan *plan, const struct program *program, struct error *err)
{
	const char *why = "";

	execve(program->path, plan->args, plan->env);
	/* The file was there a moment ago. */
	if (errno == ENOENT)
		why = " (is its interpreter or dynamic loader missing?)";
	else if (errno == ENOEXEC)
		why = " (neither a program of this machine nor a script with #!)";
	return error_errno(err, errno, "exec %.300s%s", program->path, why);
}
