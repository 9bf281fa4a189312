// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies from files.  What does not call this needs no reader of JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* More than any policy; a mistake such as /dev/zero ends there. */
#define MAX_FILE	(16 << 20)
#define READ_STEP	65536

/* Read all of a file.  The caller frees @text, also if that fails. */
static int read_all(FILE *file, const char *name, char **text, size_t *size,
		    struct kvmreg_error *error)
{
	char *grown;
	size_t got;

	do {
		grown = realloc(*text, *size + READ_STEP);
		if (!grown)
			return kr_fail(error, ENOMEM, "%s: error: out of memory", name);

		*text = grown;
		errno = 0;
		got = fread(*text + *size, 1, READ_STEP, file);
		*size += got;
		if (ferror(file))
			return kr_fail(error, errno ?: EIO, "%s: error: %m", name);
		if (*size > MAX_FILE)
			return kr_fail(error, EFBIG, "%s: error: larger than any policy", name);
	} while (got == READ_STEP);

	return 0;
}

int kvmreg_load(const char *path, struct kvmreg_policy **policy, struct kvmreg_error *error)
{
	const bool is_stdin = !strcmp(path, "-");
	const char *name = is_stdin ? "<stdin>" : *path ? path : "\"\"";
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	size_t size = 0, blanks = 0;
	char *text = NULL;
	int err;

	if (!file)
		return kr_fail(error, errno, "%s: error: %m", name);

	err = read_all(file, name, &text, &size, error);
	if (!is_stdin)
		fclose(file);

	while (blanks < size && text[blanks] && strchr(" \t\r\n", text[blanks]))
		blanks++;
	if (!err && blanks < size && text[blanks] == '{')
		err = kvmreg_parse_json(text, size, name, policy, error);
	else if (!err)
		err = kvmreg_parse(text, size, name, policy, error);
	free(text);
	return err;
}
