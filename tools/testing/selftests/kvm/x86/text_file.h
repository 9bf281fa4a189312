/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files by which the kernel tells and takes something, as text.
 */
#ifndef SELFTEST_KVM_TEXT_FILE_H
#define SELFTEST_KVM_TEXT_FILE_H

#include <fcntl.h>
#include <unistd.h>

#include "test_util.h"

/* Returns false if there is no such file, or it must not be read. */
static inline bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;

	n = read(fd, buf, size - 1);
	TEST_ASSERT(n >= 0, "cannot read %s: %d", path, errno);
	buf[n] = 0;
	close(fd);
	return true;
}

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool ok;

	if (fd < 0)
		return false;

	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

#endif /* SELFTEST_KVM_TEXT_FILE_H */
