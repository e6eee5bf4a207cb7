/* Measures single calls through whatever PCSCLITE_CSOCK_NAME names, with the real libpcsclite:
 *
 *     calls connect|status|wait COUNT
 *
 * Makes the call COUNT times to the first reader's card, which it has powered before, and once before,
 * unmeasured. Connects while nobody has a handle. Prints how long each took, in microseconds, a line each; of a wait, that
 * is what it took longer than it should. */

#include "measure.h"

#include <string.h>

/* How long a wait is to last, ms. */
#define WAIT_MS 20
#define PROTOCOLS (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static SCARDCONTEXT context;
static SCARDHANDLE card;
static char readers[4096];
static SCARD_READERSTATE state;

static double connect_once(void)
{
	SCARDHANDLE another;
	DWORD protocol;
	double began = now();
	double took;

	check("SCardConnect",
		SCardConnect(context, readers, SCARD_SHARE_SHARED, PROTOCOLS, &another, &protocol));
	took = now() - began;
	check("SCardDisconnect", SCardDisconnect(another, SCARD_LEAVE_CARD));
	return took;
}

static double status_once(void)
{
	char name[256];
	BYTE atr[MAX_ATR_SIZE];
	DWORD name_length = sizeof name, atr_length = sizeof atr, bits, protocol;
	double began = now();

	check("SCardStatus",
		SCardStatus(card, name, &name_length, &bits, &protocol, atr, &atr_length));
	return now() - began;
}

static double wait_once(void)
{
	double began = now();
	LONG rv = SCardGetStatusChange(context, WAIT_MS, &state, 1);

	if (rv != (LONG)SCARD_E_TIMEOUT)
		check("SCardGetStatusChange", rv);
	state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	return rv == SCARD_S_SUCCESS ? -1 : now() - began - WAIT_MS * 1e3;
}

int main(int argc, char **argv)
{
	DWORD length = sizeof readers, protocol;
	double (*once)(void);
	double took;
	long count, done;

	if (argc != 3)
		return 2;
	once = strcmp(argv[1], "connect") == 0 ? connect_once
		: strcmp(argv[1], "status") == 0 ? status_once : wait_once;
	count = atol(argv[2]);
	check("SCardEstablishContext", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	check("SCardListReaders", SCardListReaders(context, NULL, readers, &length));
	check("SCardConnect",
		SCardConnect(context, readers, SCARD_SHARE_SHARED, PROTOCOLS, &card, &protocol));
	if (once == connect_once)
		check("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	state.szReader = readers;
	once();
	for (done = 0; done < count; ) {
		took = once();
		if (took < 0)
			continue; /* it did not wait: something had changed */
		printf("%.1f\n", took);
		done++;
	}
	if (once != connect_once)
		check("SCardDisconnect", SCardDisconnect(card, SCARD_LEAVE_CARD));
	check("SCardReleaseContext", SCardReleaseContext(context));
	return 0;
}
