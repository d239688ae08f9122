"""Recall of the check for each kind of change, and how many sound sentences it refuses.

``sound.jsonl`` holds sentences that were written from the passages they cite, in English, Russian and Polish, in other
words where a person would choose other words. Each is changed in each way that it allows, with several throws of seeded
dice. The sentences and the rules have one author; drafts of a model will be less kind.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

from benchmarks.groundedness.mutations import MUTATIONS
from tools.grounding import Sentence, check
from tools.knowledge_base import LANGUAGES, KnowledgeBase

_HERE = Path(__file__).parent
SOUND = _HERE / "sound.jsonl"
BASE = _HERE.parents[1] / "tools" / "articles"


def measured(throws: int, *, show: bool = False) -> dict[str, dict[str, tuple[int, int]]]:
    """Row -> language -> found and tried; the row ``sound`` counts sound sentences that were refused."""
    base, dice = KnowledgeBase.load(BASE), random.Random(20261122)
    rows: dict[str, dict[str, tuple[int, int]]] = defaultdict(lambda: dict.fromkeys(LANGUAGES, (0, 0)))

    def judge(row: str, text: str, cites: list[str], language: str) -> bool:
        (verdict,) = check([Sentence(text=text, cites=tuple(cites))], language, base.texts, base.names[language])
        found, tried = rows[row][language]
        rows[row][language] = found + (not verdict.grounded), tried + 1
        if show and verdict.grounded == (row != "sound"):
            print(f"{row}: {text} {cites} {[(item.kind, item.detail) for item in verdict.findings]}")
        return verdict.grounded

    for line in SOUND.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        text, cites, language = item["text"], item["cites"], item["language"]
        judge("sound", text, cites, language)
        for name, mutation in MUTATIONS.items():
            tried = set()
            for _ in range(throws):
                changed = mutation(text, cites, language, base, dice)
                if changed is None or (changed[0], tuple(changed[1])) in tried or changed == (text, cites):
                    continue
                tried.add((changed[0], tuple(changed[1])))
                judge(name, changed[0], list(changed[1]), language)
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What the check of drafts finds.")
    parser.add_argument("--throws", type=int, default=5, help="changes of each kind a sentence (default 5)")
    parser.add_argument("--show", action="store_true", help="print what was missed and what was refused wrongly")
    options = parser.parse_args()
    rows = measured(options.throws, show=options.show)
    print(f"\n| change | {' | '.join(LANGUAGES)} | all |\n|---|{'---|' * (len(LANGUAGES) + 1)}")
    for name, cells in [(name, rows[name]) for name in (*MUTATIONS, "sound")]:
        found, tried = (sum(item[place] for item in cells.values()) for place in (0, 1))
        shares = [f"{cells[language][0] / max(1, cells[language][1]):.3f}" for language in LANGUAGES]
        title = "sound sentences refused" if name == "sound" else f"{name}: found"
        print(f"| {title} | {' | '.join(shares)} | {found / tried:.3f} of {tried} |")


if __name__ == "__main__":
    main()
