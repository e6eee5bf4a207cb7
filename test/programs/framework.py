"""What pyscard's own tests of its framework look at: readers, requests for cards, connections and their decorators.

Prints what it saw, a line each, and nothing that depends on when it runs. A line "> pull" or "> insert" asks whoever
runs it to do that to the card in the first reader, and to answer with an empty line.
"""

import sys
import threading

from smartcard.ATR import ATR
from smartcard.CardConnection import CardConnection
from smartcard.CardMonitoring import CardMonitor, CardObserver
from smartcard.CardRequest import CardRequest
from smartcard.CardType import AnyCardType, ATRCardType
from smartcard.Exceptions import CardRequestTimeoutException, SmartcardException
from smartcard.ExclusiveConnectCardConnection import ExclusiveConnectCardConnection
from smartcard.ExclusiveTransmitCardConnection import ExclusiveTransmitCardConnection
from smartcard.PassThruCardService import PassThruCardService
from smartcard.pcsc import PCSCPart10
from smartcard.pcsc.PCSCReaderGroups import PCSCReaderGroups
from smartcard.scard import SCARD_LEAVE_CARD, SCARD_UNPOWER_CARD
from smartcard.Session import Session
from smartcard.sw.ErrorCheckingChain import ErrorCheckingChain
from smartcard.sw.ISO7816_4ErrorChecker import ISO7816_4ErrorChecker
from smartcard.sw.SWExceptions import SWException
from smartcard.System import readergroups, readers
from smartcard.util import toBytes, toHexString

T0, T1, RAW = CardConnection.T0_protocol, CardConnection.T1_protocol, CardConnection.RAW_protocol
# The test card: gives back its data; has no such file; tells whether a PIN was given since the last reset.
ECHO, SELECT, VERIFIED = toBytes("80E0000003070809"), toBytes("00A40000023F00"), toBytes("80EA0000")
SURELY_S = 30


def attempt(what, made):
    """What it gave, or which error it is."""
    try:
        print(what + ":", made(), flush=True)
    except (SmartcardException, SWException, TypeError) as error:
        # pyscard has no handle to ask with where connecting failed: a TypeError.
        print(what + ":", type(error).__name__, flush=True)


def ask(what):
    print("> " + what, flush=True)
    sys.stdin.readline()


def lists():
    print([str(reader) for reader in readers()])
    print(list(readergroups()), PCSCReaderGroups().getreadergroups())
    print([str(reader) for reader in readers(["SCard$DefaultReaders"])])


def connections():
    for reader in readers():
        for name, protocol in (("any", None), ("T=0", T0), ("T=1", T1), ("both", T0 | T1), ("raw", RAW)):
            connection = reader.createConnection()
            attempt("%s, %s" % (reader, name), lambda: connection.connect(protocol))
            attempt("  protocol", connection.getProtocol)
            attempt("  ATR", lambda: toHexString(connection.getATR()))
            attempt("  echo", lambda: connection.transmit(ECHO))
            attempt("  T=0 in transmit", lambda: connection.transmit(ECHO, T0))
            attempt("  T=1 in transmit", lambda: connection.transmit(ECHO, T1))
            attempt("  features", lambda: PCSCPart10.getFeatureRequest(connection))
            attempt("  attribute", lambda: connection.getAttrib(0x90303))
            attempt("  disconnect", connection.disconnect)


def disposed():
    """With which disposition a connection ends."""
    for disposition in (SCARD_LEAVE_CARD, SCARD_UNPOWER_CARD):
        connection = readers()[0].createConnection()
        connection.connect(disposition=disposition)
        attempt("verify", lambda: connection.transmit(toBytes("8020000001 00")))
        connection.disconnect()
        connection.connect()
        attempt("verified", lambda: connection.transmit(VERIFIED))
        connection.disconnect()


def requests():
    request = CardRequest(timeout=1, cardType=AnyCardType())
    service = request.waitforcard()
    print(isinstance(service, PassThruCardService), service.connection.getReader())
    service.connection.connect()
    attempt("echo", lambda: service.connection.transmit(ECHO))
    service.connection.disconnect()
    atr = toBytes("3B80800101")
    found = CardRequest(timeout=1, cardType=ATRCardType(atr)).waitforcard()
    found.connection.connect()
    print(toHexString(found.connection.getATR()), ATR(atr).isT1Supported())
    found.connection.disconnect()
    for what, request in (
        ("another card", CardRequest(timeout=0.5, cardType=ATRCardType(toBytes("3B00")))),
        ("a new card", CardRequest(timeout=0.5, newcardonly=True)),
    ):
        try:
            print(what, request.waitforcard())
        except CardRequestTimeoutException as error:
            print(what + ":", type(error).__name__)


def exclusive():
    reader = readers()[0]
    alone = ExclusiveConnectCardConnection(reader.createConnection())
    alone.connect()
    attempt("exclusive, echo", lambda: alone.transmit(ECHO))
    attempt("beside it", lambda: reader.createConnection().connect())
    alone.disconnect()
    locked = ExclusiveTransmitCardConnection(reader.createConnection())
    other = reader.createConnection()
    locked.connect()
    other.connect()
    locked.lock()
    attempt("locked, echo", lambda: locked.transmit(ECHO))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(other.transmit(ECHO)))
    thread.start()
    thread.join(0.5)
    print("the other waits:", answers == [])
    locked.unlock()
    thread.join(SURELY_S)
    print("and comes through:", answers)
    other.disconnect()
    locked.disconnect()


def errors():
    connection = readers()[0].createConnection()
    connection.connect()
    connection.setErrorCheckingChain([ErrorCheckingChain([], ISO7816_4ErrorChecker())])
    attempt("select", lambda: connection.transmit(SELECT))
    attempt("echo", lambda: connection.transmit(ECHO))
    connection.disconnect()
    session = Session(str(readers()[0]))
    attempt("session", lambda: session.sendCommandAPDU(ECHO))
    attempt("its ATR", lambda: toHexString(session.getATR()))
    attempt("session ends", session.close)
    attempt("no reader", lambda: Session("no such reader"))


class Told(CardObserver):
    def __init__(self):
        self.steps = []
        self.more = threading.Semaphore(0)

    def update(self, observable, actions):
        added, gone = actions
        for sign, cards in (("+", added), ("-", gone)):
            for card in cards:
                self.steps.append("%s %s in %s" % (sign, toHexString(card.atr), card.reader))
                self.more.release()


def monitors():
    """Several observers at once; one looks away."""
    monitor, observers = CardMonitor(), [Told() for _ in range(3)]
    for observer in observers:
        monitor.addObserver(observer)
    for step in ("there", "pull", "insert"):
        if step != "there":
            ask(step)
        for observer in observers:
            if not observer.more.acquire(timeout=SURELY_S):
                raise SystemExit("nobody told of %s" % step)
    print([observer.steps for observer in observers])
    for observer in observers:
        monitor.deleteObserver(observer)


if __name__ == "__main__":
    for case in (lists, connections, disposed, requests, exclusive, errors, monitors):
        print("== " + case.__name__, flush=True)
        case()
    print("done", flush=True)
