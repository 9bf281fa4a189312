// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tracepoint kvm_reg_rule, in an instance of tracefs, for the VMs of one VMM.
 *
 * The VMM's threads that run vCPUs are known only when it runs.  So the accesses of all VMs
 * are traced, and those of other VMs left out later.  The instance's set_event_pid would do
 * that as well, but it hooks into each context switch of the system.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "kvm-reg.h"
#include "preload.h"
#include "trace.h"

static __printf(2, 3) bool fail(struct trace *trace, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(trace->why, sizeof(trace->why), format, args);
	va_end(args);
	return false;
}

static bool path_of(struct trace *trace, const char *file, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s", trace->dir, file) < PATH_MAX ||
	       fail(trace, "%s/%s: path too long", trace->dir, file);
}

bool trace_write(struct trace *trace, const char *file, const char *text)
{
	char path[PATH_MAX];
	bool done;
	int fd;

	if (!path_of(trace, file, path))
		return false;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) >= 0;
	if (!done)
		fail(trace, "%s: %m", path);
	if (fd >= 0)
		close(fd);
	return done;
}

FILE *trace_open(struct trace *trace, const char *file)
{
	char path[PATH_MAX];
	FILE *stream;

	if (!path_of(trace, file, path))
		return NULL;
	stream = fopen(path, "re");
	if (!stream)
		fail(trace, "%s: %m", path);
	return stream;
}

/* Remove the instances of kvm-regs that were killed. */
static void remove_dead(const char *tracefs)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *instances;
	int pid, len;

	snprintf(path, sizeof(path), "%s/instances", tracefs);
	instances = opendir(path);
	while (instances && (entry = readdir(instances))) {
		if (sscanf(entry->d_name, "kvm-reg-%d%n", &pid, &len) != 1 ||
		    entry->d_name[len] || pid <= 0)
			continue;
		if (pid == getpid() || (kill(pid, 0) && errno == ESRCH))
			unlinkat(dirfd(instances), entry->d_name, AT_REMOVEDIR);
	}
	if (instances)
		closedir(instances);
}

static bool trace_mkdir(struct trace *trace, const char *tracefs)
{
	remove_dead(tracefs);
	snprintf(trace->dir, sizeof(trace->dir), "%s/instances/kvm-reg-%d", tracefs, getpid());
	if (!mkdir(trace->dir, 0700))
		return true;

	fail(trace, "%s: %m", trace->dir);
	*trace->dir = 0;
	return false;
}

/* tracefs has the thread IDs of the first PID namespace, and the library those of ours. */
static bool ids_differ(void)
{
	static const char first[] = "pid:[4026531836]";	/* PROC_PID_INIT_INO */
	char ns[sizeof(first)] = "";

	return readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1) > 0 && strcmp(ns, first);
}

bool trace_start(struct trace *trace, const struct preload *preload)
{
	const bool here = !access("/sys/kernel/tracing/instances", F_OK) || errno != ENOENT;

	*trace = (struct trace) { .preload = preload };
	if (ids_differ())
		return fail(trace, "thread IDs differ in a PID namespace");
	return trace_mkdir(trace, here ? "/sys/kernel/tracing" : "/sys/kernel/debug/tracing");
}

void trace_end(struct trace *trace)
{
	if (*trace->dir && rmdir(trace->dir))
		fprintf(stderr, "kvm-reg: cannot remove %s: %m\n", trace->dir);
	*trace->dir = 0;
}

static bool is_ours(const struct trace *trace, __u32 thread)
{
	__u32 i;

	for (i = 0; i < trace->preload->nr_threads && i < PRELOAD_MAX_THREADS; i++)
		if (trace->preload->threads[i] == thread)
			return true;
	return false;
}

/*
 * "  qemu-system-x86-59  [001] .....  1.762139: kvm_reg_rule: vcpu 0 read msr 0x8b action gp
 * value 0x0 by rule 3".  A thread may have any name.
 */
bool trace_parse(const struct trace *trace, const char *line, struct trace_access *access)
{
#define FORMAT(name) " kvm_reg_rule: vcpu %u %7s " name " action %*s value 0x%llx by rule %d"
	static const char *const formats[] = {
		[KVM_X86_REG_RULE_MSR] = FORMAT("msr 0x%x"),
		[KVM_X86_REG_RULE_CR] = FORMAT("cr%u"),
		[KVM_X86_REG_RULE_XCR] = FORMAT("xcr%u"),
	};
	const char *event = strstr(line, " kvm_reg_rule: "), *thread;
	unsigned long long value;
	char verb[8];

	if (!event)
		return false;
	thread = memrchr(line, '[', event - line);
	while (thread && thread > line && thread[-1] != '-')
		thread--;
	if (!thread || !is_ours(trace, strtoul(thread, NULL, 10)))
		return false;

	*access = (struct trace_access) {};
	for (; access->space < ARRAY_SIZE(formats); access->space++) {
		if (sscanf(event, formats[access->space], &access->vcpu, verb, &access->index,
			   &value, &access->rule) != 5)
			continue;
		access->access = *verb == 'r' ? KVM_X86_REG_RULE_READ : KVM_X86_REG_RULE_WRITE;
		access->value = value;
		return true;
	}
	return false;
}

/* A histogram has at most three keys: it takes one for each space and list. */
bool trace_count(struct trace *trace, unsigned int space, unsigned int list,
		 const char *filter, unsigned int room)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "hist:keys=common_pid,index,access:size=%u if space == %u && list == %u && %s",
		 room, space, list, filter);
	return trace_write(trace, TRACE_EVENT "/trigger", text);
}

/* "# trigger info: hist:keys=common_pid,index,access:... if space == 0 && list == 1 [active]" */
static void parse_title(const char *line, struct trace_access *title)
{
	const char *filter = strstr(line, " if space == ");
	unsigned int space, list;

	if (filter && sscanf(filter, " if space == %u && list == %u", &space, &list) == 2) {
		title->space = space;
		title->list = list;
	}
}

/* "{ common_pid:         59, index:        416, access:          1 } hitcount:          2" */
static bool parse_count(const struct trace *trace, const char *line, struct trace_access *count)
{
	unsigned int thread, access;
	unsigned long long hits;

	if (sscanf(line, "{ common_pid: %u, index: %u, access: %u } hitcount: %llu",
		   &thread, &count->index, &access, &hits) != 4 || !is_ours(trace, thread))
		return false;

	count->access = access;
	count->hits = hits;
	return true;
}

static bool same_kind(const struct trace_access *a, const struct trace_access *b)
{
	return a->index == b->index && a->access == b->access && a->space == b->space &&
	       a->list == b->list;
}

/* Add to what another thread has done; return how many kinds there are now, or -1. */
static int add_count(struct trace_access **counts, int nr, const struct trace_access *count)
{
	struct trace_access *more;
	int i;

	for (i = 0; i < nr; i++) {
		if (same_kind(&(*counts)[i], count)) {
			(*counts)[i].hits += count->hits;
			return nr;
		}
	}
	more = reallocarray(*counts, nr + 1, sizeof(*more));
	if (!more)
		return -1;
	more[nr] = *count;
	*counts = more;
	return nr + 1;
}

int trace_counts(struct trace *trace, struct trace_access **counts)
{
	FILE *hist = trace_open(trace, TRACE_EVENT "/hist");
	unsigned long dropped, sum = 0;
	struct trace_access count = {};
	char line[512];
	int nr = 0;

	*counts = NULL;
	if (!hist)
		return -1;

	while (nr >= 0 && fgets(line, sizeof(line), hist)) {
		parse_title(line, &count);
		if (sscanf(line, " Dropped: %lu", &dropped) == 1)
			sum += dropped;
		if (parse_count(trace, line, &count))
			nr = add_count(counts, nr, &count);
	}
	fclose(hist);

	if (nr < 0)
		fail(trace, "out of memory");
	else if (sum)
		fail(trace, "the kernel had no room to count %lu accesses; use fewer vCPUs", sum);
	else if (trace->preload->nr_threads > PRELOAD_MAX_THREADS)
		fail(trace, "the VMM had too many threads with vCPUs");
	else
		return nr;
	free(*counts);
	*counts = NULL;
	return -1;
}
