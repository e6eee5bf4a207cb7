/* Measures a card through whatever PCSCLITE_CSOCK_NAME names, with the real libpcsclite:
 *
 *     turns transmit|turn COUNT SECONDS
 *
 * Does up to COUNT transmits inside one transaction, or COUNT times begin+transmit+end, but no longer
 * than SECONDS; a tenth of that many before, which are not measured. Prints how many there were, how
 * long they took in microseconds, and when they began and ended, in milliseconds of CLOCK_MONOTONIC. */

#include "measure.h"

#include <string.h>

static SCARDHANDLE card;
static DWORD protocol;

static void transmit(void)
{
	/* The test card answers the data: 16 bytes and 9000. */
	static const BYTE command[] = { 0x80, 0xE0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8,
		9, 10, 11, 12, 13, 14, 15, 16 };
	BYTE answer[258];
	DWORD length = sizeof answer;

	check("SCardTransmit", SCardTransmit(card,
		protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1,
		command, sizeof command, NULL, answer, &length));
	if (length != 18 || memcmp(answer, command + 5, 16) != 0) {
		fprintf(stderr, "a wrong answer of %lu bytes\n", (unsigned long)length);
		exit(1);
	}
}

static void turn(void)
{
	check("SCardBeginTransaction", SCardBeginTransaction(card));
	transmit();
	check("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD));
}

/* Gives how many there were. */
static long repeat(void (*act)(void), long count, double seconds)
{
	double end = now() + seconds * 1e6;
	long done = 0;

	while (done < count && now() < end) {
		act();
		done++;
	}
	return done;
}

int main(int argc, char **argv)
{
	SCARDCONTEXT context;
	char readers[4096];
	DWORD length = sizeof readers;
	double began, ended;
	long count, done;
	int alone;

	if (argc != 4)
		return 2;
	alone = strcmp(argv[1], "transmit") == 0;
	count = atol(argv[2]);
	check("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	check("SCardListReaders", SCardListReaders(context, NULL, readers, &length));
	check("SCardConnect", SCardConnect(context, readers, SCARD_SHARE_SHARED,
		SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol));
	if (alone)
		check("SCardBeginTransaction", SCardBeginTransaction(card));
	repeat(alone ? transmit : turn, count / 10 + 1, atof(argv[3]) / 10);
	began = now();
	done = repeat(alone ? transmit : turn, count, atof(argv[3]));
	ended = now();
	if (alone)
		check("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD));
	check("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	check("SCardReleaseContext", SCardReleaseContext(context));
	printf("%ld %.1f %.3f %.3f\n", done, ended - began, began / 1e3, ended / 1e3);
	return 0;
}
