"""A lead's qualification is four letters (budget, authority, need, timeline), each with a score and a proof.

The proof is a verbatim quote of the client and the id of the message it stands in. A letter that the client said
nothing about is ``None``: unknown, which is not "no". Scores:

| letter | 0 | 1 | 2 | 3 |
|---|---|---|---|---|
| budget | there is no money for it | tight, or not given yet | planned, or a sum is named | set aside or approved |
| authority | has no say at all | somebody else decides | decides with others | decides alone |
| need | no problem, or only looking | a general interest | a concrete problem or wish | a problem that costs now |
| timeline | nothing is planned | after half a year, or some day | within half a year | within six weeks |

Everything here is a pure function of its arguments. The cues for opting out and for asking for a human are English,
Russian and Polish; they are rules, so a wording that nobody foresaw is missed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "LETTERS",
    "MAX_QUESTIONS",
    "Evidence",
    "Grade",
    "Letter",
    "Qualification",
    "asks_for_human",
    "grade",
    "missing",
    "one_question",
    "opted_out",
    "own_words",
    "render",
    "total",
    "verified",
]

LETTERS = ("budget", "authority", "need", "timeline")
"""The four letters, in the order in which they are asked."""

MAX_QUESTIONS = 6
"""The most questions a client is asked before a human takes over."""

Grade = Literal["hot", "warm", "cold", "unknown"]
"""What a qualification amounts to; see :func:`grade`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Frozen):
    """The client's own words that a score rests on, letter for letter."""

    message_id: Annotated[str, Field(pattern=r"^m[0-9]{1,4}$", description="id of the client's message, e.g. m3")]
    quote: Annotated[str, Field(min_length=1, max_length=200, description="verbatim words of that message")]


class Letter(_Frozen):
    """One letter's score, 0 to 3, and its evidence."""

    score: Annotated[int, Field(ge=0, le=3)]
    evidence: Evidence


class Qualification(_Frozen):
    """What is known of a lead; a letter that is None is unknown."""

    budget: Letter | None = None
    authority: Letter | None = None
    need: Letter | None = None
    timeline: Letter | None = None

    def letters(self) -> dict[str, Letter]:
        """The known letters by name, in the order of ``LETTERS``."""
        found = {name: getattr(self, name) for name in LETTERS}
        return {name: letter for name, letter in found.items() if letter is not None}


def verified(q: Qualification, messages: Mapping[str, str]) -> Qualification:
    """Drops every letter whose quote does not stand verbatim in the client's own words of the message it names.

    Args:
        q: as the model proposed it.
        messages: the client's messages by id. What a message only pastes or forwards is no evidence.
    """
    kept = {}
    for name, letter in q.letters().items():
        quote = letter.evidence.quote
        words = any(char.isalnum() for char in quote)
        if words and quote in own_words(messages.get(letter.evidence.message_id, "")):
            kept[name] = letter
    return Qualification(**kept)


def missing(q: Qualification) -> tuple[str, ...]:
    """Names of the unknown letters, in the order in which they are asked."""
    return tuple(name for name in LETTERS if getattr(q, name) is None)


def total(q: Qualification) -> int:
    """The sum of the known scores, 0 to 12."""
    return sum(letter.score for letter in q.letters().values())


def grade(q: Qualification) -> Grade:
    """Grades what is known, without guessing what is not.

    ``hot``: at least 9 points, with need and timeline at 2 or more. ``warm``: at least 6 points. ``cold``: fewer than
    6, whatever the unknown letters turned out to be. ``unknown``: the unknown letters would decide.
    """
    points = total(q)
    if points >= 9 and q.need is not None and q.timeline is not None and min(q.need.score, q.timeline.score) >= 2:
        return "hot"
    if points >= 6:
        return "warm"
    return "cold" if points + 3 * len(missing(q)) < 6 else "unknown"


def render(q: Qualification) -> str:
    """The qualification as lines for a human, each score beside the words it rests on."""
    lines = [f"{grade(q)}: {total(q)} of 12 points, {len(missing(q))} of 4 letters unknown"]
    for name in LETTERS:
        letter = getattr(q, name)
        if letter is None:
            lines.append(f"{name}: unknown")
        else:
            quote = " ".join(letter.evidence.quote.split())
            lines.append(f'{name}: {letter.score} of 3, "{quote}" ({letter.evidence.message_id})')
    return "\n".join(lines)


_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_QUESTION = re.compile(r"[?\uff1f\u061f][?\uff1f\u061f!]*[\"'»”’)\]*_]*")


def one_question(text: str) -> str:
    """Cuts everything after the first question, so that at most one question survives. A link's ``?`` is none."""
    links = [match.span() for match in _URL.finditer(text)]
    for match in _QUESTION.finditer(text):
        inside = any(start <= match.start() and match.end() < end for start, end in links)
        if not inside:
            return text[: match.end()]
    return text


_MARKER = re.compile(
    r"^[\W_]*(?:begin )?(?:forwarded|original) message\b|^[\W_]*(?:пересылаемое|пересланное|исходное) сообщение\b"
    r"|^[\W_]*начало (?:пере\w+) сообщения\b|^[\W_]*(?:przekazana|oryginalna) wiadomość\b|^\W*от кого\s*:"
    r"|^\W*wiadomość (?:oryginalna|przekazana)\b|^\W*(?:on|w dniu|dnia)\b.{6,}\b(?:wrote|napisał(?:\(a\)|a)?)\s*:\s*$"
    r"|^.*\d.*\b(?:пишет|написал(?:\(а\)|а)?|писал(?:\(а\)|а)?)\s*:\s*$",
    re.IGNORECASE,
)
_SENDER = re.compile(r"^\W*(?:from|от|od)\s*:", re.IGNORECASE)
_HEADER = re.compile(
    r"^\W*(?:sent|date|to|cc|subject|кому|дата|тема|отправлено|копия|do|data|temat|wysłano)\s*:", re.IGNORECASE
)


def own_words(text: str) -> str:
    """Blanks what the client only quotes or forwards: it is neither their evidence nor their wish.

    Lines that begin with ``>`` go, and everything from a forwarding marker or an e-mail header on. There is no way
    back after a marker, because a pasted text could fake it.
    """
    lines = text.splitlines()
    kept: list[str] = []
    for number, line in enumerate(lines):
        bare = line.strip("\ufeff\u200b \t")
        header = bool(_SENDER.match(bare)) and any(_HEADER.match(after) for after in lines[number + 1 : number + 5])
        if header or _MARKER.match(bare[:300]):
            break
        kept.append("" if bare.startswith((">", "&gt;")) else line)
    return "\n".join(kept).rstrip("\n")


_SENTENCE = re.compile(r"[^.!?…\n]+")

_OPT_OUT = re.compile(
    r"""
    ^\W*(?:please\s+)?stop(?:\s+(?:it|this|now|please))?\W*$
    | ^\W*(?:please\s+)?unsubscribe(?:\s+please)?\W*$
    | \bunsubscribe\s+(?:me|us|my|this|from)\b | \b(?:i|we)\b[^,;]{0,25}\bto\s+unsubscribe\b
    | \bhow\s+(?:do|can)\s+(?:i|we)\s+(?:unsubscribe|opt\s+out)\b | \bopt(?:ing)?\s+(?:me|us)\s+out\b
    | \b(?:i|we)(?:['’]d|\s+would)?\s+(?:want|like|wish|am|are)?\s*(?:to\s+)?opt(?:ing)?\s+out\b
    | (?<!n['’]t\s)(?<!not\s)(?<!never\s)\bstop\s+
      (?:contacting|writing|messaging|e-?mailing|calling|texting|spamming|bothering|sending|pestering)
      \s*(?:(?:to\s+)?(?:me|us)\b|\W*$|these|this|e-?mails|messages)
    | \b(?:do\s+not|don['’]?t|never)\s+(?:ever\s+)?(?:contact|write(?:\s+to)?|call|phone|e-?mail|message|text|bother)
      \s+(?:me|us)\b(?!\s+(?:before|after|on|until|till|at|in|between|during|by|today|tomorrow|this|late|early|if|when)\b)
      (?!\W+(?:just\s+|please\s+)?(?:e-?mail|write|call|text|message|use)\b)
    | \b(?:remove|delete|erase)\s+(?:me|us)\b | \btake\s+(?:me|us)\s+off\b
    | \b(?:remove|delete|erase)\s+my\s+(?:\w+\s+)?(?:data|details|number|e-?mail|address|contacts?)\b
    | \bleave\s+(?:me|us)\s+alone\b
    | \b(?:not|no\s+longer|n['’]t)\s+interested(?:\s+(?:any\s?more|at\s+all|thanks?.*))?\W*$
    | \b(?:not|no\s+longer)\s+interested\s*,\s*(?:thank|sorry|please)

    | ^\W*(?:пожалуйста\W+)?(?:стоп|хватит|отстаньте|отпишите)(?:\W+(?:пожалуйста|уже|меня))*\W*$
    | \bотпишите\s+(?:меня|нас|этот|мой|мою)\b | \b(?:хочу|хотим|хотел\w*|как|прошу|можно)\b[^,;]{0,20}\bотписаться\b
    | \bне\s+(?:надо|нужно|стоит|пытайтесь)\s+(?:больше\s+)?(?:мне|нам|меня|нас)\s+(?:больше\s+)?
      (?:писать|звонить|беспокоить|присылать)
    | \b(?:не\s+(?:пишите|звоните|присылайте|шлите|беспокойте|тревожьте)\s+(?:мне|нам|меня|нас)|(?:мне|нам|меня|нас)\s+
      (?:больше\s+)?не\s+(?:пишите|звоните|присылайте|беспокойте|тревожьте)|больше\s+(?:(?:мне|нам|меня|нас)\s+)?
      не\s+(?:пишите|звоните|присылайте|шлите|беспокойте))\b(?!\s+(?:до|после|на|в|по|с|раньше|утром|вечером|сегодня)\b)
    | ^\W*(?:пожалуйста\W+)?не\s+(?:пишите|звоните|беспокойте)(?:\s+(?:больше|пожалуйста))*\W*$
    | \b(?:прекратите|перестаньте|хватит)\s+(?:(?:мне|нам|меня|нас)\s+)?
      (?:писать|звонить|присылать|слать|беспокоить|рассыл\w+|эт\w+\s+рассыл\w+|спам\w*)
    | \b(?:удалите|уберите|исключите|вычеркните|сотрите)\s+(?:меня|нас|мой|мои|мою|моё|мо[её])\b
    | \bоставьте\s+(?:меня|нас)\s+в\s+покое\b | \bне\s+хо(?:чу|тим)\s+(?:больше\s+)?(?:получать|общаться|переписываться)
    | ^\W*(?:спасибо\W+)?(?:(?:нам|мне|меня|нас)\s+)?(?:это\s+|больше\s+|уже\s+)*не\s?(?:интересно|интересует)
      (?:\W+спасибо)?\W*$

    | ^\W*(?:proszę\s+)?przestań(?:cie)?\W*$ | \bwypisz(?:cie)?\s+mnie\b | \bproszę\s+(?:mnie\s+)?wypisać\b
    | \bnie\s+(?:pisz(?:cie)?|dzwoń(?:cie)?)\s+(?:więcej|do\s+mnie|do\s+nas)\b | \bnie\s+kontaktuj(?:cie)?\s+się\b
    | \bproszę\s+(?:(?:więcej|już|do\s+mnie|mi)\s+)*nie\s+(?:(?:więcej|już|do\s+mnie|mi)\s+)*(?:pisać|dzwonić|przysyłać)
    | \b(?:przestań(?:cie)?|proszę\s+przestać)\s+(?:do\s+mnie\s+)?(?:pisać|dzwonić|wysyłać)
    | \b(?:usuń(?:cie)?|proszę\s+usunąć)\s+(?:mnie|moje|mój)\b | \bdajcie\s+mi\s+spokój\b | \bw\s+spokoju\b
    | \brezygnuj[ęe]\s+z\s+(?:kontaktu|newslettera|subskrypcji) | \bnie\s+jestem\s+(?:już\s+)?zainteresowan[ya]\W*$
    """,
    re.IGNORECASE | re.VERBOSE,
)

_EN = (
    r"(?:an?\s+|the\s+|your\s+|some\s+)?(?:real\s+|live\s+|actual\s+|living\s+|human\s+|sales\s+|account\s+)*"
    r"(?:human(?:\s+being)?|person|people|manager|agent|operator|representative|rep|consultant|advis[eo]r|specialist"
    r"|salesperson|colleague|someone|somebody)\b(?!\s+(?:resources?|error|dashboard|tool|system|account))(?!['’-])"
)
_RU = (
    r"(?:(?:жив|настоящ|ваш|каким-нибудь|кем-нибудь|реальн)\w*\s+)*"
    r"(?:человек|людьми|менеджер|оператор|сотрудник|специалист|консультант|представител|кем-нибудь|кем-то)\w*"
)
_PL = (
    r"(?:(?:żyw|prawdziw|wasz|jakimś)\w*\s+)*"
    r"(?:człowiek|konsultant|kimś|pracownik|menedżer|przedstawiciel|dorad|osob)\w*"
)
_HUMAN = re.compile(
    rf"""
    \b(?:i|we)(?:['’]d|\s+would)?\s+(?:really\s+|just\s+)?(?:want|like|prefer|need|rather|wish)\s+(?:to\s+)?
      (?:speak|talk|chat|be\s+connected)\s+(?:directly\s+)?(?:to|with)\s+{_EN}
    | \b(?:can|could|may|might)\s+(?:i|we)\s+(?:please\s+|just\s+)?(?:speak|talk|chat)\s+(?:to|with)\s+{_EN}
    | \b(?:let|have)\s+me\s+(?:speak|talk|chat)\s+(?:to|with)\s+{_EN} | \b(?:get|give)\s+me\s+{_EN}
    | \b(?:connect|transfer|put|pass|switch|hand)\s+(?:me|us)\s+(?:(?:through|over|on)\s+)?(?:to|with)\s+{_EN}
    | \b(?:have|ask|get|let|can|could|will|would|should)\s+{_EN}\s+(?:please\s+)?(?:to\s+)?
      (?:call|phone|ring|contact)\s+(?:me|us)\b
    | (?:^\W*|\bplease\s+|\bjust\s+)(?:call|phone|ring)\s+(?:me|us)\b | \bgive\s+(?:me|us)\s+a\s+(?:call|ring)\b
    | \b(?:i|we)\s+(?:want|need)\s+an?\s+(?:real\s+|live\s+)?(?:human|real\s+person|live\s+person|operator)\W*
      (?:$|,|\bto\b|\bnot\b)
    | ^\W*(?:a\s+)?(?:real\s+|live\s+)?(?:human|person|operator|agent|manager)(?:\s*,?\s*please)?\W*$
    | \bis\s+there\s+{_EN}\s+(?:i|we)\s+(?:can|could)

    | \b(?:поговорить|говорить|пообщаться|общаться|связаться|созвониться|переговорить)\s+(?:лично\s+|напрямую\s+)?
      с(?:о)?\s+{_RU}
    | \b(?:соедините|свяжите|переключите|переведите|дайте|позовите|пригласите)\s+(?:(?:меня|нас|мне|нам|пожалуйста)\s+)*
      (?:(?:с|со|на)\s+)?{_RU}
    | (?<!не\s)\b(?:перезвоните|позвоните\s+(?:мне|нам)|наберите\s+(?:меня|нас)) | \b(?:мне|нам)\s+позвоните\b
    | \bпусть\s+(?:(?:мне|нам)\s+)?(?:{_RU}|кто-нибудь|кто-то)\s+(?:(?:мне|нам|меня|нас)\s+)?
      (?:по|пере)?(?:звонит|наберет|наберёт)
    | \b(?:нужен|нужна|хочу|хотим|прошу|позовите)\s+(?:жив\w+\s+|реальн\w+\s+)(?:человек|оператор|менеджер)\w*
    | \bнужен\s+(?:человек|оператор)\W*(?:$|,\s*а\s+не)
    | ^\W*(?:жив\w+\s+)?(?:оператор|человек|менеджер)[ау]?(?:\W+пожалуйста)?\W*$
    | \b(?:может|могут|может\s+ли)\s+(?:мне\s+)?(?:кто-нибудь|кто-то|{_RU})\s+(?:мне\s+)?(?:пере|по)звонить

    | \b(?:po)?rozmawiać\s+z(?:e)?\s+{_PL} | \bpołącz(?:cie)?\s+(?:mnie|nas)\s+z(?:e)?\s+{_PL}
    | \bproszę\s+(?:mnie\s+)?połączyć\s+(?:mnie\s+)?z(?:e)?\s+{_PL} | \bproszę\s+(?:do\s+mnie\s+)?(?:za|od)dzwonić
    | \b(?:za|od)dzwoń(?:cie)?\s+do\s+(?:mnie|nas)\b | \bproszę\s+o\s+(?:telefon|kontakt\s+telefoniczny)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NOT = re.compile(
    r"(?:\bno\s+need|n['’]t|\bnot|\bnever|\bне|\bnie)\s+"
    r"(?:(?:want|need|have|to|yet|хочу|хотим|надо|нужно|буду|chcę|chcemy)\s+)*$",
    re.IGNORECASE,
)


def opted_out(text: str) -> bool:
    """Whether the client asks to be left alone. Quoted and forwarded text does not count."""
    return any(_OPT_OUT.search(sentence) for sentence in _SENTENCE.findall(own_words(text)))


def asks_for_human(text: str) -> bool:
    """Whether the client asks for a person or a call. Quoted and forwarded text does not count."""
    for sentence in _SENTENCE.findall(own_words(text)):
        for match in _HUMAN.finditer(sentence):
            if not _NOT.search(sentence[max(0, match.start() - 60) : match.start()]):
                return True
    return False
