// SPDX-License-Identifier: GPL-2.0
/*
 * $(become PROGRAM,VARIABLE...): a function for GNU make, which turns make into
 * PROGRAM, with those make variables in its environment. make's own exit status
 * is 2 for whatever a recipe fails with; PROGRAM's is then all there is.
 */
#include <gnumake.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int plugin_is_GPL_compatible;
int make_exec_setup(const gmk_floc *floc);

static char *become(const char *name, unsigned int argc, char **argv)
{
	char reference[256];
	sigset_t none;

	(void)name;
	for (unsigned int i = 1; i < argc; i++) {
		snprintf(reference, sizeof(reference), "$(%s)", argv[i]);
		setenv(argv[i], gmk_expand(reference), 1);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fflush(NULL);
	execl(argv[0], argv[0], (char *)NULL);
	perror(argv[0]);
	exit(125);
}

int make_exec_setup(const gmk_floc *floc)
{
	(void)floc;
	gmk_add_function("become", become, 1, 0, GMK_FUNC_DEFAULT);
	return 1;
}
