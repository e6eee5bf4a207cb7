/*
 * Signals that interrupt every call, and threads that end each other's waiting or share a context. Prints what it saw, a
 * line each, and nothing that differs from one run to the next.
 */
#include "cases.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

/* The test card takes a second for it. */
static const unsigned char SLOW[] = {0x80, 0xe6, 0x03, 0xe8};
enum { THREADS = 8, TURNS = 20 };

/* Waits for the card to be used by so and so many, as far as flags tell: nobody, or somebody. */
static void until_in_use(SCARDCONTEXT context, DWORD flag)
{
	SCARD_READERSTATE state = {.szReader = reader};

	do {
		must(SCardGetStatusChange(context, 30000, &state, 1));
		state.dwCurrentState = state.dwEventState & ~SCARD_STATE_CHANGED;
	} while ((state.dwEventState & SCARD_STATE_INUSE) != flag);
}

static atomic_int ticks;
static SCARDCONTEXT to_cancel;

static void tick(int number)
{
	(void)number;
	ticks++;
}

static void cancel_on_signal(int number)
{
	(void)number;
	ticks++;
	SCardCancel(to_cancel);
}

/* Has a signal come every so many milliseconds, 0 for no more. */
static void every(int ms, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};
	struct itimerval timer = {{0, ms * 1000}, {0, ms * 1000}};

	if (ms > 0)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Signals that interrupt every system call. */
static void interrupted(void)
{
	SCARDCONTEXT context = establish(), busy = establish();
	SCARDHANDLE card = connect_in(busy);
	SCARD_READERSTATE state = {.szReader = reader};
	unsigned char answer[258];
	int turn;

	until_in_use(context, SCARD_STATE_INUSE);
	must(SCardGetStatusChange(context, 0, &state, 1));
	state.dwCurrentState = state.dwEventState & ~SCARD_STATE_CHANGED;
	every(7, tick);
	show("wait", SCardGetStatusChange(context, 500, &state, 1));
	SHOW_TRANSMIT("a slow command", card, SLOW);
	for (turn = 0; turn < 100; turn++) {
		must(SCardBeginTransaction(card));
		must(transmit(card, ECHO, sizeof ECHO, answer));
		must(SCardEndTransaction(card, SCARD_LEAVE_CARD));
		must(SCardReleaseContext(establish()));
	}
	every(0, NULL);
	printf("%s\n", ticks > 10 ? "there were signals" : "there was no signal");
	must(SCardReleaseContext(busy));
	must(SCardReleaseContext(context));
}

/* SCardCancel out of a signal handler, in the thread that waits. */
static void cancelled_by_signal(void)
{
	SCARD_READERSTATE state = {.szReader = "\\\\?PnP?\\Notification"};

	to_cancel = establish();
	every(400, cancel_on_signal);
	show("wait", SCardGetStatusChange(to_cancel, INFINITE, &state, 1));
	every(0, NULL);
	show("release", SCardReleaseContext(to_cancel));
}

static void *release_it(void *context)
{
	usleep(200000);
	return (void *)SCardReleaseContext(*(SCARDCONTEXT *)context);
}

/* Another thread releases the context in which one waits. */
static void released_while_waiting(void)
{
	SCARDCONTEXT context = establish();
	SCARD_READERSTATE state = {.szReader = "\\\\?PnP?\\Notification"};
	pthread_t thread;
	void *rv;

	pthread_create(&thread, NULL, release_it, &context);
	show("wait", SCardGetStatusChange(context, 1000, &state, 1));
	pthread_join(thread, &rv);
	show("release", (LONG)rv);
	show("valid", SCardIsValidContext(context));
}

static SCARDCONTEXT shared;

static void *work(void *unused)
{
	SCARDHANDLE card = connect_in(shared);
	unsigned char answer[258];
	long done = 0;

	(void)unused;
	for (int turn = 0; turn < TURNS; turn++)
		if (transmit(card, ECHO, sizeof ECHO, answer) == SCARD_S_SUCCESS && answer[0] == 0x55)
			done++;
	must(SCardDisconnect(card, SCARD_LEAVE_CARD));
	return (void *)done;
}

/* Threads with a handle each in one context. */
static void threads(void)
{
	pthread_t made[THREADS];
	long total = 0;

	shared = establish();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&made[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++) {
		void *done;

		pthread_join(made[i], &done);
		total += (long)done;
	}
	printf("%ld of %d\n", total, THREADS * TURNS);
	must(SCardReleaseContext(shared));
}

int main(int argc, char **argv)
{
	static const struct test_case CASES[] = {{"interrupted", interrupted}, {"cancelled_by_signal", cancelled_by_signal},
		{"released_while_waiting", released_while_waiting}, {"threads", threads}};

	return run_cases(CASES, sizeof CASES / sizeof *CASES, argc, argv);
}
