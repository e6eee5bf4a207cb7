/* One of several programs that want the same card, through whatever PCSCLITE_CSOCK_NAME names:
 *
 *     contend START SECONDS COMMANDS
 *
 * From START on (milliseconds of CLOCK_MONOTONIC), for SECONDS: begin, so many commands, end, and at once again; then it
 * stays for a moment, until the others have had their last turns. Prints for each turn when begin was called, when it was
 * granted, when its first command was answered, and when end was called, in microseconds; how often it was told of a
 * reset, which it meets with SCardReconnect; and any other failure, which ends it. */

#include "measure.h"

#include <string.h>
#include <unistd.h>

static SCARDHANDLE card;
static DWORD protocol;

static LONG transmit(void)
{
	static const BYTE command[] = { 0x80, 0xE0, 0, 0, 4, 1, 2, 3, 4 };
	BYTE answer[258];
	DWORD length = sizeof answer;
	LONG rv = SCardTransmit(card, protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1,
		command, sizeof command, NULL, answer, &length);

	if (rv == SCARD_S_SUCCESS && (length != 6 || memcmp(answer, command + 5, 4) != 0)) {
		fprintf(stderr, "a wrong answer of %lu bytes\n", (unsigned long)length);
		exit(1);
	}
	return rv;
}

int main(int argc, char **argv)
{
	SCARDCONTEXT context;
	char readers[4096];
	DWORD length = sizeof readers;
	double start, end;
	long commands, resets = 0;

	if (argc != 4)
		return 2;
	start = atof(argv[1]) * 1e3;
	end = start + atof(argv[2]) * 1e6;
	commands = atol(argv[3]);
	check("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	check("SCardListReaders", SCardListReaders(context, NULL, readers, &length));
	check("SCardConnect", SCardConnect(context, readers, SCARD_SHARE_SHARED,
		SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol));
	while (now() < start)
		usleep(100);
	while (now() < end) {
		double asked = now(), granted, answered = 0;
		LONG rv = SCardBeginTransaction(card);
		long done;

		granted = now();
		for (done = 0; rv == SCARD_S_SUCCESS && done < commands; done++) {
			rv = transmit();
			if (done == 0)
				answered = now();
		}
		if (rv == SCARD_S_SUCCESS) {
			double over = now();

			check("SCardEndTransaction", SCardEndTransaction(card, SCARD_LEAVE_CARD));
			printf("turn %.0f %.0f %.0f %.0f\n", asked, granted, answered, over);
			continue;
		}
		if (rv != SCARD_W_RESET_CARD)
			check("a turn", rv);
		resets++;
		check("SCardReconnect", SCardReconnect(card, SCARD_SHARE_SHARED,
			SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD, &protocol));
	}
	/* Programs that end are work for the computer, and the others' last turns would wait for that. */
	while (now() < end + 1.5e6)
		usleep(10000);
	printf("resets %ld\n", resets);
	SCardDisconnect(card, SCARD_LEAVE_CARD);
	SCardReleaseContext(context);
	return 0;
}
