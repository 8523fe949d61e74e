/*
 * json_text: see the header. json-c checks the grammar and builds the tree; a scan over the text,
 * whose brackets and strings are known to be good by then, finds what json-c lets pass.
 */
#include "call/json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct scan {
	const char *text, *at, *end;
	/* Keys seen so far in the objects around the current place; NULL for an array. */
	struct lh_table *keys[JSON_DEPTH_MAX + 1];
	int depth;
	bool at_key; /* the next string is a key, if we are in an object */
	struct error *err;
};

static void line_and_column(const char *text, const char *at, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (; text < at; text++) {
		(*column)++;
		if (*text == '\n') {
			(*line)++;
			*column = 1;
		}
	}
}

__attribute__((format(printf, 4, 5))) static int bad(
	const char *text, const char *at, struct error *err, const char *fmt, ...)
{
	unsigned line, column;
	char what[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	line_and_column(text, at, &line, &column);
	return error_invalid(err, "JSON line %u, column %u: %s", line, column, what);
}

/* ---- what json-c lets pass ---- */

/* The string literal at p, quotes included; its end is there, since json-c has found it. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

/* A key's text, escapes resolved. The caller frees it; NULL on no memory. */
static char *key_text(const char *literal, size_t len, bool *has_nul)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *value = tok ? json_tokener_parse_ex(tok, literal, (int)len) : NULL;
	const char *text = value ? json_object_get_string(value) : NULL;
	char *copy = text ? strdup(text) : NULL;

	*has_nul = copy && strlen(copy) != (size_t)json_object_get_string_len(value);
	json_object_put(value);
	json_tokener_free(tok);
	return copy;
}

static int scan_key(struct scan *scan, const char *end)
{
	struct lh_table *keys = scan->keys[scan->depth];
	bool has_nul;
	char *key = key_text(scan->at, end - scan->at, &has_nul);
	int r = 0;

	if (!key)
		return error_errno(scan->err, ENOMEM, "read a JSON key");
	if (has_nul)
		r = bad(scan->text, scan->at, scan->err, "a key holds a NUL character");
	else if (lh_table_lookup_ex(keys, key, NULL))
		r = bad(scan->text, scan->at, scan->err, "key \"%s\" occurs twice", key);
	else if (lh_table_insert(keys, key, NULL) < 0)
		r = error_errno(scan->err, ENOMEM, "remember a JSON key");
	else
		return 0; /* the table frees it */
	free(key);
	return r;
}

static void free_key(struct lh_entry *entry)
{
	free(lh_entry_k(entry));
}

static int scan_open(struct scan *scan, bool object)
{
	scan->depth++;
	scan->keys[scan->depth] = object ? lh_kchar_table_new(16, free_key) : NULL;
	scan->at_key = object;
	if (object && !scan->keys[scan->depth])
		return error_errno(scan->err, ENOMEM, "read a JSON object");
	return 0;
}

static void scan_close(struct scan *scan)
{
	if (scan->keys[scan->depth])
		lh_table_free(scan->keys[scan->depth]);
	scan->depth--;
	scan->at_key = false;
}

static int scan_number(struct scan *scan, const char **end)
{
	char digits[24];
	size_t len = strspn(scan->at, "0123456789+-.eE");

	*end = scan->at + len;
	if (scan->at[0] == '0' && len > 1 && scan->at[1] >= '0' && scan->at[1] <= '9')
		return bad(scan->text, scan->at, scan->err, "a number with a leading zero");
	if (memchr(scan->at, '.', len) || memchr(scan->at, 'e', len) || memchr(scan->at, 'E', len))
		return 0; /* no integer: refused later, by the field that gets it */
	if (len < sizeof(digits)) {
		memcpy(digits, scan->at, len);
		digits[len] = '\0';
		errno = 0;
		if (digits[0] == '-')
			(void)strtoll(digits, NULL, 10);
		else
			(void)strtoull(digits, NULL, 10);
		if (errno == 0)
			return 0;
	}
	return bad(scan->text, scan->at, scan->err, "number %.*s does not fit in 64 bits",
		(int)(len < 40 ? len : 40), scan->at);
}

/* json-c also takes 'a', NaN, TRUE and the like. */
static int scan_word(struct scan *scan, const char **end)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t len = strspn(scan->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	*end = scan->at + len;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (len == strlen(words[i]) && memcmp(scan->at, words[i], len) == 0)
			return 0;
	return bad(
		scan->text, scan->at, scan->err, "unexpected '%.*s'", len ? (int)len : 1, scan->at);
}

static int scan_token(struct scan *scan)
{
	const char *end = scan->at + 1;
	int r = 0;

	switch (*scan->at) {
	case '{':
	case '[':
		r = scan_open(scan, *scan->at == '{');
		break;
	case '}':
	case ']':
		scan_close(scan);
		break;
	case ',':
		scan->at_key = scan->keys[scan->depth] != NULL;
		break;
	case ':':
		scan->at_key = false;
		break;
	case '"':
		end = string_end(scan->at, scan->end);
		if (scan->at_key)
			r = scan_key(scan, end);
		break;
	case '-':
	case '0' ... '9':
		r = scan_number(scan, &end);
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		break;
	default:
		r = scan_word(scan, &end);
	}
	scan->at = end;
	return r;
}

/* text ends in a NUL behind len. */
static int scan_text(const char *text, size_t len, struct error *err)
{
	struct scan scan = {.text = text, .at = text, .end = text + len, .err = err};
	int r = 0;

	while (r == 0 && scan.at < scan.end)
		r = scan_token(&scan);
	while (scan.depth > 0)
		scan_close(&scan);
	return r;
}

/* ---- json-c ---- */

static struct json_object *parse(const char *text, size_t len, struct error *err)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX);
	struct json_object *tree;
	enum json_tokener_error why;

	if (!tok) {
		error_errno(err, ENOMEM, "read JSON");
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	tree = json_tokener_parse_ex(tok, text, (int)len);
	why = json_tokener_get_error(tok);
	if (why == json_tokener_continue)
		bad(text, text + len, err, "the text ends in the middle");
	else if (why != json_tokener_success)
		bad(text, text + json_tokener_get_parse_end(tok), err, "%s",
			json_tokener_error_desc(why));
	else if (!json_object_is_type(tree, json_type_object))
		bad(text, text, err, "not an object: a request is written {...}");
	json_tokener_free(tok);
	if (why == json_tokener_success && json_object_is_type(tree, json_type_object))
		return tree;
	json_object_put(tree);
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* text ends in a NUL behind len. */
static struct json_object *parse_and_scan(const char *text, size_t len, struct error *err)
{
	struct json_object *tree;

	if (strlen(text) != len) {
		bad(text, text + strlen(text), err, "a NUL character");
		return NULL;
	}
	tree = parse(text, len, err);
	if (tree && scan_text(text, len, err) < 0) {
		json_object_put(tree);
		return NULL;
	}
	return tree;
}

struct json_object *json_text_parse(const char *text, size_t len, struct error *err)
{
	struct json_object *tree;
	char *copy;

	if (len > JSON_TEXT_MAX) {
		error_invalid(err, "JSON of %zu bytes: at most %u are taken", len, JSON_TEXT_MAX);
		return NULL;
	}
	while (len && is_blank(text[len - 1])) /* json-c in strict mode minds these */
		len--;
	copy = malloc(len + 1);
	if (!copy) {
		error_errno(err, ENOMEM, "copy JSON");
		return NULL;
	}
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	tree = parse_and_scan(copy, len, err);
	free(copy);
	return tree;
}
