"""The pitfalls that were measured before masking was built, one row each: what no text may carry past it."""

from __future__ import annotations

import base64
import threading
import traceback
from typing import Any

import pytest
from presidio_analyzer import EntityRecognizer, RecognizerResult

from agent_guard.errors import MaskingError
from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.spoken import dialled
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World

pytestmark = [pytest.mark.req("A23", "B6"), pytest.mark.databases("sqlite")]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ROWS = {
    # zero-width characters, other digits and signs
    "zero width": ("to an\u200bna@ma\u200bil.example", ["na@ma", "mail", "il.example"]),
    "full width": ("call ＋７ ７０１ ５５５ ３３ ２２ now", ["７０１", "５５５", "３３"]),
    "no-break spaces": ("call +48\u00a0601\u00a0234\u00a0567 now", ["601", "234", "567"]),
    "dashes": ("tel +48–601–234–567", ["601", "567"]),
    # numbers without their signs, in groups, over two lines
    "no plus": ("write to 77015553322", ["7015553322"]),
    "iin in groups": ("ИИН 880512 400156", ["880512", "400156"]),
    "iin over two lines": ("ИИН 880512\n400156", ["880512", "400156"]),
    "pesel in groups": ("PESEL 44 05 14 01359", ["44 05", "01359"]),
    "iban in groups": ("na KZ86 125K ZT50 0410 0100 proszę", ["125K", "0410"]),
    "nip": ("NIP 526-10-40-828", ["526", "828"]),
    # words for signs and numbers
    "dot and at": ("john dot smith at example dot com", ["john", "smith", "example"]),
    "sobaka and tochka": ("почта: ivan собака mail точка ru", ["ivan", "mail"]),
    "malpa and kropka": ("jan małpa poczta kropka pl", ["jan", "poczta"]),
    "phone in words": ("call me at four one five, five five five, two six seven one", ["four", "six", "one"]),
    "phone in Russian words": ("наберите восемь семьсот один пятьсот пятьдесят пять тридцать три двадцать два", ["семьсот", "два"]),
    "phone in Polish words": ("zadzwoń: pięćset jeden sześćset dwanaście trzysta trzydzieści cztery", ["pięćset", "cztery"]),
    # what scanners make of digits
    "ocr": ("tel. T37 410 190", ["T37", "410", "190"]),
    # names without capitals
    "lower case after a cue": ("меня зовут айгерим сатыбалдиева", ["айгерим", "сатыбалдиева"]),
    "lower case in Polish": ("jan kowalski dzwonił, pytał o annę nowicką", ["jan", "kowalski", "annę", "nowicką"]),
    "lower case in Russian": ("передайте ивану петрову, что звонила айгуль сериккызы", ["иван", "петров", "айгуль", "сериккызы"]),
    "lower case in English": ("john smith and emily carter called", ["john", "smith", "emily", "carter"]),
    # two alphabets in one word, and Kazakh
    "homoglyphs": ("Ивaн Пeтров звонил", ["Ивaн", "Пeтров"]),
    "kazakh": ("Нұрсұлтан Әбішұлы келді", ["Нұрсұлтан", "Әбішұлы"]),
    # addresses of pages
    "query": ("https://crm/u/john.smith?phone=%2B14155552671", ["john", "smith", "4155552671"]),
    "path": ("see https://crm.example/users/anna-kowalska/deals", ["anna", "kowalska"]),
    "profile": ("see https://crm.example/anna.kowalska/profile", ["anna", "kowalska"]),
    # names of files, and other codes
    "file": ("see invoice_John_Smith.pdf", ["John", "Smith"]),
    "file in Polish": ("umowa_Jan_Kowalski.docx w załączniku", ["Jan", "Kowalski"]),
    "file in Russian": ("договор_Иван_Петров.pdf", ["Иван", "Петров"]),
    "base64": (f"token {b64('john.smith@example.com')} end", [b64("john.smith@example.com")[:10]]),
    "base64 of a name": (f"x {b64('Dear Anna Kowalska, hello there')} y", [b64("Dear Anna Kowalska")[:16]]),
    "data uri": (f"data:text/plain;base64,{b64('call +14155552671 now')}", [b64("call +14155552671 now")[:12]]),
    "hexadecimal": (f"hex {b'anna@kowalska.example'.hex()}", [b"anna@kowalska".hex()]),
    "percent signs": ("mailto anna%40kowalska.example", ["anna", "kowalska"]),
    "entities": ("anna&#64;kowalska.example, +&#x34;8 601 234 567", ["anna", "kowalska", "601", "567"]),
    "quoted printable": ("=?utf-8?Q?anna=40kowalska.example?=", ["anna", "kowalska"]),
    # languages in one text
    "mixed": ("Dear team,\nс уважением,\nИван Петров\nPozdrawiam,\nMarek Lis", ["Иван", "Петров", "Marek", "Lis"]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_no_part_of_it_passes(full: Masker, row: str) -> None:
    """Every telling part of the value is gone, and the text around it comes back as it was."""
    text, parts = ROWS[row]
    vault = MemoryVault()
    masked = full.mask(text, vault, "user")
    assert [part for part in parts if part in masked] == []
    assert full.mask(masked, vault, "user") == masked


@pytest.mark.parametrize(
    "text",
    [
        "Commit 3f2b8c9e7a6d5c4b3a2918f7e6d5c4b3a2910f8e is in graphs/sdr_qualification/planner",
        f"The token {b64('hello world how are you')} says nothing",
        "AT&T &amp; Co, 50%25 off, a=40 and b=41",
        "one two three, two hundred thousand, сто двадцать пять тысяч, pięć tysięcy",
        "катя готова, саша купила машину, jan jednak mówi po polsku",
        "see https://crm.example/users/list?page=2 and https://crm.example/docs/users/guide",
    ],
)
def test_what_only_looks_like_it_is_left(full: Masker, text: str) -> None:
    """Codes without a value in them, counted things and everyday words stay as they are."""
    assert full.mask(text, MemoryVault(), "user") == text


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("four one five five five five two six seven one", "4155552671"),
        ("four one five, triple five, twenty six, seventy one", "4155552671"),
        ("восемь семьсот один пятьсот пятьдесят пять тридцать три двадцать два", "87015553322"),
        ("pięćset jeden sześćset dwanaście trzysta trzydzieści cztery", "501612334"),
        ("oh two oh seven nine four six oh nine five eight", "02079460958"),
        ("сто один двести", "101200"),
    ],
)
def test_what_words_dial(words: str, digits: str) -> None:
    """Hundreds, tens and digits make groups as they are spoken."""
    assert dialled(words) == digits


def test_a_number_in_words_is_the_number_in_digits(full: Masker) -> None:
    """It has the same pseudonym, and another number has another."""
    vault = MemoryVault()
    said = full.mask("call four one five, five five five, two six seven one", vault, "user")
    assert full.mask("call 415-555-2671", vault, "user") == said == "call <PHONE_1>"
    assert full.mask("call four one five, five five five, two six seven two", vault, "user") == "call <PHONE_2>"


def test_one_person_and_two(full: Masker) -> None:
    """Cases and Kazakh endings are one person's; a short form joins where only one person fits."""
    vault = MemoryVault()
    text = full.mask("Анна Ковалёва, затем Анне Ковалёвой. Нұрлан Серікұлы; Нұрланға.", vault, "user")
    assert text == "<PERSON_1>, затем <PERSON_1>. <PERSON_2>; <PERSON_2>."


# ---- what fails, blocks


class Broken(EntityRecognizer):
    """Somebody's own recognizer, which fails, hangs, or finds nothing."""

    def __init__(self, how: Any) -> None:
        self.how = how
        super().__init__(["CODE"], name="broken", supported_language="en")

    def load(self) -> None:
        """Nothing."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        self.how(text)
        return []


def fails(text: str) -> None:
    raise ValueError(f"cannot read {text}")


def test_a_recognizer_that_raises_blocks_the_text() -> None:
    """No method gives the text back, and the error repeats nothing of it."""
    masker = Masker(profile="patterns", recognizers=[Broken(fails)])
    text = "Dear Kowalska"
    for use in (
        lambda: masker.mask(text, MemoryVault(), "user"),
        lambda: masker.spans(text),
        lambda: masker.mask_record({"note": text}, {}, MemoryVault(), "user"),
    ):
        with pytest.raises(MaskingError, match=r"could not be analysed \(ValueError\); it is not used") as caught:
            use()
        assert "Kowalska" not in "".join(traceback.format_exception(caught.value))


def test_a_recognizer_that_is_slow_blocks_the_text() -> None:
    """After its time the text is refused; nobody waits for it any longer, and the next text is not disturbed."""
    end = threading.Event()
    slow = Broken(lambda text: end.wait() if "hang" in text else None)
    masker = Masker(profile="patterns", recognizers=[slow], timeout_s=0.05)
    with pytest.raises(MaskingError, match=r"longer than 0\.05 seconds"):
        masker.mask("hang", MemoryVault(), "user")
    assert masker.mask("fine", MemoryVault(), "user") == "fine"
    end.set()


def test_a_conversation_stops_where_masking_fails(world: World) -> None:
    """Neither a person's words nor a tool's result go on: nothing of them is stored, or shown to the model."""
    from agent_guard.nodes import guarded_agent
    from agent_guard.session import Session

    def picky(text: str) -> None:
        if "cnry" in text.casefold():
            fails(text)

    world.masker = Masker(profile="patterns", recognizers=[Broken(picky)])
    gateway = world.gateway(file=True)
    model = ScriptedModel(call("crm.read_deal", deal_id="42"), "Done.")
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints)
    with pytest.raises(MaskingError):
        session.start("I am Cnry", world.sdr, speaker="user", party=world.anna)
    assert model.heard == []
    world.desk.note = "Ask Cnry"
    reply = session.start("Read deal 42", world.sdr, speaker="user", party=world.anna)
    session.close()
    assert "cnry" not in repr([reply, model.heard]).casefold()
    files = [path for path in world.folder.iterdir() if path.name.startswith(("guard.db", "threads.db"))]
    assert files and not any(b"cnry" in path.read_bytes().lower() for path in files)
