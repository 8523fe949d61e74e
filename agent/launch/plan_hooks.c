/* plan_hooks: the part of a plan about hooks: checked, copied, and the state they will be told. */
#include "launch/plan_parts.h"

#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"

/* ---- state ---------------------------------------------------------------------------------- */

static int append_string(struct buffer *text, const char *s)
{
	int r = buffer_append(text, "\"", 1);

	for (; *s && r == 0; s++) {
		if (*s == '"' || *s == '\\')
			r = buffer_printf(text, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			r = buffer_printf(text, "\\u%04x", (unsigned char)*s);
		else
			r = buffer_append(text, s, 1);
	}
	return r == 0 ? buffer_append(text, "\"", 1) : r;
}

static int append_member(
	struct buffer *text, const char *before, const char *key, const char *value)
{
	int r = buffer_append(text, before, strlen(before));

	if (r == 0)
		r = append_string(text, key);
	if (r == 0)
		r = buffer_append(text, ":", 1);
	return r == 0 ? append_string(text, value) : r;
}

/* OCI runtime.md "State"; hooks.c adds status and pid. */
static int write_state(const struct plan_builder *b, struct buffer *text)
{
	const Grpc__Spec *spec = b->spec;
	int r = append_member(
		text, "{", "ociVersion", str_empty(spec->version) ? "1.0.2" : spec->version);

	if (r == 0)
		r = append_member(text, ",", "id", b->config->container_id);
	if (r == 0)
		r = append_member(text, ",", "bundle", b->config->bundle ? b->config->bundle : "");
	if (r == 0)
		r = buffer_printf(text, ",\"annotations\":{");
	for (size_t i = 0; i < spec->n_annotations && r == 0; i++)
		r = append_member(
			text, i ? "," : "", spec->annotations[i]->key, spec->annotations[i]->value);
	return r == 0 ? buffer_append(text, "}", 1) : r;
}

static int plan_state(struct plan_builder *b, struct hook_set *set, struct error *err)
{
	struct buffer text;
	int r;

	buffer_init(&text, LAUNCH_ARENA_MAX);
	r = write_state(b, &text);
	if (r == 0)
		set->state = arena_strndup(b->arena, (const char *)text.data, text.len);
	buffer_release(&text);
	return r == 0 && set->state ? 0 : plan_no_memory(err);
}

/* ---- hooks ---------------------------------------------------------------------------------- */

static char **copy_strings(struct plan_builder *b, char *const *strings, size_t count)
{
	char **copy = arena_calloc(b->arena, count + 2, sizeof(*copy));

	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = arena_strdup(b->arena, strings[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static int plan_hook(struct plan_builder *b, const Grpc__Hook *sent, enum hook_kind kind, size_t i,
	struct hook *ret, struct error *err)
{
	char **args;

	if (!path_is_absolute(sent->path))
		return error_invalid(err, "OCI.Hooks.%s[%zu]: path \"%.200s\" is not absolute",
			hook_kind_name(kind), i, sent->path);
	if (sent->timeout < 0 || sent->timeout > HOOK_TIMEOUT_MAX_S)
		return error_invalid(err, "OCI.Hooks.%s[%zu]: a timeout of %lld s (want 1 to %d)",
			hook_kind_name(kind), i, (long long)sent->timeout, HOOK_TIMEOUT_MAX_S);
	ret->path = arena_strdup(b->arena, sent->path);
	ret->timeout_s = sent->timeout ? (unsigned)sent->timeout : HOOK_TIMEOUT_S;
	args = copy_strings(b, sent->args, sent->n_args);
	ret->env = copy_strings(b, sent->env, sent->n_env);
	if (!ret->path || !args || !ret->env)
		return plan_no_memory(err);
	if (!args[0])
		args[0] = (char *)ret->path;
	ret->args = args;
	return 0;
}

static int plan_list(struct plan_builder *b, struct hook_set *set, enum hook_kind kind,
	Grpc__Hook *const *sent, size_t count, struct error *err)
{
	struct hook *list = arena_calloc(b->arena, count + 1, sizeof(*list));

	if (!list)
		return plan_no_memory(err);
	for (size_t i = 0; i < count; i++) {
		int r = plan_hook(b, sent[i], kind, i, &list[i], err);

		if (r < 0)
			return r;
	}
	set->of[kind] = (struct hook_list){list, count};
	return 0;
}

int plan_hooks(struct plan_builder *b, struct error *err)
{
	static const Grpc__Hooks none = GRPC__HOOKS__INIT;
	const Grpc__Hooks *sent = b->spec->hooks ? b->spec->hooks : &none;
	const struct {
		Grpc__Hook *const *list;
		size_t count;
	} lists[HOOK_KIND_COUNT] = {
		[HOOK_PRESTART] = {sent->prestart, sent->n_prestart},
		[HOOK_CREATE_RUNTIME] = {sent->createruntime, sent->n_createruntime},
		[HOOK_CREATE_CONTAINER] = {sent->createcontainer, sent->n_createcontainer},
		[HOOK_START_CONTAINER] = {sent->startcontainer, sent->n_startcontainer},
		[HOOK_POSTSTART] = {sent->poststart, sent->n_poststart},
		[HOOK_POSTSTOP] = {sent->poststop, sent->n_poststop},
	};
	struct hook_set *set = arena_calloc(b->arena, 1, sizeof(*set));
	int r = 0;

	if (!set)
		return plan_no_memory(err);
	for (int kind = 0; kind < HOOK_KIND_COUNT && r == 0; kind++)
		r = plan_list(
			b, set, (enum hook_kind)kind, lists[kind].list, lists[kind].count, err);
	if (r == 0 && !str_empty(b->config->guest_hook_path)) {
		set->guest_path = arena_strdup(b->arena, b->config->guest_hook_path);
		r = set->guest_path ? 0 : plan_no_memory(err);
	}
	if (r == 0)
		r = plan_state(b, set, err);
	b->plan->hooks = set;
	return r;
}
