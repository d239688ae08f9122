"""A conversation of twenty turns, masked turn by turn: before each turn the whole history is masked again, as a model
sees it. Ours, Presidio's default pipeline on a spaCy model, and the detectors of LangChain's `PIIMiddleware`; CPU time.

    python -m benchmarks.masking_conversation [--presidio-model NAME] [--turns N] [--json]

The texts are those of the shipped set in English, because Presidio's default reads English alone. Ours finds names in
four languages; LangChain's detectors find only what has a form (e-mail, card, IP, MAC, URL), so no row is "the same
thing, faster". Presidio is left out, with a line that says so, where the model is not installed: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from langchain.agents.middleware.pii import (
    detect_credit_card,
    detect_email,
    detect_ip,
    detect_mac_address,
    detect_url,
)

from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.scoring import read_rows
from benchmarks.masking import PRESIDIO_MODEL, SHIPPED, presidio

LENGTH = 300
"""Characters of a turn, about."""


def turns(count: int, skip: int) -> list[str]:
    """So many texts of the shipped set; ``skip`` begins elsewhere, so that no two conversations are equal."""
    rows = [row["text"] for row in read_rows(SHIPPED) if row["lang"] == "en"]
    found, at = [], skip * count
    for _ in range(count):
        text = ""
        while len(text) < LENGTH:
            text, at = f"{text} {rows[at % len(rows)]}", at + 1
        found.append(text.strip())
    return found


def ours() -> Callable[[list[str]], None]:
    masker = Masker()
    masker.warm()

    def conversation(said: list[str]) -> None:
        vault = MemoryVault()
        for turn in range(1, len(said) + 1):
            for text in said[:turn]:
                masker.mask(text, vault, "user")

    return conversation


def of_presidio(model: str) -> Callable[[list[str]], None] | None:
    predict = presidio(model)
    if predict is None:
        return None

    def conversation(said: list[str]) -> None:
        for turn in range(1, len(said) + 1):
            for text in said[:turn]:
                list(predict(text, "en"))

    return conversation


def of_langchain(said: list[str]) -> None:
    for turn in range(1, len(said) + 1):
        for text in said[:turn]:
            for detect in (detect_email, detect_credit_card, detect_ip, detect_mac_address, detect_url):
                detect(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="A conversation masked turn by turn.")
    parser.add_argument("--presidio-model", default=PRESIDIO_MODEL, help=f"default {PRESIDIO_MODEL}")
    parser.add_argument("--turns", type=int, default=20, help="default 20")
    parser.add_argument("--rounds", type=int, default=5, help="conversations of each row (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    named = {"ours": ours(), "Presidio": of_presidio(given.presidio_model), "LangChain": of_langchain}
    systems = {name: run for name, run in named.items() if run is not None}
    times: dict[str, list[float]] = {name: [] for name in systems}
    for n in range(given.rounds + 1):
        said = turns(given.turns, n)
        for name, run in systems.items():
            began = time.process_time()
            run(said)
            times[name].append(1000 * (time.process_time() - began))
    medians = {name: statistics.median(found[1:]) for name, found in times.items()}
    if given.json:
        print(json.dumps({"turns": given.turns, "rounds": given.rounds, "cpu_ms": medians}, indent=1))
        return
    if "Presidio" not in times:
        print(f"Presidio: left out, its spaCy model {given.presidio_model} is not installed")
    print(f"{'':10} {'CPU ms':>9} {'times ours':>11}")
    for name, found in medians.items():
        print(f"{name:10} {found:9.1f} {found / medians['ours']:11.2f}")


if __name__ == "__main__":
    main()
