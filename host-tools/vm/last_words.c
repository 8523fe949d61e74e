/* last_words: see the header. */
#include "vm/last_words.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"

static void keep(struct last_words *words, const char *text, size_t len)
{
	size_t room = LAST_WORDS_MAX - 1 - words->len;

	if (len > LAST_WORDS_MAX - 1) {
		text += len - (LAST_WORDS_MAX - 1);
		len = LAST_WORDS_MAX - 1;
	}
	if (len > room) {
		words->len -= len - room;
		memmove(words->text, words->text + (len - room), words->len);
	}
	memcpy(words->text + words->len, text, len);
	words->len += len;
	words->text[words->len] = '\0';
}

/* True while there may be more at once. */
static bool read_some(struct last_words *words)
{
	char chunk[1024];
	ssize_t n = read(words->source.fd, chunk, sizeof(chunk));

	if (n > 0)
		keep(words, chunk, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		last_words_release(words);
	return n > 0;
}

static void on_readable(struct event_source *source, uint32_t events)
{
	read_some(container_of(source, struct last_words, source));
}

int last_words_listen(struct last_words *words, struct event_loop *loop, int *fd, const char *name,
	struct error *err)
{
	int r = fd_set_nonblock(*fd, true);

	words->len = 0;
	words->text[0] = '\0';
	if (r == 0)
		r = event_source_add(loop, &words->source, *fd, EPOLLIN, on_readable, name);
	if (r < 0)
		return error_errno(err, -r, "%s", name);
	take_fd(fd);
	return 0;
}

void last_words_drain(struct last_words *words)
{
	while (event_source_added(&words->source) && read_some(words))
		;
}

void last_words_release(struct last_words *words)
{
	int fd = words->source.fd;

	if (!event_source_added(&words->source))
		return;
	event_source_remove(&words->source);
	close(fd);
}

const char *last_words_line(const struct last_words *words, char *out, size_t size)
{
	size_t len;

	str_copy(out, size, words->text);
	len = strlen(out);
	while (len > 0 && out[len - 1] == '\n')
		out[--len] = '\0';
	for (char *at = out; *at; at++) {
		if ((unsigned char)*at < 0x20)
			*at = at[0] == '\n' ? ';' : '?';
	}
	return out;
}
