"""What is drawn from the code is as the code is; what lists the pages lists all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
import yaml

import agent_guard
from agent_guard import errors, integrations, nodes
from agent_guard.guards import GUARDS
from scripts import site
from scripts.reference import FOLDER, PAGES
from tests.docs.pages import DOCS, ROOT, pages

INDEX = (ROOT / "llms.txt").read_text(encoding="utf-8")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=list(PAGES))
def test_a_drawn_page_is_as_the_code_is(name: str, page: Callable[[], str]) -> None:
    """Pages drawn from the code hold what the code says; ``python -m scripts.reference`` writes them anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == page(), "run: python -m scripts.reference"


def test_the_picture_shows_the_guards_and_loads_nothing() -> None:
    """The picture is SVG, names every guard in its order, and refers to nothing outside itself."""
    text = (DOCS / "picture.svg").read_text(encoding="utf-8")
    words = [element.text or "" for element in ET.fromstring(text).iter() if element.tag.endswith("}text")]
    assert [word for word in words if re.match(r"\d+ ", word)] == [
        f"{number} {guard.name.replace('_', ' ')}" for number, guard in enumerate(GUARDS, 1)
    ]
    assert "href" not in text and "url(http" not in text and "<script" not in text


def _navigation(part: object) -> list[str]:
    if isinstance(part, str):
        return [part]
    found = part.values() if isinstance(part, dict) else part
    return [page for below in found for page in _navigation(below)]


def test_every_page_is_in_the_navigation() -> None:
    """A page that nobody can reach is not written; a new one is added to ``nav`` in mkdocs.yml."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(_navigation(config["nav"])) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert config["strict"] is True and config["theme"]["font"] is False


def test_llms_txt_has_the_form_of_the_specification() -> None:
    """A title, a summary, and lists of links under second headings only (llmstxt.org)."""
    lines = [line for line in INDEX.splitlines() if line]
    assert lines[0].startswith("# ") and lines[1].startswith("> ")
    assert [line for line in lines[2:] if line.startswith("#") and not line.startswith("## ")] == []
    listed = INDEX[INDEX.index("\n## ") :]
    for line in listed.splitlines():
        assert not line or line.startswith("## ") or re.fullmatch(r"- \[[^\]]+\]\([^)]+\): .+", line), line


def test_llms_txt_names_every_page_and_nothing_that_is_not_there() -> None:
    """Every link of llms.txt exists, and every page of the docs is linked."""
    linked = LINK.findall(INDEX)
    assert [link for link in linked if not (ROOT / link).is_file()] == []
    assert len(linked) == len(set(linked))
    assert {str(page.relative_to(ROOT)) for page in pages()} - set(linked) == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page) -> None:
    """A relative link or picture of a page leads to a file, and to a heading that is there."""
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, link


def test_what_a_browser_would_load_is_found() -> None:
    """The check of the built site names scripts, styles, pictures and fonts of other hosts, and no plain link."""
    assert site.foreign('<script src="https://unpkg.com/x.js"></script>') == ["https://unpkg.com/x.js"]
    assert site.foreign("<link rel=stylesheet href=//fonts.example/a.css>") == ["//fonts.example/a.css"]
    assert site.foreign('<link href="https://a.example/f" rel="preconnect">') == ["https://a.example/f"]
    assert site.foreign('<pre class="mermaid"><code>graph TD</code></pre>') == ['<pre class="mermaid']
    assert site.foreign('<div class="language-mermaid highlight">graph TD</div>') == []
    assert site.foreign('<img alt="" src=http://a.example/p.png>') == ["http://a.example/p.png"]
    assert (
        site.foreign(
            '<a href="https://a.example">x</a><script src="assets/a.js"></script><link rel="canonical" href="https://a.example">'
        )
        == []
    )


def test_what_builds_the_site_is_pinned() -> None:
    """``make docs`` installs names that constraints.txt pins, none of them a placeholder."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [line] = [line for line in makefile.splitlines() if "mkdocs-material" in line]
    named = re.findall(r"\b(mkdocs[\w-]*)", line.split("constraints.txt")[1])
    pins = dict(
        re.findall(r"^([\w-]+)==([^ \n]+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(named) == {"mkdocs-material", "mkdocstrings"}
    assert [name for name in (*named, "mkdocs", "mkdocstrings-python", "griffelib") if name not in pins] == []
    assert not any(pins[name].startswith("999") for name in named)


def test_the_reference_has_every_public_name() -> None:
    """What the package exports, its nodes, integrations and errors each have an entry in the reference."""
    for module, page in ((agent_guard, "index"), (nodes, "nodes"), (integrations, "integrations")):
        text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
        entries = {line.rsplit(".", 1)[1] for line in re.findall(r"^::: (agent_guard[\w.]+)$", text, re.MULTILINE)}
        elsewhere = {*errors.__all__, *OTHERWISE}
        assert [name for name in module.__all__ if name not in entries | elsewhere] == [], page


OTHERWISE = {"Refine", "tool_node", "wrap_tool_call", "awrap_tool_call"}
"""Names of ``nodes`` that stand among the integrations, or are types of a parameter."""


def _rows(page: str) -> list[str]:
    return [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]


def test_the_threat_model_is_the_security_policys() -> None:
    """What is trusted, and what happens when a store is down, stand in both pages in the same words."""
    page = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    policy = _rows("SECURITY.md")
    assert len(policy) > 12
    assert [row for row in policy if row not in page] == []


def test_the_readmes_figures_are_those_of_the_page() -> None:
    """No figure of a table of the README differs from the page that tells how it was measured."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    part = readme[readme.index("\n## Figures") :].split("\n## ")[1]
    rows = [line for line in part.splitlines() if re.match(r"\| .*\d", line)]
    page = _rows("docs/figures.md")
    assert len(rows) >= 6 and [row for row in rows if row not in page] == []
