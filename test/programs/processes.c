/*
 * What becomes of contexts, handles and transactions when a process forks, becomes another program, or ends. Prints what
 * it saw, a line each, and nothing that differs from one run to the next.
 */
#include "cases.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The test card: a PIN is given; was it, since the last reset? */
static const unsigned char VERIFY[] = {0x80, 0x20, 0x00, 0x00, 0x01, 0x00};
static const unsigned char VERIFIED[] = {0x80, 0xea, 0x00, 0x00};

/*
 * Waits until a handle is told of a reset. pcscd gives a dead program's lock up before it resets the card, and who comes
 * in between still finds it as it was.
 */
static void until_reset(SCARDHANDLE seen)
{
	LONG rv;

	do
		rv = SCardStatus(seen, NULL, NULL, NULL, NULL, NULL, NULL);
	while (rv == SCARD_S_SUCCESS);
	show("told of it", rv);
}

/* A child goes on with its parent's context and handle; after it, the parent does. */
static void forked(void)
{
	SCARDCONTEXT context = establish();
	SCARDHANDLE card = connect_in(context);
	DWORD length = 0;
	int status;

	if (fork() == 0) {
		show("child: valid", SCardIsValidContext(context));
		show("child: list", SCardListReaders(context, NULL, NULL, &length));
		show("child: status", SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL));
		show("child: begin", SCardBeginTransaction(card));
		SHOW_TRANSMIT("child: transmit", card, ECHO);
		show("child: end", SCardEndTransaction(card, SCARD_LEAVE_CARD));
		show("child: of its own", connect_in(establish()) ? SCARD_S_SUCCESS : SCARD_F_INTERNAL_ERROR);
		_exit(3);
	}
	wait(&status);
	printf("the child ended with %d\n", WEXITSTATUS(status));
	SHOW_TRANSMIT("parent: transmit", card, ECHO);
	show("parent: disconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	show("parent: release", SCardReleaseContext(context));
}

/* The parent dies in a transaction while a child still has its socket: the transaction ends with the child. */
static void orphaned(void)
{
	SCARDCONTEXT watching = establish();
	SCARDHANDLE seen = connect_in(watching);
	int ready[2], over[2];
	char byte = 0;
	pid_t middle;

	if (pipe(ready) != 0 || pipe(over) != 0)
		exit(1);
	middle = fork();
	if (middle == 0) {
		SCARDHANDLE card = connect_in(establish());

		must(SCardBeginTransaction(card));
		if (fork() == 0) {
			close(over[1]);
			/* Until its grandparent closes the other end. */
			_exit(read(over[0], &byte, 1) == 0 ? 0 : 1);
		}
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		raise(SIGKILL);
	}
	close(over[0]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	waitpid(middle, NULL, 0);
	show("held by a dead program's child", SCardEndTransaction(seen, SCARD_LEAVE_CARD));
	close(over[1]);
	until_reset(seen);
	show("begin", SCardBeginTransaction(seen));
	show("reconnect", SCardReconnect(seen, SCARD_SHARE_SHARED, 3, SCARD_LEAVE_CARD, &(DWORD){0}));
	show("begin", SCardBeginTransaction(seen));
	show("end", SCardEndTransaction(seen, SCARD_LEAVE_CARD));
	must(SCardReleaseContext(watching));
}

/* A program that holds the card becomes another: its socket is closed, and the card reset. */
static void executed(void)
{
	SCARDCONTEXT watching = establish();
	SCARDHANDLE seen = connect_in(watching);
	int out[2];
	char text[16] = "";
	int length = 0, got;
	pid_t child;

	SHOW_TRANSMIT("verify", seen, VERIFY);
	if (pipe(out) != 0)
		exit(1);
	child = fork();
	if (child == 0) {
		SCARDHANDLE card = connect_in(establish());

		must(SCardBeginTransaction(card));
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		/* The sockets of its parent's context and of its own are both gone there. */
		execl("/bin/sh", "sh", "-c",
			"for fd in /proc/self/fd/[3-9]*; do test -S $fd && n=x$n; done; echo sockets:$n; exec sleep 60", NULL);
		_exit(1);
	}
	close(out[1]);
	while (length < 8 && (got = read(out[0], text + length, sizeof text - 1 - length)) > 0)
		length += got;
	printf("%s", text);
	until_reset(seen);
	show("begin", SCardBeginTransaction(seen));
	show("reconnect", SCardReconnect(seen, SCARD_SHARE_SHARED, 3, SCARD_LEAVE_CARD, &(DWORD){0}));
	SHOW_TRANSMIT("verified", seen, VERIFIED);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	must(SCardReleaseContext(watching));
}

/* A program that ends as it is, in a transaction: the next one has a card that was reset. */
static void ended(void)
{
	SCARDCONTEXT context = establish();
	SCARDHANDLE seen = connect_in(context), card;

	if (fork() == 0) {
		card = connect_in(establish());
		SHOW_TRANSMIT("verify", card, VERIFY);
		must(SCardBeginTransaction(card));
		exit(0);
	}
	wait(NULL);
	until_reset(seen);
	card = connect_in(context);
	SHOW_TRANSMIT("verified", card, VERIFIED);
	must(SCardReleaseContext(context));
}

int main(int argc, char **argv)
{
	static const struct test_case CASES[] = {
		{"forked", forked}, {"orphaned", orphaned}, {"executed", executed}, {"ended", ended}};

	return run_cases(CASES, sizeof CASES / sizeof *CASES, argc, argv);
}
