"""The masker: text and records in, pseudonyms out, and back."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal, get_args

from agent_guard.errors import ConfigError, MaskingError
from agent_guard.masking.addresses import find_addresses, join_places
from agent_guard.masking.encoded import find_encoded
from agent_guard.masking.fold import fold
from agent_guard.masking.identity import clean_value, compare, find_same, parse_name, token_for
from agent_guard.masking.known import known_of
from agent_guard.masking.names import NameFinder
from agent_guard.masking.patterns import find_patterns
from agent_guard.masking.records import check_fields, rule_of, sensitive_type
from agent_guard.masking.resolve import carve, resolve
from agent_guard.masking.routing import LANGUAGES, main_language
from agent_guard.masking.spoken import find_spoken
from agent_guard.masking.tokens import PSEUDONYM, blank_pseudonyms, defuse, pseudonym_ranges
from agent_guard.masking.tripwire import leaks
from agent_guard.types import JSON, EntityType, Entry, Origin, Pseudonyms, Span

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

    from agent_guard.masking.engine import Engine

__all__ = ["LEFT_IN_TEXT", "PROFILES", "Masker", "Profile"]

Profile = Literal["full", "recall", "patterns"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

LEFT_IN_TEXT: frozenset[EntityType] = frozenset({"ORG"})
"""Types that `spans` reports and `mask` leaves in free text: sales work needs the names of companies. A field of a
record that is declared ``ORG`` is masked all the same."""

_CACHED_TEXTS = 4096


_LONG = 10**8  # the shortest numbers that may be a telephone or an id have nine digits


class Masker:
    """Finds personal data in English, Russian and Polish texts and puts pseudonyms in its place.

    Works offline and writes nothing. Building it is cheap; the models load at the first text of their language, or in
    `warm`. One masker may serve many threads of execution and many vaults; it knows the values of a vault while it
    is given that vault: its cache holds offsets under keyed hashes. What else stays in the process's memory for a while
    is told in SECURITY.md.

    Polish names need morfeusz2, which has no package for Linux on ARM: there they are found by light rules only (words
    before a name, typical endings next to a known first name), and a `RuntimeWarning` says so.

    Args:
        languages: any of ``en``, ``ru`` (with Kazakhstan's identifiers and names) and ``pl``.
        profile: ``full`` finds names too; ``recall`` rather hides a word too many than a name too few, by lower
            thresholds; ``patterns`` finds only what its form or a vault gives away, and loads no model.
        spacy: with ``recall``, the name of a spaCy pipeline that is installed, e.g. ``en_core_web_md``; it reads lines
            in English too. Nothing is ever downloaded.
        recognizers: your own ``presidio_analyzer.EntityRecognizer`` objects; they read every text.
        timeout_s: how long a text may take with recognizers of your own, in seconds; after that it is refused.

    A text whose analysis fails is refused (``MaskingError``, from every method that reads one) and never passed on.

    Raises:
        ConfigError: an unknown language or profile, or a package that a language needs is not installed.
    """

    def __init__(
        self,
        languages: Sequence[str] = LANGUAGES,
        profile: Profile = "full",
        recognizers: Sequence[EntityRecognizer] = (),
        spacy: str | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        if isinstance(languages, str) or not languages:
            raise ConfigError(f"languages must be a sequence of codes such as {LANGUAGES}, not {languages!r}")
        for language in languages:
            if language not in LANGUAGES:
                raise ConfigError(f"unknown language {language!r}; masking knows {', '.join(LANGUAGES)}")
        if profile not in PROFILES:
            raise ConfigError(f"unknown masking profile {profile!r}; use {', '.join(PROFILES)}")
        if spacy is not None and profile != "recall":
            raise ConfigError(f"spaCy reads texts in the profile 'recall' only, and this is {profile!r}")
        self._languages = tuple(dict.fromkeys(languages))
        eager = profile == "recall"
        self._names = NameFinder(self._languages, eager, spacy) if profile != "patterns" else None
        self._recognizers = tuple(recognizers)
        self._timeout_s = timeout_s
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._cache_key = os.urandom(32)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose names it finds."""
        return self._languages

    def warm(self) -> None:
        """Loads Presidio and all models now (one to three seconds), so that the first text does not wait."""
        self._shell()
        if self._names:
            self._names.warm()

    def spans(self, text: str, lang: str | None = None) -> list[Span]:
        """Returns the personal data of a text, sorted and not overlapping; what looks like a pseudonym is no finding.

        Args:
            lang: a language code when the caller knows it; every line is still read in the script it is written in.

        Raises:
            ConfigError: ``lang`` is not a language of this masker.
        """
        if lang is not None and lang not in self._languages:
            raise ConfigError(f"this masker was built for {', '.join(self._languages)}, not for {lang!r}")
        return self._settle(text, self._found(text, lang))

    def mask(self, text: str, vault: Pseudonyms, origin: Origin, source: str = "") -> str:
        """Returns the text with every personal value replaced by its pseudonym.

        The vault's own values are found in any spelling, before any recognizer. Pseudonyms in the text stay as they
        are, also unknown ones, which the gateway refuses.

        Args:
            origin: where the text comes from; ``source`` names the record or message for the human who is asked.

        Raises:
            StoreError: the vault cannot be read or written; the text must then not be used.
        """
        out, position = [], 0
        for span, token in self.named(text, vault, origin, source):
            out += [text[position : span.start], token]
            position = span.end
        return "".join([*out, text[position:]])

    def named(self, text: str, vault: Pseudonyms, origin: Origin, source: str = "") -> list[tuple[Span, str]]:
        """What :meth:`mask` replaces, in order, each with its pseudonym; ``Span.source`` tells which rule, model or
        list found it. Arguments and errors as there.
        """
        spans = [span for span in self._found(text, None) if span.type not in LEFT_IN_TEXT]
        folded = fold(blank_pseudonyms(text))
        for span in known_of(vault).find(folded.text):
            start, end = folded.original(span.start, span.end)
            spans.append(Span(start=start, end=end, type=span.type, score=span.score, source=span.source))
        if not spans:
            return []
        settled = self._settle(text, spans)
        return list(zip(settled, self._tokens(text, settled, vault, origin, source), strict=True))

    def mask_record(
        self, obj: JSON, fields: Mapping[str, str], vault: Pseudonyms, origin: Origin, source: str = ""
    ) -> JSON:
        """Returns a copy of a record with its personal fields replaced.

        Args:
            obj: nested mappings, lists and scalars.
            fields: key or dotted path (list places left out) -> ``plain``, ``text``, ``drop`` or an entity type. A key
                that is not named is judged by its name: a telling one (phone, фамилия, pesel) makes the whole value a
                pseudonym; otherwise a text is analysed, and a number, truth value or null passes.

        Raises:
            ValueError: ``fields`` holds an unknown rule.
            StoreError: the vault cannot be used.
        """
        check_fields(fields)

        def scalar(value: JSON, rule: str) -> JSON:
            if isinstance(value, str):
                value = defuse(value)
            if value is None or value == "" or rule == "plain" or isinstance(value, bool):
                return value
            if rule == "text":
                return self.mask(value, vault, origin, source) if isinstance(value, str) else self._number(value, vault)
            return token_for(rule, str(value), vault, origin, source)  # type: ignore[arg-type]

        def named(key: str) -> str:
            # a mapping by person has people for keys
            key = defuse(key)
            return key if key.isidentifier() and key.isascii() else self.mask(key, vault, origin, source)

        def walk(value: JSON, path: str, key: str, above: str | None) -> JSON:
            rule = rule_of(path, fields) or above
            if isinstance(value, Mapping):
                # What stands under `address` or `name` is personal whatever its own keys are called.
                inherited = sensitive_type(key) if rule in (None, "text") else rule
                inner = {}
                for name, item in value.items():
                    below = f"{path}.{name}" if path else str(name)
                    if rule_of(below, fields) != "drop":
                        inner[named(str(name))] = walk(item, below, str(name), inherited)
                return inner
            if isinstance(value, list | tuple):
                return [walk(item, path, key, above) for item in value]
            return scalar(value, rule or sensitive_type(key) or "text")

        return walk(obj, "", "", None)

    def _number(self, value: JSON, vault: Pseudonyms) -> JSON:
        """A number as it is, or the pseudonym of somebody whose telephone or id it is known to be."""
        if type(value) is not int or abs(value) < _LONG:
            return value
        text = str(value)
        masked = self.mask_known(text, vault)
        return value if masked == text else masked

    def mask_known(self, text: str, vault: Pseudonyms) -> str:
        """Puts pseudonyms for the values the vault knows by now, and finds nothing new: for texts masked earlier.

        No recognizer runs, so it costs about as much as the tripwire.
        """
        found = [span for span in leaks(text, vault) if span.source == "known"]
        for span in reversed(found):
            same = find_same(span.type, clean_value(span.type, text[span.start : span.end]) or "", vault.entries())
            # part of several people's names is nobody's pseudonym, and must not stand there for ever either
            hidden = same.token if same else f"({span.type.lower()})"
            text = text[: span.start] + hidden + text[span.end :]
        return text

    def restore(self, text: str, vault: Pseudonyms, allowed: Callable[[Entry], bool] | None = None) -> str:
        """Returns the text with pseudonyms replaced by their values; unknown and not allowed ones stay.

        Args:
            allowed: asked for each entry; None allows all.
        """

        def value(token: str) -> str:
            entry = vault.find(token)
            return entry.value if entry and (allowed is None or allowed(entry)) else token

        return PSEUDONYM.sub(lambda found: value(found[0]), text) if "<" in text else text

    def restore_value(self, obj: JSON, vault: Pseudonyms, allowed: Callable[[Entry], bool] | None = None) -> JSON:
        """`restore` for every string of JSON data; keys are left as they are."""
        if isinstance(obj, str):
            return self.restore(obj, vault, allowed)
        if isinstance(obj, Mapping):
            return {key: self.restore_value(value, vault, allowed) for key, value in obj.items()}
        if isinstance(obj, list | tuple):
            return [self.restore_value(value, vault, allowed) for value in obj]
        return obj

    def _shell(self) -> Engine:
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    from agent_guard.masking.engine import Engine

                    self._engine = Engine(self._find, self._languages, self._recognizers)
        return self._engine

    def _find(self, text: str, language: str) -> Iterator[Span]:
        yield from self._plain(text, language)
        yield from find_encoded(text, lambda view: self._plain(view, language))

    def _plain(self, text: str, language: str) -> Iterator[Span]:
        yield from find_patterns(text)
        yield from find_spoken(text)
        yield from find_addresses(text)
        if self._names:
            yield from self._names.find(text, language)

    def _analysed(self, text: str, language: str) -> list[Span]:
        """What the engine finds.

        Raises:
            ConfigError: a model cannot be loaded.
            MaskingError: a recognizer failed, or took too long. Its own words may quote the text, and are dropped.
        """
        try:
            if not self._recognizers:
                return self._shell().find(text, language)
            return _within(self._timeout_s, lambda: self._shell().find(text, language))
        except ConfigError:
            raise
        except TimeoutError:
            why = f"it took longer than {self._timeout_s:g} seconds"
        except Exception as error:
            why = type(error).__name__
        raise MaskingError(f"the text could not be analysed ({why}); it is not used")

    def _found(self, text: str, lang: str | None) -> list[Span]:
        """Everything recognizers see, in offsets of the original text, overlapping; cached by a keyed hash."""
        if not text or text.isspace():
            return []
        key = hashlib.blake2b(f"{lang}\0{text}".encode("utf-8", "surrogatepass"), key=self._cache_key).digest()
        with self._lock:
            kept = self._cache.get(key)
            if kept is not None:
                self._cache.move_to_end(key)
                return list(kept)
        folded = fold(blank_pseudonyms(text))
        language = lang or main_language(folded.text, self._languages)
        spans = []
        for span in self._analysed(folded.text, language):
            start, end = folded.original(span.start, span.end)
            spans.append(Span(start=start, end=end, type=span.type, score=span.score, source=span.source))
        with self._lock:
            self._cache[key] = tuple(spans)
            if len(self._cache) > _CACHED_TEXTS:
                self._cache.popitem(last=False)
        return spans

    @staticmethod
    def _settle(text: str, spans: Sequence[Span]) -> list[Span]:
        taken = list(pseudonym_ranges(text))
        return join_places(text, resolve(text, carve(text, spans, taken) if taken else spans))

    def _tokens(self, text: str, spans: Sequence[Span], vault: Pseudonyms, origin: Origin, source: str) -> list[str]:
        """One pseudonym for each span. A short form waits for the full name that the same text gives later."""
        done: dict[int, str] = {}
        # each name once: a text may say one of them thousands of times
        first = {text[s.start : s.end]: i for i, s in reversed([*enumerate(spans)]) if s.type == "PERSON"}
        names = {i: parse_name(name) for name, i in sorted(first.items(), key=lambda item: item[1])}
        for i, span in enumerate(spans):
            if i in names:
                longer = [j for j in names if len(names[j]) > len(names[i]) and compare(names[i], names[j]) == "part"]
                for j in longer:
                    if j not in done:
                        done[j] = token_for("PERSON", text[spans[j].start : spans[j].end], vault, origin, source)
            if i not in done:
                done[i] = token_for(span.type, text[span.start : span.end], vault, origin, source)
        return [done[i] for i in range(len(spans))]


def _within(seconds: float, work: Callable[[], list[Span]]) -> list[Span]:
    """Does work that may hang, in a thread that is left behind then.

    Raises:
        TimeoutError: it took longer.
        Exception: whatever the work raised.
    """
    done: Future[list[Span]] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="agent_guard masking", daemon=True).start()
    return done.result(seconds)
