"""pyscard's own monitors, printing what they see of readers and cards. Ends with its input."""

import os
import sys

from smartcard.CardMonitoring import CardMonitor, CardObserver
from smartcard.ReaderMonitoring import ReaderMonitor, ReaderObserver


class Readers(ReaderObserver):
    def update(self, observable, actions):
        added, removed = actions
        for reader in added:
            print(f"+ reader {reader}", flush=True)
        for reader in removed:
            print(f"- reader {reader}", flush=True)


class Cards(CardObserver):
    def update(self, observable, actions):
        added, removed = actions
        for card in added:
            print(f"+ card {bytes(card.atr).hex()} in {card.reader}", flush=True)
        for card in removed:
            print(f"- card {bytes(card.atr).hex()} in {card.reader}", flush=True)


readers, cards = Readers(), Cards()
ReaderMonitor().addObserver(readers)
CardMonitor().addObserver(cards)
sys.stdin.read()
# Their threads wait for readers and cards for ever.
os._exit(0)
