"""Profiles: ``recall`` hides at least what ``full`` hides, spaCy only where it is installed, models load when needed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_guard.errors import ConfigError
from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.crf import likely
from agent_guard.masking.scoring import by_source, read_rows, score
from agent_guard.settings import load_settings

pytestmark = pytest.mark.req("A23")

ROWS = by_source(read_rows(Path(__file__).parents[2] / "benchmarks" / "masking.jsonl"))


@pytest.fixture(scope="module", name="eager")
def _eager() -> Masker:
    masker = Masker(profile="recall")
    masker.warm()
    return masker


@pytest.mark.parametrize("source", ["pl-mistyped", "kk", "ru", "en"])
def test_recall_hides_no_name_less(full: Masker, eager: Masker, source: str) -> None:
    """In every language at least as much of the names is hidden, and more words are taken for names."""

    def of(masker: Masker) -> Any:
        def predict(text: str, language: str) -> list[tuple[int, int, str]]:
            return [(s.start, s.end, s.type) for s in masker.spans(text, language if language != "kk" else "ru")]

        return score(ROWS[source], predict)[0]["PERSON"]

    usual, more = of(full), of(eager)
    assert more.hidden >= usual.hidden
    assert more.precision >= 0.8


def test_recall_takes_what_the_model_half_believes(full: Masker, eager: Masker) -> None:
    """A name that the best reading leaves out is hidden; an everyday sentence stays as it is."""
    text = "yesterday zbigniew and Okonkwo spoke"
    found = {name: {text[s.start : s.end] for s in masker.spans(text)} for name, masker in (("f", full), ("e", eager))}
    assert found["f"] <= found["e"]
    for plain in ("The meeting is on Monday.", "Встреча в понедельник.", "Spotkanie jest w poniedziałek."):
        assert eager.mask(plain, MemoryVault(), "user") == plain


def test_the_threshold_decides() -> None:
    """A word that is left out becomes what it most likely is, from the threshold on; what is labelled stays."""

    class Tagger:
        def marginal(self, label: str, place: int) -> float:
            return {"B-PER": 0.15, "I-PER": 0.1, "B-LOC": 0.1, "I-LOC": 0.05}[label] if place else 0.01

    assert likely(Tagger(), ["O", "O", "B-ORG"], 0.2) == ["O", "I-PER", "B-ORG"]
    assert likely(Tagger(), ["O", "O", "B-ORG"], 0.3) == ["O", "O", "B-ORG"]


def test_favour_moves_the_russian_decoder() -> None:
    """What is added to a tag's score counts for every word."""
    import numpy as np

    from agent_guard.masking.names_ru import _Viterbi

    emissions, mask = np.array([[[1.0, 0.0], [1.0, 0.0]]]), np.array([[True, True]])
    assert _Viterbi(np.zeros((2, 2))).decode(emissions, mask) == [[0, 0]]
    assert _Viterbi(np.zeros((2, 2)), [0.0, 1.5]).decode(emissions, mask) == [[1, 1]]


# ---- spaCy


def pipeline(folder: Path, name: str) -> None:
    """An installed package with a pipeline in it that knows one name."""
    import spacy

    made = spacy.blank("en")
    ruler: Any = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "zork"}])
    (folder / name).mkdir()
    made.to_disk(folder / name / "data")
    code = "from pathlib import Path\nimport spacy\ndef load(**options):\n    return spacy.load(Path(__file__).parent / 'data', **options)\n"
    (folder / name / "__init__.py").write_text(code, encoding="utf-8")
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")


def test_a_spacy_pipeline_that_is_installed_reads_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names are found beside ours, in lines of English alone."""
    pipeline(tmp_path, "guard_test_pipeline")
    monkeypatch.syspath_prepend(str(tmp_path))
    masker = Masker(("en",), "recall", spacy="guard_test_pipeline")
    assert masker.mask("Please ask zork about it.", MemoryVault(), "user") == "Please ask <PERSON_1> about it."
    assert Masker(("en",), "recall").mask("Please ask zork about it.", MemoryVault(), "user").endswith("zork about it.")


@pytest.mark.parametrize("name", ["en_core_web_none", "../data", "json"])
def test_a_spacy_pipeline_that_is_not_there_is_told(name: str) -> None:
    """Nothing is downloaded: the error says so. A package that is no pipeline is told at its first text."""
    with pytest.raises(ConfigError, match=r"nothing is downloaded|is no spaCy pipeline"):
        Masker(("en",), "recall", spacy=name).warm()


def test_spacy_is_for_recall() -> None:
    """In another profile it would be a promise that nobody keeps."""
    with pytest.raises(ConfigError, match="'recall' only, and this is 'full'"):
        Masker(("en",), spacy="en_core_web_sm")


# ---- settings, and loading


def test_the_settings_name_profile_and_languages(tmp_path: Path) -> None:
    """``masking`` in guard.yaml makes the masker; an unknown key or language is refused."""
    file = tmp_path / "guard.yaml"
    file.write_text("masking: {profile: recall, languages: [en, pl]}\n", encoding="utf-8")
    assert load_settings(file, {}).masking.masker().languages == ("en", "pl")
    assert load_settings(None, {}).masking.masker().languages == ("en", "ru", "pl")
    file.write_text("masking: {language: [en]}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"masking\.language: is no setting"):
        load_settings(file, {})
    file.write_text("masking: {languages: [de]}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown language 'de'"):
        load_settings(file, {}).masking.masker()


LOADING = """
import json, logging, sys
seen = []
logging.getLogger("agent_guard").setLevel(logging.INFO)
handler = logging.Handler()
handler.emit = lambda record: seen.append(record.getMessage())
logging.getLogger("agent_guard").addHandler(handler)
from agent_guard.masking import Masker
masker, told = Masker(), []
for text in ("Call Anna Kowalska.", "Call Boris.", "Позвоните Ивану Петрову.", "Proszę zadzwonić do pani Nowak."):
    masker.spans(text)
    told.append(list(seen))
print(json.dumps(told))
"""


def test_a_model_loads_at_the_first_text_of_its_language_and_says_so() -> None:
    """Nothing is loaded for a language that nobody writes, and each load is one line of the log."""
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
    english, again, russian, polish = json.loads(done.stdout)
    assert english == again == ["loading the model of English names"]
    assert russian[1:] == ["loading the model of Russian names"]
    assert polish[2:] == ["loading the model of Polish names"]
    assert logging.getLogger("agent_guard").handlers == []
