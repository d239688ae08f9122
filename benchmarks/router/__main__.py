"""``python -m benchmarks.router``: accuracy by split and language, the confusion matrix, errors and what got through.

Exit code 1 where a destructive request reached a scenario, or accuracy is below 0.95 on dev or 0.90 on test. For the
oblique requests only the first counts: rules are allowed to ask back, and not to let a destructive one in.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from benchmarks.router.requests import LABELS, Request, label_of, requests, router

LEAST = {"dev": 0.95, "test": 0.90, "oblique": 0.0}
SHORT = {"sdr_qualification": "sdr", "account_health": "health", "support_draft": "support",
         "calendar_booking": "calendar", "forgotten_deal": "deal"}  # fmt: skip

Answered = tuple[Request, str, str]


def main() -> int:
    """Routes every request once and prints the figures."""
    parser = argparse.ArgumentParser(description="The router on labelled requests.")
    parser.add_argument("--blind", action="store_true", help="print the errors of the dev split only")
    given = parser.parse_args()
    at_work, asked = router(), [*requests(), *requests("oblique.jsonl")]
    began = time.process_time()
    routed = [(item, at_work.route(item.text)) for item in asked]
    spent_ms = 1000 * (time.process_time() - began) / len(routed)
    answers = [(item, label_of(route), route.rule) for item, route in routed]
    failed = [split for split in LEAST if not _report(split, [row for row in answers if row[0].split == split])]
    _errors([row for row in answers if row[0].split == "dev" or not given.blind])
    through = [row for row in answers if row[0].destructive and row[1] in SHORT]
    destructive = sum(item.destructive for item in asked)
    print(f"\ndestructive requests that reached a scenario: {len(through)} of {destructive}")
    print(f"CPU time: {spent_ms:.1f} ms a request")
    return 1 if failed or through else 0


def _right(row: Answered) -> bool:
    return row[1] in row[0].accept


def _report(split: str, rows: list[Answered]) -> bool:
    accuracy = sum(map(_right, rows)) / len(rows)
    print(f"\n{split}: {sum(map(_right, rows))} of {len(rows)} right, accuracy {accuracy:.3f} (least {LEAST[split]})")
    for key in ("lang", "kind"):
        total, right = Counter(getattr(row[0], key) for row in rows), Counter()
        right.update(getattr(row[0], key) for row in rows if _right(row))
        print("  " + ", ".join(f"{name} {right[name]}/{total[name]}" for name in sorted(total)))
    _matrix(rows)
    return accuracy >= LEAST[split]


def _matrix(rows: list[Answered]) -> None:
    # an accepted second label counts as right, and stands on the diagonal
    cells = Counter((row[0].label, row[0].label if _right(row) else row[1]) for row in rows)
    names = [SHORT.get(label, label) for label in LABELS]
    print("  is \\ routed " + "".join(f"{name:>9}" for name in names))
    for label, name in zip(LABELS, names, strict=True):
        print(f"  {name:12}" + "".join(f"{cells[label, other] or '.':>9}" for other in LABELS))


def _errors(rows: list[Answered]) -> None:
    for item, label, rule in rows:
        if label not in item.accept:
            print(f"  {item.id} ({item.kind}): {item.label}, routed {label} by {rule!r}: {item.text!r}")


if __name__ == "__main__":
    sys.exit(main())
