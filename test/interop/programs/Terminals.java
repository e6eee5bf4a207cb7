import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import javax.smartcardio.Card;
import javax.smartcardio.CardChannel;
import javax.smartcardio.CardException;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CardTerminals;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.ResponseAPDU;
import javax.smartcardio.TerminalFactory;

/**
 * javax.smartcardio, call by call, a line each. A line "> pull" or "> insert" asks whoever runs it to do that to the
 * card in the first reader, and to answer with an empty line. With --shared it does nothing that others would notice.
 */
class Terminals {
  /** How long to wait for what surely comes, ms. */
  static final long SURELY = 30_000;

  static void ask(String what) throws Exception {
    System.out.println("> " + what);
    while (System.in.read() != '\n') {}
  }

  static void show(String what, Object value) {
    System.out.println(what + ": " + value);
  }

  static String answer(ResponseAPDU response) {
    byte[] data = response.getData();
    String shown = data.length > 32 ? data.length + " bytes, hash " + Arrays.hashCode(data) : HexFormat.of().formatHex(data);
    return shown + " " + Integer.toHexString(response.getSW());
  }

  static void exercise(Card card) throws CardException {
    show("protocol", card.getProtocol());
    show("ATR", HexFormat.of().formatHex(card.getATR().getBytes()));
    CardChannel channel = card.getBasicChannel();
    byte[] sent = new byte[8_000];
    for (int i = 0; i < sent.length; i++) sent[i] = (byte) i;
    show("echo", answer(channel.transmit(new CommandAPDU(0x80, 0xE0, 0, 0, sent, 0, 200, 256))));
    if (!card.getProtocol().equals("T=0")) {
      show("long echo", answer(channel.transmit(new CommandAPDU(0x80, 0xE0, 0, 0, sent, 65_536))));
      show("long answer", answer(channel.transmit(new CommandAPDU(0x80, 0xE4, 0x1F, 0x00, 65_536))));
      try {
        show("longer than its buffer", answer(channel.transmit(new CommandAPDU(0x80, 0xE4, 0x7F, 0xFF, 65_536))));
      } catch (CardException error) {
        show("longer than its buffer", error.getCause().getMessage());
      }
    }
    show("GET RESPONSE in the command's own class", answer(channel.transmit(new CommandAPDU(0x80, 0xE2, 1, 0x2C, 256))));
    card.beginExclusive();
    show("in a transaction", answer(channel.transmit(new CommandAPDU(0x80, 0xE0, 0, 0, new byte[] {1, 2, 3}))));
    card.endExclusive();
    try {
      card.endExclusive();
      show("one end too many", "fine");
    } catch (IllegalStateException error) {
      show("one end too many", error.getMessage());
    }
    try {
      show("control", HexFormat.of().formatHex(card.transmitControlCommand(0x42000D48, new byte[0])));
    } catch (CardException error) {
      show("control", error.getCause().getMessage());
    }
  }

  static void connectAs(CardTerminal terminal, String protocol) {
    try {
      Card card = terminal.connect(protocol);
      try {
        exercise(card);
      } finally {
        card.disconnect(true);
      }
    } catch (CardException error) {
      show("connect " + protocol, error.getCause() == null ? error.getMessage() : error.getCause().getMessage());
    }
  }

  public static void main(String[] args) throws Exception {
    CardTerminals terminals = TerminalFactory.getDefault().terminals();
    List<CardTerminal> all = terminals.list();
    for (CardTerminal terminal : all) show(terminal.getName(), terminal.isCardPresent());
    CardTerminal first = all.get(0);
    if (List.of(args).contains("--shared")) {
      Card card = first.connect("*");
      exercise(card);
      card.disconnect(false);
      return;
    }
    for (String protocol : List.of("*", "T=0", "T=1", "direct")) connectAs(first, protocol);
    connectAs(all.get(1), "*");
    show("no card in the second within 100 ms", all.get(1).waitForCardPresent(100));
    ask("pull");
    show("absent", first.waitForCardAbsent(SURELY));
    ask("insert");
    show("present", first.waitForCardPresent(SURELY));
    connectAs(first, "*");
    show("with a card", terminals.list(CardTerminals.State.CARD_PRESENT).size());
    System.out.println("done");
  }
}
