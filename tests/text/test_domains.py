"""Hosts in a text, what an allowlist refuses, and what an entry of it may be."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent_guard.text import domains
from agent_guard.text.domains import UNREADABLE, check_entry, hosts, refused

ODD = UNREADABLE
PARTS = st.sampled_from(
    ["https://", "http:", "//", "\\\\", "@", ".", ":", "/", "?", "#", "%2e", "%40", "good.com", "evil.x", "acme.example", "[::1]",
     "[", "]", "xn--", "0x7f", "1", "mailto:", "javascript:", "data:", ",", ";", "<", ">", '"', " ", "\r\n", "\t", "\u200b", "\u200d",
     "。", "．", "＠", "пример.рф", "ё", "&#46;", "&", "=", "-", "_", "www.", "\ud800", "\x00", "🎉", "é"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # schemes
        ("See https://acme.example/a?b=c#d.", ["acme.example"]),
        ("(https://acme.example)", ["acme.example"]),
        ("[site](https://acme.example/a).", ["acme.example"]),
        ("<a href='https://acme.example'>x</a>", ["acme.example"]),
        ("https://acme.example…", ["acme.example"]),
        ("https://acme.example, then call", ["acme.example"]),
        ("https://a.example,https://b.example", ["a.example", "b.example"]),
        ("HTTPS://ACME.Example.:8443/", ["acme.example"]),
        ("ftp://x.y wss://z.y git+ssh://w.y", ["x.y", "z.y", "w.y"]),
        ("https:evil.com", ["evil.com"]),
        ("https:/evil.com", ["evil.com"]),
        ("https:////evil.com", ["evil.com"]),
        ("http:\\\\evil.com", ["evil.com"]),
        ("http://localhost:8000/x", ["localhost"]),
        ("sqlite:///guard.db", []),
        ("//evil.x/a", ["evil.x"]),
        ('src="//evil.x"', ["evil.x"]),
        ("\\\\server\\share", ["server"]),
        # users, ports, several readings
        ("https://good.com@evil.x", ["evil.x"]),
        ("https://user:pw@evil.x:80/", ["evil.x"]),
        ("https://good.com\\@evil.com", ["evil.com", "good.com"]),
        ("https://good.com／@evil.com", ["evil.com", "good.com"]),
        ("https://good.com%2f@evil.com", ["evil.com", "good.com"]),
        ("https://good.com#@evil.com", ["good.com", "evil.com"]),
        ("https://good.com,evil.com", ["good.com", "evil.com"]),
        ("https://good.com;foo", ["good.com", ODD]),
        # mail
        ("user@good.com,evil@x.io", ["good.com", "x.io"]),
        ("evil@x.io;good", ["x.io"]),
        ('"good@ok.com" <evil@x.io>', ["ok.com", "x.io"]),
        ("anna@firma.pl.", ["firma.pl"]),
        ("a@good.com\r\nBcc: evil@x.io", ["good.com", "x.io"]),
        ("a@b@c.io", ["b", "c.io"]),
        ("user@[10.0.0.1] user@[IPv6:::1]", ["10.0.0.1", "::1"]),
        ("<@evil.x:user@good.com>", ["good.com", "evil.x"]),
        ("user(note)@evil.io", ["evil.io"]),
        ("user@(note)evil.io", [ODD, "evil.io"]),
        ("user @evil.io", ["evil.io"]),
        ("user@evil..com", [ODD]),
        ("user@good.com%evil.io", [ODD]),
        ("user＠evil．io", ["evil.io"]),
        ("mailto:a@good.com?cc=evil%40x.io&bcc=b@y.io", ["good.com", "x.io", "y.io"]),
        ("mailto:a%40good.com", ["good.com"]),
        ("mailto:anna", [ODD]),
        ("=?utf-8?B?ZXZpbEB4Lmlv?=", [ODD]),
        # percent, entities, widths, unseen
        ("https%3A%2F%2Fevil.io%2Fa", ["evil.io"]),
        ("https%253A%252F%252Fevil.io", ["evil.io"]),
        ("https://good.com%2eevil.com", ["good.com.evil.com", "good.com"]),
        ("https://good.com%00.evil.com", [ODD, "good.com", "evil.com"]),
        ("&#104;ttps&#58;//evil&#46;io", ["evil.io"]),
        ("https://evil。com", ["evil.com"]),
        ("https://ｅｖｉｌ．ｃｏｍ", ["evil.com"]),
        ("https://ev\u200bil.com ev\u00adil.io", ["evil.com", "evil.io"]),
        ("https://\u202eevil.com", ["evil.com"]),
        ("ht\ntps://evil.io/", ["evil.io"]),
        ("https://good.com\n.evil", ["good.com", "good.com.evil"]),
        # international
        ("http://xn--80ak6aa92e.com", ["xn--80ak6aa92e.com"]),
        ("https://аррӏе.com/x", ["xn--80ak6aa92e.com"]),
        ("https://exаmple.com", ["xn--exmple-4nf.com"]),
        ("https://пример.рф. пример.рф xn--e1afmkfd.xn--p1ai", ["xn--e1afmkfd.xn--p1ai"]),
        ("https://straße.de", ["xn--strae-oqa.de"]),
        ("https://xn--a.com", [ODD]),
        ("https://-bad.x", [ODD]),
        ("https://a..b", [ODD]),
        ("https://🎉.example", [ODD]),
        ("https://" + "a" * 64 + ".com", [ODD]),
        ("https://" + "a" * 2000 + "@evil.x", [ODD, "evil.x"]),
        # addresses of machines
        ("http://[2001:DB8::1]:80/", ["2001:db8::1"]),
        ("http://[::ffff:1.2.3.4]/", ["::ffff:102:304"]),
        ("//[::1]/x", ["::1"]),
        ("http://[bad]/", [ODD]),
        ("http://127.0.0.1", ["127.0.0.1"]),
        ("http://2130706433/", ["127.0.0.1"]),
        ("http://0x7f.1/", ["127.0.0.1"]),
        ("http://0177.0.0.1", ["127.0.0.1"]),
        ("http://256.1.1.1", [ODD]),
        ("http://1.2.3.4.5", [ODD]),
        ("http://08.1.1.1", [ODD]),
        ("10.0.0.1:8080 and 10.0.0.2/admin", ["10.0.0.1", "10.0.0.2"]),
        # other schemes
        ("javascript:alert(1)", ["javascript:"]),
        ("  JavaScript: alert(1)", ["javascript:"]),
        ("java\nscript:alert(1)", ["javascript:"]),
        ("<a href=vbscript:x>", ["vbscript:"]),
        ("data:text/html,hi data:;base64,xx", ["data:"]),
        ("file:///etc/passwd", ["file:"]),
        ("blob:https://evil.x/1", ["blob:", "evil.x"]),
        # without a scheme
        ("www.acme.example", ["www.acme.example"]),
        ("Write to evil.com!", ["evil.com"]),
        ("Evil.Com **evil.io** see_evil.ru ..evil.pl", ["evil.com", "evil.io", "evil.ru", "evil.pl"]),
        ("evil.com/path evil.md/path t.me/evil", ["evil.com", "evil.md", "t.me"]),
        ("crm.local/x a.b.corp/x deep.in.network/x", ["crm.local", "a.b.corp", "deep.in.network"]),
        ("evil.com:8080 evil.io?x=1", ["evil.com", "evil.io"]),
        ("either/evil.com", ["evil.com"]),
        ("https://good.com/evil.com/x//evil.io", ["good.com"]),
        ("https://good.com/?next=evil.com", ["good.com", "evil.com"]),
        ("https://good.com/https://evil.x", ["good.com", "evil.x"]),
        ("@evil.com", ["evil.com"]),
    ],
)  # fmt: skip
@pytest.mark.req("B13")
def test_every_host_is_found(text, expected):
    """A host is found however its URL or address is written; what has no strict reading is reported as such."""
    assert sorted(hosts(text)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Acme Sp. z o.o., e.g. this, i.e. that, a.m./p.m.",
        "v1.2.3, 2.0.1, 12.05.2024, 12/05/2024, 10.30-11.00, 1.2.3.4",
        "и т.д., т.е./т.к., к.т.н., г.Москва, ул.Мира, д.5/1, тыс.руб/мес",
        "m.in. klienci, m.st. Warszawa, np. tak, ul.Polna 3/4, 100 zł/szt., zł.netto/mies.",
        "және т.б., 20 000 тг.",
        "file.txt, report.pdf, notes.md, build.sh, data.zip, main.py, archive.tar.gz",
        "The work is done.It was late.Is it fine? CRM.In addition, revenue.Net profit",
        "Acme.Inc and Smith Co.Ltd, Dr.House, U.S. and U.K., Ph.D.",
        "Data: 12.05.2024, data:, File: report, JavaScript, mailto: and https:// links, http: protocol",
        "and/or, 24/7, either//or, // comment, //comment, km/h, 25 EUR/sq.ft/year",
        "3 szt.@5 zł, 2@100, call @anna or @anna.kowalska",
        "Ref.no: 12, Inv.no 5, Tel.no:12345, open 9.am to 5.pm",
        "C:\\Users\\anna\\notes, 100%, 50%20, AT&T, R&D; a=b",
        "Rate 3.5% p.a., vol. 2, no. 7, art.5, §12.3/4",
        "Node.js, iOS 17.4, ISO 9001:2015, 16:9",
        "12:30, 8:15-9:45, http error 404",
        "ООО «Ромашка», ИНН 7701234567, стр.2/3",
    ],
)
@pytest.mark.req("B13")
def test_ordinary_text_names_no_host(text):
    """Abbreviations, versions, dates, file names, sums and the seams of sentences are no hosts."""
    assert hosts(text) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see 4815.ru/login or acc.no/pay", ["4815.ru", "acc.no"]),
        ("acc.no:8080/pay", ["acc.no"]),
        ("t.me/evil and 4815.ru:8080", ["t.me", "4815.ru"]),
        ("<a href='evil.Dev'>here</a>", ["evil.dev"]),
        ("login.Top", ["login.top"]),
        ("The work is done.It was late", ["done.it"]),
        ("CRM.In addition", ["crm.in"]),
        ("mail/login.Top, foo:///login.Top", ["login.top"]),
        ("4815.ru 13.am x.ai J.Li", ["4815.ru", "13.am", "x.ai", "j.li"]),
        ("Tel.no:12345", ["tel.no"]),
        ("<login。Top>", ["login.top"]),
    ],
)
@pytest.mark.req("B13")
def test_less_passes_for_prose_under_a_list(text, expected):
    """A mail program makes a link of a capitalised or a short name too: held against a list each of them is a host."""
    assert sorted(refused(text, ["firm.example"])) == sorted(expected)
    assert refused(text, expected) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Acme Sp. z o.o., e.g. this, i.e. that, a.m./p.m., at 9.am or 12.pm, m.in. klienci, m.st. Warszawa",
        "v1.2.3, 2.0.1, 12.05.2024, 12/05/2024, 10.30-11.00, 1.2.3.4, 3.5% p.a., art.5, §12.3/4",
        "и т.д., т.е./т.к., г.Москва, ул.Мира, д.5/1, тыс.руб/мес",
        "file.txt, report.pdf, notes.md, data.zip, main.py",
        "Dr. J. Li, M.Sc., U.S. and U.K., Ph.D., Acme Inc. and Smith Co. Ltd.",
        "Ref.no: 12, Inv.no 5, art.no 7",
        "The work is done. It was late. Is it fine? CRM. In addition, revenue. Net profit",
    ],
)
@pytest.mark.req("B13")
def test_honest_prose_passes_a_list(text):
    """With a space after the full stop, and in the usual abbreviations, nothing is taken for a host."""
    assert refused(text, ["firm.example"]) == ()


@pytest.mark.req("B13")
@pytest.mark.parametrize("text", ["4815.ru/login", "acc.no/pay", "x.ai/pay", "a.рф/pay", "acc.no:8080/pay"])
def test_a_path_makes_a_host_of_an_abbreviation(text):
    """Only a bare abbreviation is prose, with a list or without; a number behind a colon may be an order's."""
    assert len(refused(text, ())) == 1
    assert len(hosts(text)) == (0 if ":" in text else 1)


@given(st.text() | st.lists(PARTS, max_size=12).map("".join))
def test_nothing_that_is_a_host_passes_a_list(text):
    """A list is held against all that is a host without one."""
    assert set(hosts(text)) <= set(refused(text, ()))


@given(st.text() | st.lists(PARTS, max_size=12).map("".join))
def test_any_text_is_read(text):
    """Nothing raises; hosts are lower case, without spaces, once each, and are read the same again after a scheme."""
    found = hosts(text)
    assert len(set(found)) == len(found)
    for host in found:
        assert host == host.lower() and host == host.strip() and host
        if host.isascii() and ":" not in host and host != UNREADABLE:
            assert hosts(f"https://{host}/") == (host,)


@given(st.lists(PARTS | st.sampled_from(["word", "x. y", "end.", "e", "No 5"]), max_size=8).map("".join), st.booleans())
def test_what_passes_for_prose_at_a_glance_names_no_host(text, listed):
    """The quick look lets nothing pass that the whole search finds a host in."""
    searched = [host for reading in domains._readings(text) for host in domains._scan(reading, listed=listed)]
    assert not searched or not domains._PROSE.fullmatch(text)


@given(st.lists(PARTS, max_size=6).map("".join), st.sampled_from([" ", "\n", ", ", "; "]))
def test_a_host_is_found_beside_anything(noise, space):
    """What stands before or behind a URL does not hide it."""
    assert "evil.example" in hosts(f"{noise}{space}https://evil.example/a{space}{noise}")


@pytest.mark.parametrize(
    ("value", "allowed", "expected"),
    [
        ("https://acme.example/a", ["acme.example"], []),
        ("https://shop.acme.example", ["acme.example"], ["shop.acme.example"]),
        ("https://shop.acme.example https://acme.example", [".acme.example"], []),
        ("https://notacme.example", [".acme.example"], ["notacme.example"]),
        ("https://acme.example.evil.x", ["acme.example", ".acme.example"], ["acme.example.evil.x"]),
        ("https://ACME.example.", ["Acme.Example"], []),
        ("https://аcme.example", ["acme.example"], ["xn--cme-5cd.example"]),
        ("https://пример.рф", ["пример.рф"], []),
        ("https://пример.рф", ["xn--e1afmkfd.xn--p1ai"], []),
        ("https://10.0.0.1", ["10.0.0.1"], []),
        ("https://10.0.0.1", [], ["10.0.0.1"]),
        ("https://evil.x", [".", "", "*", ".x y"], ["evil.x"]),
        ("javascript:x()", ["javascript:", "javascript"], ["javascript:"]),
        ("user@a..b", ["(unreadable)"], ["(unreadable)"]),
        ({"to": [{"cc": "a@x.io"}, "b@ok.example"]}, ["ok.example"], ["x.io"]),
        ({"https://evil.x": 1}, [], ["evil.x"]),
        ([1, 2.5, None, True, {"a": ["plain", {"b": []}]}], [], []),
        (("https://a.example", "https://a.example"), [], ["a.example"]),
        (7, [], []),
    ],
)
@pytest.mark.req("B13")
def test_what_the_allowlist_does_not_hold_is_refused(value, allowed, expected):
    """All strings of a value are searched, keys too; an entry with a dot holds what is below; no entry holds a pseudo host."""
    assert list(refused(value, allowed)) == expected


def test_a_deep_value_is_searched():
    """Depth is no hiding place, and no error."""
    value: object = "https://evil.x"
    for _ in range(20_000):
        value = [value]
    assert refused(value, ["acme.example"]) == ("evil.x",)


@pytest.mark.parametrize(
    "entry",
    ["acme.example", ".acme.example", "Acme.Example", "a.b.acme.co.uk", "github.io", "localhost", "10.0.0.1", "пример.рф", "xn--e1afmkfd.xn--p1ai"],
)  # fmt: skip
@pytest.mark.req("B13")
def test_a_host_is_a_fine_entry(entry):
    """Hosts, hosts with all below, exact addresses and international names may be allowed."""
    assert check_entry(entry) is None


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("", "empty"),
        (" acme.example", "spaces"),
        ("https://acme.example", "scheme"),
        ("mailto:acme", "scheme or a port"),
        ("acme.example:443", "port"),
        ("acme.example/path", "path"),
        ("acme.example\\path", "path"),
        ("acme.example?x", "query"),
        ("acme.example#x", "fragment"),
        ("*.acme.example", "wildcard"),
        ("anna@acme.example", "user"),
        ("acme.example.", "ends with a dot"),
        ("..acme.example", "not a host"),
        (".", "not a host"),
        ("acme example", "not a host"),
        ("-acme.example", "not a host"),
        ("ac_me.example", "not a host"),
        ("acme\u200b.example", "ZERO WIDTH SPACE"),
        ("com", "public suffix"),
        (".com", "single label"),
        ("co.uk", "public suffix"),
        (".co.uk", "public suffix"),
        (".рф", "single label"),
        (".github.io", "public suffix"),
        (".localhost", "single label"),
        (".10.0.0.1", "IP address"),
        ("0x7f.1", "IP address"),
        ("(unreadable)", "not a host"),
        ("javascript:", "scheme"),
    ],
)
@pytest.mark.req("B13")
def test_anything_else_is_told(entry, problem):
    """An entry that is no host, or that is everybody's, is told with what is wrong."""
    assert problem in (check_entry(entry) or "")


@given(st.text())
def test_any_entry_is_judged(text):
    """Nothing raises, and an entry that is fine holds its own host."""
    if check_entry(text) is None:
        assert refused(f"https://{text.removeprefix('.')}/", [text]) == ()
