/* What the measuring programs have in common. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <winscard.h>

static void check(const char *what, LONG rv)
{
	if (rv == SCARD_S_SUCCESS)
		return;
	fprintf(stderr, "%s: 0x%08lX\n", what, (unsigned long)rv);
	exit(1);
}

/* Microseconds. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
