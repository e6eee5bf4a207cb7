/* What the programs of several cases have in common: PC/SC's first steps, what is printed, and which cases are run. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winscard.h>

/* The test card gives back the byte 55. */
static const unsigned char ECHO[] = {0x80, 0xe0, 0x00, 0x00, 0x01, 0x55};

static char reader[256];

static LONG show(const char *what, LONG rv)
{
	printf("%s: %08lx\n", what, (unsigned long)rv & 0xffffffff);
	return rv;
}

static void must(LONG rv)
{
	if (rv == SCARD_S_SUCCESS)
		return;
	show("unexpectedly", rv);
	exit(1);
}

static SCARDCONTEXT establish(void)
{
	SCARDCONTEXT context;

	must(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	return context;
}

static SCARDHANDLE connect_in(SCARDCONTEXT context)
{
	SCARDHANDLE card;
	DWORD protocol;

	must(SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_T0, &card, &protocol));
	return card;
}

static LONG transmit(SCARDHANDLE card, const unsigned char *apdu, DWORD size, unsigned char *answer)
{
	DWORD length = 258;
	LONG rv = SCardTransmit(card, SCARD_PCI_T1, apdu, size, NULL, answer, &length);

	if (rv == SCARD_S_SUCCESS && length > 0)
		answer[0] = length > 2 ? answer[0] : answer[length - 2];
	return rv;
}

static void show_transmit(const char *what, SCARDHANDLE card, const unsigned char *apdu, DWORD size)
{
	unsigned char answer[258] = {0};
	LONG rv = transmit(card, apdu, size, answer);

	printf("%s: %08lx %02x\n", what, (unsigned long)rv & 0xffffffff, answer[0]);
}

#define SHOW_TRANSMIT(what, card, apdu) show_transmit(what, card, apdu, sizeof(apdu))

struct test_case {
	const char *name;
	void (*run)(void);
};

/* Runs the cases that the arguments name; without any, all. The first reader is theirs. */
static int run_cases(const struct test_case *cases, size_t count, int argc, char **argv)
{
	SCARDCONTEXT context = establish();
	DWORD length = sizeof reader;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(SCardListReaders(context, NULL, reader, &length));
	must(SCardReleaseContext(context));
	for (size_t i = 0; i < count; i++) {
		int wanted = argc == 1;

		for (int arg = 1; arg < argc; arg++)
			wanted |= strcmp(argv[arg], cases[i].name) == 0;
		if (!wanted)
			continue;
		printf("== %s\n", cases[i].name);
		cases[i].run();
	}
	printf("done\n");
	return 0;
}
