"""The mail of the demo: what a small company's mailbox looks like."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
import datetime

OWNER = "Anna Berg <anna@example.org>"
LEO, MIKA, SHOP = "Leo Ruiz <leo@example.net>", "Mika Saarinen <mika@example.com>", "Papierhaus <shop@example.com>"
BEGIN = datetime.datetime(2026, 3, 2, 8, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
                      "0000000d49444154789c6360f8cf500f0003860180d8a6f1d10000000049454e44ae426082")


def _letter(number, sender, subject, text, answers=()):
    letter = EmailMessage(policy=SMTP)
    letter["From"] = sender
    letter["To"] = OWNER
    letter["Subject"] = subject
    letter["Date"] = format_datetime(BEGIN + datetime.timedelta(hours=7 * number))
    letter["Message-ID"] = f"<demo.{number}@example.net>"
    if answers:
        letter["In-Reply-To"] = f"<demo.{answers[-1]}@example.net>"
        letter["References"] = " ".join(f"<demo.{n}@example.net>" for n in answers)
    letter.set_content(text)
    return letter


def _thread():
    """Four answers to one question."""
    subject = "Delivery dates for March"
    texts = [(LEO, "When can you deliver the 40 chairs?\n"),
             (MIKA, "> When can you deliver the 40 chairs?\n\nThe 19th, if the lorry is repaired.\n"),
             (LEO, "> The 19th, if the lorry is repaired.\n\nAnd if not?\n"),
             (MIKA, ">> The 19th, if the lorry is repaired.\n> And if not?\n\nThen the 20th, by bicycle.\n..\nMika\n"),
             (LEO, "Very well. 🚲\n")]
    return [_letter(n, sender, subject if n == 0 else f"Re: {subject}", text, tuple(range(n)))
            for n, (sender, text) in enumerate(texts)]


def _invoice():
    letter = _letter(5, SHOP, "Rechnung Nr. 2026-0317 über 1.249,90 €", "Sehr geehrte Frau Berg,\n\nanbei die Rechnung.\n")
    letter.add_attachment(PDF, maintype="application", subtype="pdf", filename="Rechnung 2026-0317.pdf")
    return letter


def _newsletter():
    letter = _letter(6, SHOP, "Frühling im Papierhaus: 20 % auf alle Hefte", "Twenty per cent off all notebooks.\n")
    letter.add_alternative('<html><body><h1>Frühling!</h1><img src="cid:pixel"><p>20&nbsp;% auf alle Hefte.</p>'
                           "</body></html>\n", subtype="html")
    letter.get_payload()[1].add_related(PIXEL, maintype="image", subtype="png", cid="<pixel>")
    letter["List-Unsubscribe"] = "<mailto:leave@example.com>"
    return letter


def _scan():
    letter = _letter(7, "Scanner 2nd floor <scanner@example.org>", "Scan from 2nd floor (12 pages)", "12 pages\n")
    letter.add_attachment(bytes(range(256)) * 400, maintype="image", subtype="tiff", filename="scan0012.tif")
    return letter


def _table():
    letter = _letter(8, MIKA, "Stock, as of today", "The table, as ever.\n")
    letter.add_attachment("article;pieces\nchair;40\ntable;12\nÖlkanne;3\n", subtype="csv", filename="stock.csv")
    return letter


def _forwarded():
    letter = _letter(9, LEO, "Fwd: 会議の議事録", "See below.\n")
    letter.add_attachment(_letter(90, "佐藤 <sato@example.com>", "会議の議事録", "次回は四月十日です。\n"))
    return letter


def _report():
    rows = "".join(f"{n:5}  check {n:03} passed\n" + (".a line that begins with a dot\n" if n % 50 == 0 else "")
                   for n in range(1, 401))
    return _letter(10, "nightly@example.org", "nightly report: 400 checks", rows)


def _ticket():
    return _letter(11, "Helpdesk <tickets@example.org>", "[#4711] Printer says „Papierstau“ — again",
                   "Ticket #4711 was opened.\n\n-- \nHelpdesk\n")


def letters():
    """Twelve messages in octets, oldest first."""
    every = [*_thread(), _invoice(), _newsletter(), _scan(), _table(), _forwarded(), _report(), _ticket()]
    return [letter.as_bytes() for letter in every]
