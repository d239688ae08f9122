"""Russian names, places and companies: slovnet's network on navec's vectors, both inside the natasha wheel.

natasha itself is not imported: its morphology does not run on Python 3.11 and later. The network was trained on news,
so what news never writes is caught by the rules of `cues.py` and `names_kk.py`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.masking.blas import one_thread
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.names_kk import is_kazakh
from agent_guard.masking.weights import NAVEC, SLOVNET_NER, verified
from agent_guard.types import EntityType, Span

__all__ = ["RussianNames"]

log = logging.getLogger("agent_guard")

_TYPES: dict[str, EntityType] = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORG"}


_FAVOUR = 1.5
"""What the profile ``recall`` adds to the score (a natural logarithm) of every word as a person and as a place: odds
of 4 to 1 against a name are then even, as `crf.LEAST` has it for the other models."""

_LINE = re.compile(r"[^\r\n]*[^\W\d_][^\r\n]*")
_CAPITALS = re.compile(r"(?<!\w)[А-ЯЁ]{2,}(?:[ -][А-ЯЁ]{2,})+(?!\w)")
_LETTERS = re.compile(r"[^\W\d_]+")
# A company that carries its owner's name is a company; a sole trader (`ИП Иванов`) is a person.
_COMPANY = re.compile(
    r"(?<!\w)(?:(?:ТОО|ООО|АО|ОАО|ЗАО|ПАО|НАО|РАО|ЖШС|АҚ)\s?[«\"“]?|(?:компани[яиюей]{1,2}|фирм[аеуы]|магазин[ае]?)\s?[«\"“])$"
)
_COMPANY_AFTER = re.compile(r"[ »\"”]{1,2}(?:Лтд|Групп|и партн[её]ры|и [Кк][°о]|и сыновья)(?!\w)")
_COMPANY_LAST = re.compile(r"\w[ -](?:Лтд|Групп|Инк)$")


# `г.` is left out: it means a gentleman as often as a town.
_VILLAGE = re.compile(r"(?<!\w)(?:с|к|п|д|х|ст|пос|пгт|дер|аул)\. ?$")


def _instead_of_person(line: str, start: int, end: int) -> str:
    """What a person found by the network is, by what stands around the name."""
    if _VILLAGE.search(line, max(0, start - 6), start):
        return "LOC"
    company = (
        _COMPANY.search(line, max(0, start - 24), start)
        or _COMPANY_AFTER.match(line, end)
        or _COMPANY_LAST.search(line[start:end])
    )
    return "ORG" if company else "PER"


def _load(eager: bool) -> Any:
    spec = find_spec("natasha")
    if spec is None or spec.origin is None:
        raise ConfigError("masking Russian names needs natasha: pip install 'langgraph-agent-guard[ru]'")
    log.info("loading the model of Russian names")
    from navec import Navec
    from slovnet import NER

    data = Path(spec.origin).parent / "data"
    vectors = Navec.load(verified(data / "emb" / "navec_news_v1_1B_250K_300d_100q.tar", NAVEC))
    network = NER.load(verified(data / "model" / "slovnet_ner_news_v1.tar", SLOVNET_NER))
    network.navec(vectors)
    crf = network.infer.model.head.crf
    favour = [_FAVOUR * (eager and tag[1:] in ("-PER", "-LOC")) for tag in network.infer.decoder.tags_vocab.items]
    network.infer.model.head.crf = _Viterbi(crf.transitions.array, favour)
    return network


class _Viterbi:
    """The same best path as slovnet's own decoder, three times faster: no index arrays, no mask inside the loop.

    Args:
        favour: what is added to the score of each tag, for every word.
    """

    def __init__(self, transitions: Any, favour: Sequence[float] = ()) -> None:
        self._transitions = transitions
        self._favour = tuple(favour) if any(favour) else ()

    def decode(self, emissions: Any, mask: Any) -> list[list[int]]:
        """Returns the tags of each sequence; ``mask`` is true where a token is."""
        batch = []
        if self._favour:
            emissions = emissions + self._favour
        for rows, length in zip(emissions, mask.sum(1), strict=True):
            score, history = rows[0], []
            for row in rows[1:length]:
                paths = score[:, None] + self._transitions
                history.append(paths.argmax(0).tolist())
                score = paths.max(0) + row
            best = int(score.argmax())
            tags = [best]
            for indexes in reversed(history):
                best = indexes[best]
                tags.append(best)
            batch.append(tags[::-1])
        return batch


class RussianNames:
    """Finds names in Russian text; the model (90 MB in memory, 0.7 s) loads at the first one.

    Args:
        eager: words that the model only half believes to be names count too.
    """

    def __init__(self, eager: bool = False) -> None:
        self._eager = eager
        self._network: Any = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Loads the model.

        Raises:
            ConfigError: natasha is missing, or its model files are not the tested ones.
        """
        if self._network is None:
            with self._lock:
                if self._network is None:
                    self._network = _load(self._eager)

    def find(self, text: str) -> Iterator[Span]:
        """Yields persons, places and companies of a text; lines written in Kazakh are left out."""
        self.warm()
        lines = [
            (found.start(), _without_capitals(found[0])) for found in _LINE.finditer(text) if not is_kazakh(found[0])
        ]
        with one_thread():
            markups = list(self._network.map([line for _, line in lines]))
        for (start, line), markup in zip(lines, markups, strict=True):
            for first, end, found in _joined(line, markup.spans):
                kind = _instead_of_person(line, first, end) if found == "PER" else found
                if _plausible(line[first:end], kind):
                    yield Span(start=start + first, end=start + end, type=_TYPES[kind], score=0.85, source="slovnet")


def _joined(line: str, spans: Sequence[Any]) -> list[tuple[int, int, str]]:
    """Joins two single words with one space between: the network cuts `Фамилия Имя`; two people are never so close."""
    found: list[tuple[int, int, str]] = []
    for span in spans:
        start, end, kind = span.start, span.stop, span.type
        if found and kind == "PER" == found[-1][2] and line[found[-1][1] : start] == " ":
            before = line[found[-1][0] : found[-1][1]]
            if " " not in before and " " not in line[start:end]:
                found[-1] = (found[-1][0], end, kind)
                continue
        found.append((start, end, kind))
    return found


def _without_capitals(line: str) -> str:
    """Gives words in capitals the shape the network knows; single abbreviations keep theirs."""
    return _CAPITALS.sub(lambda found: found[0].title(), line)


def _plausible(value: str, kind: str) -> bool:
    letters = [word for word in _LETTERS.findall(value) if len(word) > 1]
    return bool(letters) and not (kind == "PER" and all(not is_name_like(word) for word in letters))
