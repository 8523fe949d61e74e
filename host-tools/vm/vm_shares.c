/* vm_shares: parent side: sockets, children, their last words. */
#include "vm/vm_shares.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "vm/last_words.h"
#include "vm/share_child.h"

/* Debian 12 (qemu-system-common); trixie and Fedora (package virtiofsd); Arch. */
static const char *const places[] = {
	"/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"};

struct share_daemon {
	struct child_process child;
	struct vm_shares *shares;
	const struct vm_share *share;
	struct last_words words;
};

const char *virtiofsd_find(const char *program, struct error *err)
{
	for (size_t i = 0; !program && i < ARRAY_SIZE(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	if (!program)
		error_set(err, STATUS_FAILED_PRECONDITION, 0,
			"virtiofsd is not there (looked for %s, %s, %s)", places[0], places[1],
			places[2]);
	else if (access(program, X_OK) < 0)
		error_errno(err, errno, "virtiofsd %s", program);
	else
		return program;
	return NULL;
}

static void on_exit_of_daemon(struct child_process *child)
{
	struct share_daemon *daemon = container_of(child, struct share_daemon, child);
	struct vm_shares *shares = daemon->shares;

	last_words_drain(&daemon->words);
	if (shares->told)
		return;
	shares->told = true;
	shares->ended(shares->owner);
}

/*
 * A listening socket for virtiofsd with QEMU's connection in its queue already: neither has to wait
 * for the other, and no name of it stays behind.
 */
static int make_sockets(const char *folder, int *listener, int *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r = path_join(address.sun_path, sizeof(address.sun_path), folder, "share");

	if (r < 0)
		return r;
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || *client < 0)
		return -errno;
	if (bind(*listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (listen(*listener, 1) < 0 ||
		connect(*client, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	unlink(address.sun_path);
	return r;
}

static int fork_daemon(
	struct share_daemon *daemon, const struct share_child *child, int err_fd, struct error *err)
{
	struct child_fork_options options = {.cgroup_fd = -1,
		.new_session = true,
		.clone_flags = CLONE_NEWNS | CLONE_NEWPID |
			       (child->own_user_namespace ? CLONE_NEWUSER : 0)};
	pid_t pid = child_process_fork(&daemon->child, &options, on_exit_of_daemon, "virtiofsd");

	if (pid == 0)
		share_child_run(child, err_fd);
	if (pid < 0)
		return error_errno(err, (int)-pid, "namespaces for its virtiofsd%s",
			child->own_user_namespace
				? " (an ordinary user needs user namespaces for it)"
				: "");
	return 0;
}

static int start_daemon(struct share_daemon *daemon, struct event_loop *loop,
	const struct vm_config *config, const char *folder, int *client, struct error *err)
{
	struct share_child child = {.share = daemon->share,
		.folder = folder,
		.own_user_namespace = geteuid() != 0,
		.uid = geteuid(),
		.gid = getegid(),
		.uid_inside = config->share_uid,
		.gid_inside = config->share_gid};
	_cleanup_fd_ int listener = -1;
	int errs[2] = {-1, -1};
	int r;

	child.program = virtiofsd_find(config->virtiofsd, err);
	if (!child.program)
		return -ENOENT;
	r = make_sockets(folder, &listener, client);
	if (r == 0 && pipe2(errs, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "sockets of its virtiofsd");
	child.listen_fd = listener;
	r = last_words_listen(&daemon->words, loop, &errs[0], "virtiofsd's stderr", err);
	if (r == 0)
		r = fork_daemon(daemon, &child, errs[1], err);
	close_fd(&errs[0]);
	close_fd(&errs[1]);
	return r;
}

int vm_shares_start(struct vm_shares *shares, struct event_loop *loop,
	const struct vm_config *config, const char *folder, int *fds, struct error *err)
{
	int r = 0;

	shares->told = false;
	shares->daemons = calloc(config->share_count, sizeof(*shares->daemons));
	if (!shares->daemons)
		return error_errno(err, ENOMEM, "shares of the VM");
	for (unsigned i = 0; r == 0 && i < config->share_count; i++) {
		struct share_daemon *daemon = &shares->daemons[i];

		daemon->shares = shares;
		daemon->share = &config->shares[i];
		shares->count++;
		r = start_daemon(daemon, loop, config, folder, &fds[i], err);
		if (r < 0)
			error_prefix(err, "share of %.200s", daemon->share->host);
	}
	return r;
}

/*
 * One that ended well did so because QEMU had gone. One whose end QEMU has seen already is a zombie
 * in a moment.
 */
static bool ended_badly(const struct share_daemon *daemon)
{
	if (!daemon->child.exited && child_process_has_ended(&daemon->child))
		child_process_wait((struct child_process *)&daemon->child);
	return daemon->child.exited && daemon->child.exit_status != 0;
}

/* Its lines of progress say nothing about its end. */
static const char *last_trouble(const struct share_daemon *daemon, char *out, size_t size)
{
	char line[400], *at, *rest = line;

	last_words_line(&daemon->words, line, sizeof(line));
	out[0] = '\0';
	while ((at = strsep(&rest, ";"))) {
		if (at[0] && !str_starts(at, "virtio_") && !str_starts(at, "fv_"))
			str_copy(out, size, at);
	}
	return out;
}

bool vm_shares_explain(const struct vm_shares *shares, struct failure *failure)
{
	for (unsigned i = 0; i < shares->count; i++) {
		const struct share_daemon *daemon = &shares->daemons[i];
		char said[300];

		if (!ended_badly(daemon))
			continue;
		last_trouble(daemon, said, sizeof(said));
		failure_set(failure, "a share with the host ended",
			"virtiofsd serves the folders that are shared; without it the VM cannot go "
			"on.",
			"virtiofsd of %s ended %s %d%s%s", daemon->share->host,
			daemon->child.exit_signal ? "by signal" : "with",
			daemon->child.exit_signal ? daemon->child.exit_signal
						  : daemon->child.exit_status,
			said[0] ? ": " : "", said);
		return true;
	}
	return false;
}

void vm_shares_release(struct vm_shares *shares)
{
	shares->told = true;
	for (unsigned i = 0; i < shares->count; i++)
		child_process_signal(&shares->daemons[i].child, SIGKILL);
	for (unsigned i = 0; i < shares->count; i++) {
		struct share_daemon *daemon = &shares->daemons[i];

		if (daemon->child.pid)
			child_process_wait(&daemon->child);
		child_process_disown(&daemon->child);
		last_words_release(&daemon->words);
	}
	free(shares->daemons);
	shares->daemons = NULL;
	shares->count = 0;
}
