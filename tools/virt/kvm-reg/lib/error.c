// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Messages for people: what is wrong, where, and what to do about it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Of a longer line, a message shows the part around what it is about. */
#define MAX_EXCERPT	100

/*
 * Names of files, and policies, come from anyone: they do not get to write to the terminal.
 * In UTF-8, 0xc2 precedes more control characters.
 */
static void clean(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p; p++) {
		if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			memset(p, '?', 2);
	}
}

static __printf(2, 0) void vappend(struct kvmreg_error *error, const char *format, va_list args)
{
	const size_t len = strlen(error->message);

	vsnprintf(error->message + len, sizeof(error->message) - len, format, args);
	clean(error->message + len);
}

static __printf(2, 3) void append(struct kvmreg_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vappend(error, format, args);
	va_end(args);
}

int kr_fail(struct kvmreg_error *error, int err, const char *format, ...)
{
	va_list args;

	if (!error)
		return -err;

	memset(error, 0, sizeof(*error));
	va_start(args, format);
	vappend(error, format, args);
	va_end(args);
	return -err;
}

static char printable(char c)
{
	return c == '\t' || (c >= ' ' && c <= '~') ? c : '?';
}

static void append_excerpt(struct kvmreg_error *error, const struct line *line,
			   const struct token *token)
{
	char text[MAX_EXCERPT + 1] = "", marks[2 * MAX_EXCERPT + 2] = "";
	const char *start = line->start, *end = line->end;
	const char *p, *caret = token ? token->start : start;
	size_t i = 0, under = token && token->len ? token->len : 1;

	while (end > start && end[-1] && strchr(" \t\r", end[-1]))
		end--;
	if (caret - start > MAX_EXCERPT / 2)
		start = caret - MAX_EXCERPT / 2;
	if (end - start > MAX_EXCERPT)
		end = start + MAX_EXCERPT;

	for (p = start; p < end; p++)
		text[i++] = printable(*p);
	append(error, "\n%s", text);
	if (!token)
		return;

	for (i = 0, p = start; p < caret; p++)
		marks[i++] = *p == '\t' ? '\t' : ' ';
	marks[i++] = '^';
	for (p = caret + 1; p < end && p < caret + under; p++)
		marks[i++] = '~';
	append(error, "\n%s", marks);
}

int kr_fail_at(struct kvmreg_error *error, int err, const struct line *line,
	       const struct token *token, const char *next, const char *format, ...)
{
	va_list args;

	if (!error)
		return -err;

	memset(error, 0, sizeof(*error));
	error->line = line->number;
	append(error, "%s:%u:", line->file, line->number);
	if (token) {
		error->column = token->start - line->start + 1;
		append(error, "%u:", error->column);
	}
	append(error, " error: ");
	va_start(args, format);
	vappend(error, format, args);
	va_end(args);
	append_excerpt(error, line, token);
	if (next)
		append(error, "\n%s", next);
	return -err;
}

static unsigned int line_of(const struct kvmreg_policy *policy, int rule)
{
	if (rule >= 0)
		return kvmreg_rule_line(policy, rule);
	return rule == KR_FAIL_CLOSED ? policy->fail_closed_line : policy->default_line;
}

/* What is, or could be, written there */
static void append_rule(struct kvmreg_error *error, const struct kvmreg_policy *policy, int rule)
{
	char *text;

	if (rule == KR_FAIL_CLOSED) {
		append(error, "\nfail-closed");
	} else if (rule < 0) {
		append(error, "\ndefault %s", kvmreg_action_name(policy->head.msr_default));
	} else {
		text = kvmreg_format_rule(&policy->rules[rule]);
		if (text)
			append(error, "\n%s", text);
		free(text);
	}
}

int kr_fail_rule(struct kvmreg_error *error, int err, const struct kvmreg_policy *policy,
		 int rule, const char *next, const char *format, ...)
{
	const unsigned int line = line_of(policy, rule);
	va_list args;

	if (!error)
		return -err;

	memset(error, 0, sizeof(*error));
	error->line = line;
	append(error, line ? "%s:%u: error: " : "%s: error: ", policy->name, line);
	va_start(args, format);
	vappend(error, format, args);
	va_end(args);
	append_rule(error, policy, rule);
	if (next)
		append(error, "\n%s", next);
	return -err;
}
