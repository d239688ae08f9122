"""Quality and speed of masking on labelled texts: names, places, telephones; ours and Presidio's default beside it.

    python -m benchmarks.masking [--data DIR] [--limit N] [--presidio-model NAME] [--json]

The shipped set (`benchmarks/masking.jsonl`, made by `training/evaluation.py`) is generated: its carriers and seeds are
other ones than those the models were trained with, but its names come from the same lists, so its figures are upper
bounds. `--data DIR` scores every `*.jsonl` of a folder: rows of ``text, entities [{start, end, type}], lang``.

Rows named "patterns" find only what form gives away, "recall" are the profile with lower thresholds. "presidio" is
Presidio's `AnalyzerEngine` with its default recognizers. Its default spaCy model is `en_core_web_lg`, it reads English
only, and it is left out, with a line that says so, where the model is not installed: nothing is downloaded.
`--presidio-model` names another installed model.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent_guard.masking import Masker
from agent_guard.masking.scoring import TYPES, Found, by_source, read_rows, score

SHIPPED = Path(__file__).parent / "masking.jsonl"
PRESIDIO_MODEL = "en_core_web_lg"
Predict = Callable[[str, str], Iterable[Found]]


def ours(masker: Masker) -> Predict:
    """Our spans in the scorer's form."""

    def predict(text: str, language: str) -> Iterable[Found]:
        known = language if language in ("en", "ru", "pl") else None
        return [(span.start, span.end, span.type) for span in masker.spans(text, known)]

    return predict


def presidio(model: str) -> Predict | None:
    """Presidio's default analyzer on a spaCy model, or None where the model is missing."""
    if find_spec(model) is None:
        return None
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    from agent_guard.masking.engine import our_type

    models = [{"lang_code": "en", "model_name": model}]
    configuration = {"nlp_engine_name": "spacy", "models": models}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine())

    def predict(text: str, language: str) -> Iterable[Found]:
        return [(r.start, r.end, our_type(r.entity_type)) for r in engine.analyze(text, "en")]

    return predict


def resident_mb() -> float:
    """Memory of this process that is in RAM, in megabytes; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 1e6 if status.exists() else 0.0


def sets(folder: Path | None, limit: int | None) -> dict[str, list[dict[str, Any]]]:
    """The shipped set by source, and the files of a folder, each cut to ``limit`` rows drawn with a fixed seed."""
    found = {f"shipped {name}": rows for name, rows in by_source(read_rows(SHIPPED)).items()}
    for path in sorted(folder.glob("*.jsonl")) if folder else []:
        found[path.stem] = read_rows(path)
    return {
        name: random.Random(7).sample(rows, limit) if limit and len(rows) > limit else rows
        for name, rows in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of labelled sets")
    parser.add_argument("--limit", type=int, help="the most rows of one set")
    parser.add_argument("--presidio-model", default=PRESIDIO_MODEL, help=f"default {PRESIDIO_MODEL}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()

    began, cpu, before = time.perf_counter(), time.process_time(), resident_mb()
    full = Masker()
    full.warm()
    loaded = {
        "load_s": time.perf_counter() - began,
        "load_cpu_s": time.process_time() - cpu,
        "memory_mb": resident_mb() - before,
    }
    systems: dict[str, Predict | None] = {
        "full": ours(full), "recall": ours(Masker(profile="recall")), "patterns": ours(Masker(profile="patterns")),
        "presidio": presidio(given.presidio_model),
    }  # fmt: skip
    rows_of = sets(given.data, given.limit)
    results = []
    for name, rows in rows_of.items():
        for system, predict in systems.items():
            if predict is None or (system == "presidio" and rows[0]["lang"] != "en"):
                continue
            predict(rows[0]["text"], rows[0]["lang"])
            scores, times = score(rows, predict)
            results.append({
                "set": name, "system": system, "texts": len(rows), "cpu_ms_median": statistics.median(times),
                "scores": {kind: asdict(found) for kind, found in scores.items()},
            })  # fmt: skip
    if given.json:
        print(json.dumps({"loaded": loaded, "results": results}, indent=1))
        return
    print(
        f"all languages loaded in {loaded['load_s']:.1f} s ({loaded['load_cpu_s']:.1f} s of CPU), "
        f"{loaded['memory_mb']:.0f} MB"
    )
    if systems["presidio"] is None:
        print(f"presidio: left out, its spaCy model {given.presidio_model} is not installed")
    print(f"{'set':26} {'system':9} {'ms':>6}  {'type':9} {'n':>5} recall precision hidden")
    for result in results:
        for kind in TYPES:
            if kind in result["scores"]:
                found = result["scores"][kind]
                print(
                    f"{result['set']:26} {result['system']:9} {result['cpu_ms_median']:6.2f}  "
                    f"{kind:9} {found['gold']:5} {found['recall']:6.3f} "
                    f"{found['precision']:9.3f} {found['hidden']:6.3f}"
                )


if __name__ == "__main__":
    main()
