/*
 * Every function of PC/SC in the ways that C programs use it: memory that the library makes, pointers left out,
 * buffers of every wrong size. Prints what it got, a line each, and nothing that differs from one run to the next.
 */
#include <reader.h>
#include <stdio.h>
#include <string.h>
#include <winscard.h>

/* pcsc-lite keeps its event counter in the upper half of a state. */
#define FLAGS(state) ((unsigned long)(state) & 0xffff)
/* The test card answers as many bytes as the third and fourth byte say. */
static const unsigned char LONG_ANSWER[] = {0x80, 0xe4, 0x00, 0x20, 0x00, 0x00, 0x00};
static const unsigned char ECHO[] = {0x80, 0xe0, 0x00, 0x00, 0x02, 0x0a, 0x0b};

static SCARDCONTEXT context;
static SCARDHANDLE card;
static DWORD protocol;

static void show(const char *what, LONG rv)
{
	printf("%s: %08lx %s\n", what, (unsigned long)rv & 0xffffffff, pcsc_stringify_error(rv));
}

static void show_bytes(const char *what, const void *bytes, DWORD length)
{
	const unsigned char *byte = bytes;

	printf("  %s, %lu:", what, (unsigned long)length);
	for (DWORD i = 0; i < length && i < 64; i++)
		printf(" %02x", byte[i]);
	printf("\n");
}

static void show_names(const char *names, DWORD length)
{
	for (const char *name = names; name < names + length && *name != 0; name += strlen(name) + 1)
		printf("  %s\n", name);
	printf("  %lu bytes in all\n", (unsigned long)length);
}

static void contexts(void)
{
	show("establish without a place for it", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, NULL));
	show("establish", SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	show("valid", SCardIsValidContext(context));
	show("valid, another number", SCardIsValidContext(context + 1));
	show("release another number", SCardReleaseContext(context + 1));
	show("free nothing", SCardFreeMemory(context, NULL));
}

static void lists(void)
{
	char *made = NULL;
	char room[1024];
	DWORD length = SCARD_AUTOALLOCATE;

	show("groups, made by the library", SCardListReaderGroups(context, (LPSTR)&made, &length));
	show_names(made, length);
	show("free", SCardFreeMemory(context, made));
	length = 0;
	show("groups, their length", SCardListReaderGroups(context, NULL, &length));
	show("groups, too small", (length--, SCardListReaderGroups(context, room, &length)));
	length = sizeof room;
	show("groups, with room", SCardListReaderGroups(context, room, &length));
	show_names(room, length);

	length = SCARD_AUTOALLOCATE;
	show("readers, made by the library", SCardListReaders(context, NULL, (LPSTR)&made, &length));
	show_names(made, length);
	show("free", SCardFreeMemory(context, made));
	show("readers, no length", SCardListReaders(context, NULL, room, NULL));
	length = SCARD_AUTOALLOCATE;
	show("readers, made for nobody", SCardListReaders(context, NULL, NULL, &length));
	length = 1;
	show("readers, too small", SCardListReaders(context, NULL, room, &length));
	printf("  %lu needed\n", (unsigned long)length);
	show("readers, just enough", SCardListReaders(context, NULL, room, &length));
	show_names(room, length);
}

static void waits(const char *reader)
{
	SCARD_READERSTATE states[2] = {{.szReader = reader, .dwCurrentState = SCARD_STATE_EMPTY}};

	show("wait for a card that is there", SCardGetStatusChange(context, INFINITE, states, 1));
	/* Whether somebody uses the card is told late: the program before may still be seen. */
	printf("  %lx\n", FLAGS(states[0].dwEventState & ~SCARD_STATE_INUSE));
	show_bytes("ATR", states[0].rgbAtr, states[0].cbAtr);
	show("wait for nothing", SCardGetStatusChange(context, 0, NULL, 0));
	show("wait without a list", SCardGetStatusChange(context, 0, NULL, 1));
	states[1].szReader = "\\\\?PNP?\\NOTIFICATION";
	states[0].dwCurrentState = SCARD_STATE_IGNORE;
	show("readers, in capitals", SCardGetStatusChange(context, 10, states, 2));
	states[0].szReader = NULL;
	show("a name that is none", SCardGetStatusChange(context, 10, states, 1));
	show("cancel, and nobody waits", SCardCancel(context) & 0);
}

static void connects(const char *reader)
{
	SCARDHANDLE other;

	show("connect to no name", SCardConnect(context, NULL, SCARD_SHARE_SHARED, 3, &other, &protocol));
	show("connect without a place", SCardConnect(context, reader, SCARD_SHARE_SHARED, 3, NULL, &protocol));
	show("connect without protocol", SCardConnect(context, reader, SCARD_SHARE_SHARED, 3, &other, NULL));
	show("connect", SCardConnect(context, reader, SCARD_SHARE_SHARED, 3, &card, &protocol));
	show("reconnect without protocol", SCardReconnect(card, SCARD_SHARE_SHARED, 3, SCARD_LEAVE_CARD, NULL));
	show("another handle", SCardStatus(card + 1, NULL, NULL, NULL, NULL, NULL, NULL));
	show("handle 0", SCardBeginTransaction(0));
}

static void statuses(void)
{
	char *name = NULL, room[200];
	unsigned char *atr = NULL, bytes[MAX_ATR_SIZE];
	DWORD name_length = SCARD_AUTOALLOCATE, atr_length = SCARD_AUTOALLOCATE, state = 0, active = 0;

	show("status, made by the library",
		SCardStatus(card, (LPSTR)&name, &name_length, &state, &active, (LPBYTE)&atr, &atr_length));
	printf("  %s, %lu bytes, state %lx, protocol %lu\n", name, (unsigned long)name_length, FLAGS(state),
		(unsigned long)active);
	show_bytes("ATR", atr, atr_length);
	show("free", SCardFreeMemory(context, name));
	show("free", SCardFreeMemory(context, atr));
	show("status of nothing", SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL));
	name_length = atr_length = 0;
	show("status, lengths", SCardStatus(card, NULL, &name_length, NULL, NULL, NULL, &atr_length));
	printf("  %lu, %lu\n", (unsigned long)name_length, (unsigned long)atr_length);
	name_length = 3;
	show("status, name too small", SCardStatus(card, room, &name_length, &state, NULL, NULL, NULL));
	printf("  %lu\n", (unsigned long)name_length);
	atr_length = 1;
	show("status, ATR too small", SCardStatus(card, NULL, NULL, NULL, &active, bytes, &atr_length));
	printf("  %lu\n", (unsigned long)atr_length);
}

static void transmits(void)
{
	const SCARD_IO_REQUEST *send = protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
	SCARD_IO_REQUEST received = *SCARD_PCI_RAW;
	unsigned char room[MAX_BUFFER_SIZE_EXTENDED];
	DWORD length = sizeof room;

	show("transmit", SCardTransmit(card, send, ECHO, sizeof ECHO, &received, room, &length));
	show_bytes("answer", room, length);
	printf("  in protocol %lu, whole: %d\n", received.dwProtocol, received.cbPciLength == sizeof received);
	length = sizeof room;
	show("transmit, told no protocol", SCardTransmit(card, NULL, ECHO, sizeof ECHO, NULL, room, &length));
	show("transmit nothing", SCardTransmit(card, send, NULL, 0, NULL, room, &length));
	show("transmit into nothing", SCardTransmit(card, send, ECHO, sizeof ECHO, NULL, NULL, &length));
	show("transmit, no length", SCardTransmit(card, send, ECHO, sizeof ECHO, NULL, room, NULL));
	length = 30;
	show("transmit, too small", SCardTransmit(card, send, LONG_ANSWER, sizeof LONG_ANSWER, NULL, room, &length));
	printf("  %lu needed\n", (unsigned long)length);
	show("transmit, just enough", SCardTransmit(card, send, LONG_ANSWER, sizeof LONG_ANSWER, NULL, room, &length));
	show_bytes("answer", room, length);
	length = sizeof room;
	show("transmit too much", SCardTransmit(card, send, room, sizeof room + 1, NULL, room, &length));
}

static void controls(void)
{
	unsigned char room[300];
	DWORD length = 7;

	show("features", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, room, sizeof room, &length));
	show_bytes("list", room, length);
	show("features, no room", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, NULL, 0, &length));
	show("features, no length", SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, room, 1, NULL));
	room[0] = 2;
	show("vendor's control", SCardControl(card, SCARD_CTL_CODE(1), room, 1, room, sizeof room, &length));
	show("escape of CCID", SCardControl(card, SCARD_CTL_CODE(3500), room, 1, room, sizeof room, &length));
}

static void attributes(void)
{
	static const DWORD NAMES[] = {SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_TYPE, SCARD_ATTR_VENDOR_IFD_VERSION,
		SCARD_ATTR_VENDOR_IFD_SERIAL_NO, SCARD_ATTR_MAXINPUT, SCARD_ATTR_DEVICE_FRIENDLY_NAME_A,
		SCARD_ATTR_DEVICE_SYSTEM_NAME_A, SCARD_ATTR_ICC_PRESENCE, SCARD_ATTR_CHANNEL_ID, SCARD_ATTR_CHARACTERISTICS};
	unsigned char room[265], *made = NULL;
	DWORD length = SCARD_AUTOALLOCATE;

	show("ATR, made by the library", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, (LPBYTE)&made, &length));
	show_bytes("ATR", made, length);
	show("free", SCardFreeMemory(context, made));
	length = 0;
	show("ATR, its length", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, NULL, &length));
	printf("  %lu\n", (unsigned long)length);
	for (DWORD size = 263; size <= sizeof room; size++) {
		length = size;
		show("ATR, with room", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, room, &length));
	}
	show("ATR, no length", SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, room, NULL));
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
		printf("%06lx ", (unsigned long)NAMES[i]);
		length = 264;
		show("with room", SCardGetAttrib(card, NAMES[i], room, &length));
		length = SCARD_AUTOALLOCATE;
		if (SCardGetAttrib(card, NAMES[i], (LPBYTE)&made, &length) == SCARD_S_SUCCESS) {
			show_bytes("value", made, length);
			SCardFreeMemory(context, made);
		}
	}
	show("set", SCardSetAttrib(card, SCARD_ATTR_ATR_STRING, (LPCBYTE)"", 1));
	show("set to nothing", SCardSetAttrib(card, SCARD_ATTR_ATR_STRING, NULL, 0));
	show("set to too much", SCardSetAttrib(card, SCARD_ATTR_ATR_STRING, room, sizeof room));
}

int main(void)
{
	char names[1024];
	DWORD length = sizeof names;

	setvbuf(stdout, NULL, _IOLBF, 0);
	contexts();
	lists();
	show("readers", SCardListReaders(context, NULL, names, &length));
	waits(names);
	connects(names);
	statuses();
	transmits();
	controls();
	attributes();
	show("reconnect", SCardReconnect(card, SCARD_SHARE_SHARED, 3, SCARD_UNPOWER_CARD, &protocol));
	show("disconnect", SCardDisconnect(card, SCARD_UNPOWER_CARD));
	show("disconnect again", SCardDisconnect(card, SCARD_UNPOWER_CARD));
	show("release", SCardReleaseContext(context));
	show("release again", SCardReleaseContext(context));
	printf("done\n");
	return 0;
}
