"""The knowledge base: articles are read, passages found, and a broken folder is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_guard.errors import ConfigError
from graphs import ARTICLES
from tools.grounding import Sentence, check
from tools.grounding.tokens import sentences
from tools.knowledge import Search, search_knowledge
from tools.knowledge_base import LANGUAGES, KnowledgeBase
from tools.meaning import RussianWords

KB = KnowledgeBase.load(ARTICLES)


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    ("query", "language", "first"),
    [
        ("I forgot my password", "en", "en/sign_in#1"),
        ("can I get a refund", "en", "en/invoices#3"),
        ("ошибка M-77 в приложении", "ru", "ru/mobile#3"),
        ("как пригласить коллег", "ru", "ru/roles#2"),
        ("zgubiony klucz API", "pl", "pl/api#2"),
        ("usunięte kontakty", "pl", "pl/export#4"),
    ],
)
def test_the_passage_that_answers_is_found_first(query: str, language: str, first: str) -> None:
    """In any form of the words, in the language asked for."""
    found = search_knowledge.run(Search(query=query, language=language), KB).passages  # type: ignore[arg-type]
    assert found[0].id == first
    assert {item.id[:2] for item in found} == {language}


def test_what_shares_no_word_finds_nothing() -> None:
    """Small words count for nothing, and an empty answer is an answer."""
    assert KB.search("rent forklifts with drivers", "en", 5) == []
    assert KB.search("how is the and of", "en", 5) == []


@pytest.fixture(scope="module")
def meaning() -> KnowledgeBase:
    """The articles with vectors of Russian words."""
    return KnowledgeBase.load(ARTICLES, RussianWords())


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    ("query", "wanted"), [("вернуть средства", "ru/invoices#3"), ("смартфон не открывает программу", "ru/mobile#1")]
)
def test_with_vectors_other_words_are_found(meaning: KnowledgeBase, query: str, wanted: str) -> None:
    """What a passage says in other words is found, and what shares words with the query stays before it."""
    by_words = [item.id for item in KB.search(query, "ru", 5)]
    found = [item.id for item in meaning.search(query, "ru", 5)]
    assert found[: len(by_words)] == by_words
    assert wanted in found
    assert KB.search("вернуть средства", "ru", 5) == []


@pytest.mark.parametrize("query", ["аренда погрузчиков с водителем", "рецепт борща", "погода в Москве завтра", "щщщ"])
def test_what_the_articles_do_not_speak_of_is_near_to_nothing(meaning: KnowledgeBase, query: str) -> None:
    """An empty answer is still an answer."""
    assert meaning.search(query, "ru", 5) == []


def test_a_language_without_vectors_is_found_by_words(meaning: KnowledgeBase) -> None:
    """English and Polish are as they were."""
    for query, language in (("can I get a refund", "en"), ("zgubiony klucz API", "pl")):
        assert meaning.search(query, language, 5) == KB.search(query, language, 5)  # type: ignore[arg-type]


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr("tools.meaning.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"\[ru\]"):
        RussianWords()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_article_bears_out_itself(language: str) -> None:
    """Each sentence of each passage, cited, is grounded: the check never refuses the articles' own words."""
    for passage in KB.passages.values():
        if passage.language == language:
            draft = [Sentence(text=part, cites=(passage.id,)) for part in sentences(passage.text)]
            verdicts = check(draft, passage.language, KB.texts, KB.names[passage.language])
            assert [item.findings for item in verdicts if not item.grounded] == [], passage.id


def test_the_languages_have_the_same_passages() -> None:
    """An article that exists in one language exists in all, paragraph by paragraph."""
    names = [{name.partition("/")[2] for name in KB.passages if name.startswith(language)} for language in LANGUAGES]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("text", ["No title\n\nText", "# Title only\n"])
def test_a_broken_article_is_named(tmp_path: Path, text: str) -> None:
    """With its path and what an article is."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "odd.md").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"odd\.md: an article begins with"):
        KnowledgeBase.load(tmp_path)


def test_an_article_of_another_program_is_read_or_named(tmp_path: Path) -> None:
    """The mark that some editors put before a text is none of it; an article in another encoding is named."""
    (tmp_path / "en").mkdir()
    path = tmp_path / "en" / "odd.md"
    path.write_bytes("\ufeff# Title\r\n\r\nText\r\n".encode())
    assert KnowledgeBase.load(tmp_path).texts == {"en/odd#1": "Text"}
    path.write_bytes("# Título\n\nText".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"odd\.md: .*UTF-8"):
        KnowledgeBase.load(tmp_path)


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("Getting-Started", "# Title\n\nText", "its name is part of every citation"),
        ("long", f"# {'t' * 201}\n\nText", "its title is longer than 200"),
        ("long", f"# Title\n\nText\n\n{'word ' * 401}", "paragraph 2 is longer than 2000"),
        ("many", "# Title\n\n" + "Text\n\n" * 1000, "more than 999 paragraphs"),
    ],
)
def test_what_no_search_could_give_is_told_when_it_is_read(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """Not by a search that fails while a customer waits."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / f"{name}.md").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        KnowledgeBase.load(tmp_path)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    """With where the articles belong."""
    with pytest.raises(ConfigError, match="has no articles"):
        KnowledgeBase.load(tmp_path)
