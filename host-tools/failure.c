/* failure: the two lines a person reads when a run fails. */
#include "failure.h"

#include <stdarg.h>
#include <string.h>

#include "base/strings.h"
#include "command_table.h"

static void begin(struct failure *failure, const char *stage, const char *advice)
{
	memset(failure, 0, sizeof(*failure));
	failure->stage = stage;
	failure->exit_code = EXIT_CRADLE_FAILED;
	str_copy(failure->advice, sizeof(failure->advice), advice ? advice : "");
}

void failure_set(
	struct failure *failure, const char *stage, const char *advice, const char *fmt, ...)
{
	char text[sizeof(failure->error.text)];
	va_list args;

	begin(failure, stage, advice);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	error_set(&failure->error, STATUS_INTERNAL, 0, "%s", text);
}

void failure_wrap(
	struct failure *failure, const char *stage, const char *advice, const struct error *err)
{
	begin(failure, stage, advice);
	failure->error = *err;
}

void failure_print(const struct failure *failure, FILE *to)
{
	char text[ERROR_RENDER_MAX];

	fprintf(to, "cradle: %s: %s\n", failure->stage,
		error_render(&failure->error, text, sizeof(text)));
	if (failure->advice[0])
		fprintf(to, "        %s\n", failure->advice);
}
