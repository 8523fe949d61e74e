/* boot_modules: the initrd's kernel modules; see boot_modules.h. Called by boot.c. */
#include "boot/boot_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"

/* A list of all of Debian's modules would be 300 KiB. */
#define LIST_MAX (1024 * 1024)

static int take_line(const char *line, size_t len, struct boot_module *ret)
{
	size_t path_len = 0, rest;

	while (path_len < len && line[path_len] != ' ' && line[path_len] != '\t')
		path_len++;
	rest = path_len;
	while (rest < len && (line[rest] == ' ' || line[rest] == '\t'))
		rest++;
	if (path_len >= sizeof(ret->path) || len - rest >= sizeof(ret->parameters))
		return -EINVAL;
	memcpy(ret->path, line, path_len);
	ret->path[path_len] = '\0';
	memcpy(ret->parameters, line + rest, len - rest);
	ret->parameters[len - rest] = '\0';
	if (!path_is_absolute(ret->path) || path_has_dotdot(ret->path))
		return -EINVAL;
	return 1;
}

int boot_modules_next(const char **text, struct boot_module *ret)
{
	while (**text) {
		const char *line = *text;
		size_t len = strcspn(line, "\n");

		*text += len + (line[len] == '\n');
		while (len && (*line == ' ' || *line == '\t')) {
			line++;
			len--;
		}
		while (len &&
			(line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
			len--;
		if (len && *line != '#')
			return take_line(line, len, ret);
	}
	return 0;
}

static bool same_name(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char x = a[i] == '-' ? '_' : a[i], y = b[i] == '-' ? '_' : b[i];

		if (x != y)
			return false;
	}
	return true;
}

bool boot_modules_named(const struct boot_module *module, const char *names)
{
	const char *base = path_basename(module->path);
	size_t len = strcspn(base, ".");

	while (*names) {
		size_t word = strcspn(names, ",");

		if (word == len && len > 0 && same_name(base, names, len))
			return true;
		names += word + (names[word] == ',');
	}
	return false;
}

static int load_module(const struct boot_module *module, void *context)
{
	_cleanup_fd_ int fd = open(module->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, module->parameters, 0) < 0)
		return -errno;
	unlink(module->path);
	return 0;
}

static void log_failure(const char *list_path, const char *path, int r)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", errno_name(-r), errno_text(-r));
	log_record(LOG_ERROR, "boot", "kernel module not loaded", "module", path, "list", list_path,
		"error", text, NULL);
}

struct boot_modules_result boot_modules_load(
	const char *list_path, const char *skip, boot_module_load_fn load, void *context)
{
	struct boot_modules_result result = {0};
	_cleanup_free_ char *list = NULL;
	struct boot_module module;
	const char *rest;
	ssize_t len = file_read_alloc(list_path, LIST_MAX, &list);
	int r;

	if (len < 0) {
		if (len != -ENOENT)
			log_failure(list_path, "", (int)len);
		return result;
	}
	rest = list;
	while ((r = boot_modules_next(&rest, &module)) != 0) {
		if (r > 0 && boot_modules_named(&module, skip)) {
			if (!load)
				unlink(module.path);
			result.skipped++;
			continue;
		}
		if (r > 0)
			r = load ? load(&module, context) : load_module(&module, NULL);
		else
			module.path[0] = '\0';
		if (r == -EEXIST)
			r = 0;
		if (r < 0) {
			log_failure(list_path, module.path, r);
			result.failed++;
		} else {
			result.loaded++;
		}
	}
	return result;
}
