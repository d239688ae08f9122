"""The policy file: a closed format whose errors name the file, the line and the key."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest
from hypothesis import given, strategies as st

from agent_guard.errors import ConfigError
from agent_guard.policy import Policy, RateLimit

HEAD = "version: 1\nname: p.v1\n"
RULE = "tools:\n  crm.read_deal:\n    roles: [sales]\n    mode: execute\n"


def parse(text):
    return Policy.parse(dedent(text), source="p.yaml")


@pytest.mark.req("A1")
def test_the_smallest_policy_has_the_defaults_of_the_article():
    """Five actions, twelve steps, twenty attempts and two equal calls hold where a policy says nothing."""
    policy = parse(HEAD + RULE)
    assert policy.limits.actions_per_thread == 5
    assert policy.limits.steps_per_thread == 12
    assert policy.limits.attempts_per_thread == 20
    assert policy.loops.same_call == 2
    assert policy.tools["crm.read_deal"].mode_in("prod") == "execute"


@pytest.mark.req("A3")
def test_contact_caps_are_rates_of_a_customer():
    """Each cap is a number of contacts in a time, of one customer; nothing is capped where nothing is said."""
    caps = parse(HEAD + "contact_caps: [1/hour/party, 3/day/party]\n" + RULE).caps
    assert [(cap.count, cap.window_s, cap.scope) for cap in caps] == [(1, 3600, "party"), (3, 86_400, "party")]
    assert parse(HEAD + RULE).caps == ()


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    "cap", ["3/day", "3/day/thread", "3/day/tool", "0/day/party", "3/week/party", "3/day/party ", "-1/day/party", "{}"]
)
def test_a_cap_of_anything_else_is_refused(cap):
    """A cap that no meter could count is refused with its line."""
    with pytest.raises(ConfigError, match="line 3: contact_caps"):
        parse(f"{HEAD}contact_caps: ['{cap}']\n{RULE}")


BAD = [
    ("version: 2\nname: p\n" + RULE, 1, "version"),
    ("version: '1'\nname: p\n" + RULE, 1, "version"),
    ("version: true\nname: p\n" + RULE, 1, "version"),
    ("version: 1.0\nname: p\n" + RULE, 1, "version"),
    ("name: p\n" + RULE, 1, "version"),
    ("version: 1\n" + RULE, 1, "name"),
    ("version: 1\nname: ''\n" + RULE, 2, "name"),
    (HEAD, 1, "tools"),
    (HEAD + "tools:\n", 3, "tools"),
    (HEAD + "tools: [crm.read_deal]\n", 3, "tools"),
    (HEAD + RULE + "default: allow\n", 7, "default"),
    (HEAD + "limits: {actions: 5}\n" + RULE, 3, "limits.actions"),
    (HEAD + "limits: {actions_per_thread: 0}\n" + RULE, 3, "limits.actions_per_thread"),
    (HEAD + "limits: {actions_per_thread: '5'}\n" + RULE, 3, "limits.actions_per_thread"),
    (HEAD + "limits: {actions_per_thread: true}\n" + RULE, 3, "limits.actions_per_thread"),
    (HEAD + "limits:\n  steps_per_thread: 5000\n" + RULE, 4, "limits.steps_per_thread"),
    (HEAD + "loops: {same_call: 0}\n" + RULE, 3, "loops.same_call"),
    (HEAD + RULE + "    allow: true\n", 7, "tools.crm.read_deal.allow"),
    (HEAD + RULE + "    region: theirs\n", 7, "tools.crm.read_deal.region"),
    (HEAD + RULE + "    fields: title\n", 7, "tools.crm.read_deal.fields"),
    (HEAD + RULE + "    bind: {deal_id: anyone}\n", 7, "tools.crm.read_deal.bind.deal_id"),
    (HEAD + RULE + "    limits: [3/fortnight/subject]\n", 7, "tools.crm.read_deal.limits.0"),
    (HEAD + RULE + "    limits:\n      - 3/day/tenant\n      - 0/day/tenant\n", 9, "tools.crm.read_deal.limits.1"),
    (HEAD + RULE + "    where: {properties: {a: {patern: x}}}\n", 7, "tools.crm.read_deal.where.properties.a.patern"),
    (
        HEAD + RULE + "    where: {properties: {a: {pattern: 'x'}}}\n",
        7,
        "tools.crm.read_deal.where.properties.a.pattern",
    ),
    (HEAD + RULE + "    where: {properties: {a: {pattern: '^(x$'}}}\n", 7, "where.properties.a.pattern"),
    (HEAD + RULE + "    where: {properties: {a: {maxLength: -1}}}\n", 7, "where.properties.a.maxLength"),
    (HEAD + RULE + "    where: {properties: {a: {maximum: .nan}}}\n", 7, "where.properties.a.maximum"),
    (HEAD + RULE + "    where: {properties: {a: {minimum: -.inf}}}\n", 7, "where.properties.a.minimum"),
    (HEAD + RULE + "    where: {properties: {a: {type: text}}}\n", 7, "where.properties.a.type"),
    (HEAD + RULE + "    approvers: {roles: []}\n", 7, "tools.crm.read_deal.approvers.roles"),
    (HEAD + RULE + "    approvers: {roles: [m], expires: soon}\n", 7, "tools.crm.read_deal.approvers.expires"),
    (HEAD + RULE + "    approvers: {roles: [m], expires: 86400}\n", 7, "tools.crm.read_deal.approvers.expires"),
    (HEAD + "tools:\n  a.b:\n    roles: [s]\n    mode: allow\n", 6, "tools.a.b.mode"),
    (HEAD + "tools:\n  a.b:\n    roles: [s]\n    mode: approve\n", 4, "tools.a.b"),
    (HEAD + "tools:\n  a.b:\n    roles: [s]\n    mode: {dev: execute, prod: approve}\n", 4, "tools.a.b"),
    (HEAD + "tools:\n  a.b:\n    roles: [s]\n    mode: {dev: yes}\n", 6, "tools.a.b.mode"),
    (HEAD + "tools:\n  a.b:\n    roles: s\n    mode: execute\n", 5, "tools.a.b.roles"),
    (HEAD + "tools:\n  a.b:\n    roles: []\n    mode: execute\n", 5, "tools.a.b.roles"),
    (HEAD + "tools:\n  a.b:\n    roles: ['']\n    mode: execute\n", 5, "tools.a.b.roles.0"),
    (HEAD + "tools:\n  a.b:\n    mode: execute\n", 4, "tools.a.b.roles"),
    (HEAD + "tools:\n  a.b:\n    roles: [s]\n", 4, "tools.a.b.mode"),
    (HEAD + "tools:\n  a.b:\n", 4, "tools.a.b"),
    (HEAD + "tools:\n  a.b: execute\n", 4, "tools.a.b"),
    (HEAD + "tools:\n  on: {roles: [s], mode: execute}\n", 3, "tools"),
]


@pytest.mark.req("A1")
@pytest.mark.parametrize(("text", "line", "key"), BAD, ids=[f"{line}-{key}" for _, line, key in BAD])
def test_a_wrong_entry_is_refused_with_file_line_and_key(text, line, key):
    """Each wrong entry is one sentence that says where it stands."""
    with pytest.raises(ConfigError) as caught:
        Policy.parse(text, source="p.yaml")
    assert f"policy p.yaml, line {line}:" in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nname: [\n", 3),
        ("version: 1\n\tname: p\n", 2),
        ("version: 1\nname: p\nname: q\n" + RULE, 3),
        (HEAD + RULE + "    mode: suggest\n", 7),
        (HEAD + RULE + "  crm.read_deal:\n    roles: [guest]\n    mode: execute\n", 7),
        (HEAD + RULE + "  'crm.read_deal':\n    roles: [guest]\n    mode: execute\n", 7),
        (HEAD + RULE + "    bind: {deal_id: party, deal_id: region}\n", 7),
        (HEAD + "--- 2\n", 3),
        (HEAD + "x: !!python/object/apply:os.system ['true']\n", 3),
    ],
)
@pytest.mark.req("A1")
def test_a_file_that_yaml_cannot_or_must_not_read_is_refused_with_its_line(text, line):
    """Broken YAML, a second document, a constructor and a key that is written twice are refused."""
    with pytest.raises(ConfigError, match=rf"policy p\.yaml, line {line}: not YAML"):
        Policy.parse(text, source="p.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "just words",
        "[1, 2]",
        "7",
        "null",
        "&a [*a]",
        HEAD + RULE + "? [a, b]\n: c\n",
        HEAD + RULE + "? {a: b}\n: c\n",
        "[" * 3000,
        "a: " + "{b: " * 2000,
        "\x00",
        "version: 1\nname: \ud800\n",
        "version: 2026-13-45\n",
        HEAD + RULE + "1: x\n",
    ],
)
def test_whatever_stands_in_the_file_is_a_config_error(text):
    """No text at all, no mapping, a circle, a list as a key or a bottomless one: one kind of error, no traceback."""
    with pytest.raises(ConfigError, match=r"policy p\.yaml"):
        Policy.parse(text, source="p.yaml")


@given(st.text(max_size=60) | st.text(alphabet="version: 1\n-[]{}&*!?|>'\"#,tols", max_size=60))
def test_no_text_breaks_the_reader(text):
    """A policy is read or refused with a ConfigError, whatever the text."""
    try:
        Policy.parse(text)
    except ConfigError as error:
        assert "policy <text>" in str(error)


def test_all_wrong_entries_are_told_at_once():
    """A reader who mends a file is told of each mistake, one a line."""
    with pytest.raises(ConfigError) as caught:
        parse("version: 1\nname: p\nextra: 1\ntools:\n  a.b: {roles: [s], mode: never}\n")
    lines = str(caught.value).splitlines()
    assert any("line 3: extra:" in line for line in lines)
    assert any("line 5: tools.a.b.mode" in line for line in lines)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("domains: ['https://acme.example']", "cannot be an allowed domain"),
        ("domains: ['*.acme.example']", "cannot be an allowed domain"),
        ("domains: [com]", "cannot be an allowed domain"),
        ("totals: [{arg: amount, max: 100, per: fortnight}]", "'fortnight'"),
        ("totals: [{arg: amount, max: -1, per: day/tenant}]", "greater than or equal to 0"),
        ("requires: [{tool: crm.read_deal, within: soon}]", "'soon'"),
        ("not_after: {due: tomorrow}", "'tomorrow'"),
        ("not_after: {due: '2026-13-01'}", "month must be in"),
        ("from: {deal_id: [users]}", "'user'"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_its_line(entry, words):
    """What a rule says wrong is named, with the line it stands in."""
    with pytest.raises(ConfigError, match=r"(?s)line 7.*" + re.escape(words)):
        parse(HEAD + RULE + f"    {entry}\n")


def test_stop_words_are_part_of_the_hash(tmp_path):
    """Other words in a file beside the policy are another policy; a list that is not there is refused."""
    (tmp_path / "en-own.txt").write_text("guarantee\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text(HEAD + "stop_words: [en-own.txt]\n" + RULE, encoding="utf-8")
    first = Policy.load(tmp_path / "p.yaml").hash
    (tmp_path / "en-own.txt").write_text("guarantee\npromise\n", encoding="utf-8")
    assert Policy.load(tmp_path / "p.yaml").hash != first
    with pytest.raises(ConfigError, match=r"line 3: stop_words: .*nowhere\.txt"):
        parse(HEAD + "stop_words: [nowhere.txt]\n" + RULE)


@pytest.mark.req("B9")
@pytest.mark.parametrize(
    ("mode", "environment", "expected"),
    [
        ("execute", "dev", "execute"),
        ("execute", "prod", "execute"),
        ("suggest", "prod", "suggest"),
        ({"dev": "execute", "stage": "suggest"}, "dev", "execute"),
        ({"dev": "execute", "stage": "suggest"}, "stage", "suggest"),
        ({"dev": "execute", "stage": "suggest"}, "prod", None),
    ],
)
def test_a_mode_may_differ_by_environment(mode, environment, expected):
    """One mode counts everywhere; a table of modes counts where it names the environment, and nowhere else."""
    rule = {"roles": ["s"], "mode": mode}
    policy = Policy.model_validate({"version": 1, "name": "p", "tools": {"a.b": rule}})
    assert policy.tools["a.b"].mode_in(environment) == expected


@pytest.mark.parametrize(
    ("text", "count", "window_s", "scope"),
    [
        ("3/minute/subject", 3, 60, "subject"),
        ("1/second/thread", 1, 1, "thread"),
        ("100/hour/tenant", 100, 3600, "tenant"),
        ("5/day/party", 5, 86400, "party"),
        ("9999999/day/tool", 9_999_999, 86400, "tool"),
    ],
)
@pytest.mark.req("A3")
def test_a_limit_is_count_unit_and_scope(text, count, window_s, scope):
    """A limit's text is read into its three parts."""
    limit = RateLimit(text)
    assert (limit.count, limit.window_s, limit.scope) == (count, window_s, scope)


@pytest.mark.parametrize(
    "text", ["", "3", "3/minute", "0/minute/subject", "-1/day/tenant", "3/minute/user", "3/minutes/subject",
             "3/minute/subject/x", " 3/minute/subject", "3/minute/subject\n", "٣/minute/subject", "1e3/day/tenant"]
)  # fmt: skip
def test_another_text_is_no_limit(text):
    """A text that is nearly a limit is refused with the form that is expected."""
    with pytest.raises(ValueError, match="3/minute/subject"):
        RateLimit(text)


def test_layout_does_not_change_the_hash_and_rules_do():
    """The hash follows the rules: order, comments and written defaults do not count, a changed bound does."""
    plain = parse(HEAD + RULE + "    limits: [3/minute/subject]\n")
    other = parse(
        """
        # the same
        tools:
          crm.read_deal: {mode: execute, limits: ['3/minute/subject'], roles: [sales]}
        name: p.v1
        version: 1
        limits: {actions_per_thread: 5}
        """
    )
    wider = parse(HEAD + RULE + "    limits: [4/minute/subject]\n")
    assert plain.hash == other.hash
    assert plain.hash != wider.hash
    assert plain.hash.startswith("sha256:")


@pytest.mark.parametrize("value", ["10000000000000000000", "[1, {a: 9007199254740993}]"])
def test_a_rule_that_has_no_digest_is_refused_when_it_is_read(value):
    """Every decision records the policy's digest, so a policy without one is refused before the first call."""
    key = "enum" if value.startswith("[") else "maximum"
    with pytest.raises(ConfigError, match=r"policy p\.yaml"):
        parse(HEAD + RULE + f"    where: {{properties: {{a: {{{key}: {value}}}}}}}\n")


def test_a_policy_cannot_be_changed_after_it_was_read():
    """The values are frozen: nothing that is handed a policy can widen it by assignment."""
    policy = parse(HEAD + RULE)
    with pytest.raises(ValueError, match="frozen"):
        policy.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        policy.tools["crm.read_deal"].roles = ["everyone"]


def test_a_file_is_read_as_utf8_and_named_in_errors(tmp_path):
    """A missing file, a folder and a file of another encoding are refused with their path."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(HEAD + RULE.replace("sales", "продажи"), encoding="utf-8")
    bad.write_text(HEAD + RULE.replace("sales", "продажи"), encoding="cp1251")
    assert Policy.load(good).tools["crm.read_deal"].roles == ["продажи"]
    for path in (bad, tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ConfigError, match=str(path)):
            Policy.load(path)


def test_words_that_yaml_reads_as_something_else_are_not_taken_for_names():
    """``no`` is false and ``1.0`` a number: neither becomes a role by accident."""
    for word in ("no", "1.0", "2026-01-05", "null"):
        with pytest.raises(ConfigError, match=r"tools\.a\.b\.roles\.0"):
            parse(HEAD + f"tools:\n  a.b: {{roles: [{word}], mode: execute}}\n")
