"""Names of Kazakhstan: a conditional random field for Kazakh text, and rules for Russian and Kazakh text.

The Russian network reads Kazakh prose badly (it takes every capital for a name), so lines written in Kazakh go to the
model here, which `training/train_kk.py` made from KazNERD (CC BY 4.0) and generated carriers. The rules know
patronymics and surname endings next to a known first name; the first names are common ones, in both spellings.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent_guard.masking.crf import LEAST, SPAN_TYPES, likely, open_tagger, read_classes, runs
from agent_guard.masking.crf_features import features, tokens
from agent_guard.masking.cues import is_name_like
from agent_guard.masking.features_kk import KazakhWords
from agent_guard.masking.weights import KAZAKH_CLASSES, KAZAKH_CRF, verified
from agent_guard.masking.words import words
from agent_guard.types import Span

__all__ = ["KazakhNames", "find_kazakh", "has_kazakh", "is_kazakh"]

_MODELS = Path(__file__).parent / "models"

log = logging.getLogger("agent_guard")

_LETTER = "[А-Яа-яЁёӘәІіҢңҒғҮүҰұҚқӨөҺһ]"
_UPPER = "[А-ЯЁӘІҢҒҮҰҚӨҺ]"
_KAZAKH_LETTER = re.compile("[әңғүұқөһ]", re.IGNORECASE)
_WORD = re.compile(f"{_LETTER}+(?:-{_LETTER}+)*")
_CASE = (
    "(?:ның|нің|дың|дің|тың|тің|ға|ге|қа|ке|на|не|ды|ді|ты|ті|ны|ні|да|де|та|те|"
    "нан|нен|дан|ден|тан|тен|мен|бен|пен|а|у|е|ой|ым|ом)?"
)
_PATRONYMIC = re.compile(f"{_LETTER}{{2,}}(?:ұлы|улы|қызы|кызы|ович|евич|овн|евн){_CASE}ы?$", re.IGNORECASE)
_SURNAME = re.compile(
    f"{_LETTER}{{2,}}(?:баев|бекова?|беков|ханов|галиев|ғалиев|кулов|құлов|тбаев|мбетов|диев|[оеё]ва?|ина?|ын|ұлы|қызы|тегі|бай|бек|хан|жан)"
    f"{_CASE}$",
    re.IGNORECASE,
)
_FIRST = words("first_kk")
_GAP = re.compile(r"[ \t\u00a0]{1,2}")


def is_kazakh(line: str) -> bool:
    """Whether a line is written in Kazakh: at least a quarter of its words, and two, have letters Russian lacks."""
    words = _WORD.findall(line)
    own = sum(bool(_KAZAKH_LETTER.search(word)) for word in words)
    return own >= 2 and own * 4 >= len(words)


def has_kazakh(line: str) -> bool:
    """Whether a line holds a letter that Russian lacks."""
    return bool(_KAZAKH_LETTER.search(line))


def _first_name(word: str) -> bool:
    lowered = word.casefold()
    if lowered in _FIRST:
        return True
    return any(
        lowered.endswith(ending) and lowered[: -len(ending)] in _FIRST
        for ending in ("а", "у", "е", "ом", "ға", "ге", "қа", "ке", "ның", "нің", "ды", "ді")
    )


def find_kazakh(text: str) -> Iterator[Span]:
    """Yields names: a run of capitals that holds a patronymic, or a known first name beside a surname or alone."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        fits = word is not None and word[0][0].isupper() and is_name_like(word[0])
        if word is not None and fits and (not run or _GAP.fullmatch(text, run[-1].end(), word.start())):
            run.append(word)
            continue
        yield from _judge(run)
        run = [word] if word is not None and fits else []


def _judge(run: list[re.Match[str]]) -> Iterator[Span]:
    kinds = [
        "p" if _PATRONYMIC.match(word[0]) else "f" if _first_name(word[0]) else "s" if _SURNAME.match(word[0]) else "-"
        for word in run
    ]
    shape = "".join(kinds)
    for found in re.finditer(r"s?[f-]?ps?|f[s-]|sf|f", shape):
        start, end = found.span()
        score = 0.8 if end - start > 1 else 0.6
        yield Span(start=run[start].start(), end=run[end - 1].end(), type="PERSON", score=score, source="kazakh")


class KazakhNames:
    """Finds names in Kazakh lines; the model (1 MB) loads at the first of them.

    Args:
        folder: where the model files lie.
        checked: False while a model is trained, when its hash is not known yet.
        eager: words that the model only half believes to be names count too.
    """

    def __init__(self, folder: Path = _MODELS, checked: bool = True, eager: bool = False) -> None:
        self._eager = eager
        self._folder = folder
        self._checked = checked
        self._tagger: Any = None
        self._words: KazakhWords | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Loads the model.

        Raises:
            ConfigError: python-crfsuite is missing, or the model files are not the tested ones.
        """
        with self._lock:
            self._load()

    def _file(self, name: str, sha256: str) -> str:
        path = self._folder / name
        return verified(path, sha256) if self._checked else str(path)

    def _load(self) -> KazakhWords:
        if self._words is None:
            log.info("loading the model of Kazakh names")
            table = KazakhWords(read_classes(Path(self._file("kk.classes.zlib", KAZAKH_CLASSES))))
            # what Russian masking needs is needed here: Kazakh has no extra of its own
            self._tagger = open_tagger(self._file("kk.crfsuite", KAZAKH_CRF), "ru")
            self._words = table
        return self._words

    def find(self, text: str) -> Iterator[Span]:
        """Yields persons, places and companies of a folded text."""
        found = tokens(text)
        if not found:
            return
        with self._lock:
            rows = features([token[0] for token in found], self._load())
            labels = self._tagger.tag(rows)
            if self._eager:
                labels = likely(self._tagger, labels, LEAST)
        # who writes some capitals writes those of names
        typed = any(map(str.isupper, text))
        for begin, end_of, kind in runs(text, found, labels):
            first, last = _capitals(found, begin, end_of) if kind == "PER" else (begin, end_of)
            pieces = [token[0] for token in found[first:last]]
            if kind == "PER" and typed and not any(piece[0].isupper() for piece in pieces):
                continue
            if kind in SPAN_TYPES and (len(pieces) > 1 or (len(pieces[0]) > 1 and is_name_like(pieces[0]))):
                start, end = found[first].start(), found[last - 1].end()
                yield Span(start=start, end=end, type=SPAN_TYPES[kind], score=0.75, source="crf")


def _capitals(found: list[re.Match[str]], first: int, last: int) -> tuple[int, int]:
    """Takes the words in lower case off both ends of a name that has words with capitals."""
    upper = [place for place in range(first, last) if found[place][0][:1].isupper()]
    return (upper[0], upper[-1] + 1) if upper else (first, last)
