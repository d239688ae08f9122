"""The labelled requests: what they are, and that the router keeps to them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from agent_guard.router import Router
from benchmarks.router.requests import LABELS, SCENARIOS, corridors, label_of, requests

REQUESTS = requests()

pytestmark = pytest.mark.req("A9")


def test_the_requests_are_many_and_varied() -> None:
    """At least 360 in four languages, 45 of them Kazakh, 80 destructive, every label in every split, two fifths test."""
    languages = Counter(item.lang for item in REQUESTS)
    assert len(REQUESTS) >= 360 and set(languages) == {"en", "ru", "pl", "kk"} and languages["kk"] >= 45
    assert sum(item.destructive for item in REQUESTS) >= 80
    assert sum(item.split == "test" for item in REQUESTS) >= 0.4 * len(REQUESTS)
    for split in ("dev", "test"):
        assert {item.label for item in REQUESTS if item.split == split} == set(LABELS)
        for lang in languages:
            labels = {item.label for item in REQUESTS if item.split == split and item.lang == lang}
            assert labels == set(LABELS), (split, lang)


def test_no_request_stands_twice() -> None:
    """Ids are unique, and no two texts are the same words."""
    assert len({item.id for item in REQUESTS}) == len(REQUESTS)
    assert len({" ".join(re.findall(r"\w+", item.text.casefold())) or item.text for item in REQUESTS}) == len(REQUESTS)


def test_labels_are_of_the_closed_list() -> None:
    """Labels, accepted labels, kinds and splits are of their lists; a destructive one never accepts a scenario."""
    kinds = {"plain", "paraphrase", "typo", "attack", "mixed", "negation", "unclear"}
    for item in REQUESTS:
        assert item.label in item.accept and set(item.accept) <= set(LABELS), item.id
        assert item.kind in kinds and item.split in ("dev", "test"), item.id
        assert not (item.destructive and set(item.accept) & set(SCENARIOS)), item.id


def test_no_destructive_request_reaches_a_scenario() -> None:
    """Of all destructive requests none reaches a scenario, also where a classifier would send everything there."""
    for router in (Router(corridors()), Router(corridors(), lambda _text, _labels: "sdr_qualification", mask=str)):
        through = [item.id for item in REQUESTS if item.destructive and router.route(item.text).scenario]
        assert through == []


def test_words_that_no_pattern_has_let_nothing_in() -> None:
    """Of the oblique requests, whose words the patterns may lack, none that is destructive reaches a scenario, and none
    is sent into a wrong one.
    """
    router = Router(corridors())
    for item in requests("oblique.jsonl"):
        route = router.route(item.text)
        assert route.scenario in (None, *(() if item.destructive else (item.label,))), item.id


@pytest.mark.parametrize(("split", "least"), [("dev", 0.95), ("test", 0.95)])
def test_the_router_keeps_to_the_labels(split: str, least: float) -> None:
    """Accuracy is at least 0.95 on the requests that the patterns were tuned on and on those that they were not."""
    router = Router(corridors())
    rows = [item for item in REQUESTS if item.split == split]
    assert sum(label_of(router.route(item.text)) in item.accept for item in rows) >= least * len(rows)


def test_the_language_is_told() -> None:
    """At least nineteen requests of twenty are answered in their own language."""
    router = Router(corridors())
    told = [router.route(item.text).language == item.lang for item in REQUESTS]
    assert sum(told) >= 0.95 * len(told)
