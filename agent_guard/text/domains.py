r"""Hosts that a text names, and the allowlist they are held against.

A text is read in every way in which a program might read it: as it is, percent-decoded, with HTML entities resolved,
and with ``\`` as ``/``; what any reading names counts. A host counts in these places:

- after ``scheme://`` or ``//``, whatever it is (``http:x.y`` too, as browsers read it), and as ``www.x.y``;
- after the ``@`` of a mail address;
- as ``x.y/path`` or ``x.y:port`` where the last label is a known top-level domain or one of local networks
  (``crm.local/x``), or there are three labels of lower-case ASCII; four octets with a path or a port;
- as a bare ``x.y`` only where the last label is a known top-level domain, is not a common file extension as well
  (``notes.md``), and the whole is no everyday abbreviation (``m.in.``, ``ref.no``, ``г.Москва``, ``10.am``: one letter
  or digits before a country's or a non-Latin domain) and no seam of two sentences (``done.It was``: a capitalised last
  word, the most used domains apart). With a path each of these is a host (``4815.ru/login``); a number behind
  ``ref.no:`` is none.

Held against a list (:func:`refused`), less passes for prose: of the abbreviations a short closed list and an hour
(``9.am``) do, and a seam is a host (``login.Top``, ``done.It``), since a mail program makes a link of it. Whoever wrote
an honest one is told the word and adds a space. Without a list (:func:`hosts`: who said this address first?) they stay
prose: ``Acme.Inc`` and ``J.Li`` stand in many notes, and nobody could add a space to a customer's name.

A path is not searched, a query is. Hosts are lower-case A-labels (``xn--...``) without a trailing dot; an IP address is
written in its usual form. What no allowlist can hold is reported as a pseudo host: ``javascript:``, ``data:``,
``vbscript:``, ``file:``, ``blob:``, and ``(unreadable)`` for an address or URL that has no strict reading. Suffixes
come from the snapshot of the Public Suffix List inside tldextract; nothing is fetched.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from agent_guard.text.hostnames import DOTS, ip_address, is_public_suffix, is_suffix, strict_host
from agent_guard.text.spelling import invisible, unpiled

__all__ = ["UNREADABLE", "check_entry", "hosts", "refused"]

UNREADABLE = "(unreadable)"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXTENSIONS = _words("""
    zip mov md py sh rs ps pub cab mp bz java map js ts txt csv doc docx xls xlsx ppt pptx odt ods pdf rtf jpg jpeg png
    gif svg webp xml json yaml yml toml ini cfg conf log tar gz rar eml msg ics vcf html htm css cpp exe dll bat bak tmp
    sql db mp3 mp4 avi wav ipynb tex
""")
# Suffixes so common that a capital letter does not make them the first word of a sentence.
_COMMON = _words("com biz ru su pl kz ua uk eu io xyz cn")
_LOCAL = _words("local localhost localdomain internal intranet corp lan home test example invalid onion")
# Each is one host at most, and an attacker cannot choose it.
_ABBREVIATIONS = _words("""
    m.in m.st m.sc b.sc d.sc г.москва
    ref.no inv.no invoice.no art.no tel.no item.no order.no reg.no acc.no account.no cat.no part.no fax.no doc.no po.no
    vat.no serial.no customer.no ph.no mob.no sr.no sl.no
""")
_HOUR = re.compile(r"(?:0?[1-9]|1[0-2])\.[ap]m")
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# A joiner inside a word of another script may belong to an address; anywhere else it is noise.
_JOINER = re.compile("(?<![\u0590-\U0001fffd])[\u200c\u200d]|[\u200c\u200d](?![\u0590-\U0001fffd])")

_PSEUDO = re.compile(
    r"(?i)(?<![a-z0-9+.-])(?:(javascript|vbscript):(?=\S)|(data):(?=[a-z]+/[a-z]|;base64|,\S)|(file):(?=[/\\])|"
    r"(blob):(?=\w))"
)
_PSEUDO_START = re.compile(r"(?i)[\x00-\x20]*(javascript|vbscript):")
_SCHEME = re.compile(r"(?i):[/\\]{2,}|(?<![a-z0-9+.-])(?:https?|wss?|ftps?):[/\\]?(?=[^\s/\\])|(?<![:/\w])//(?=\[)")
_ANY_SLASHES = ("http", "https", "ws", "wss", "ftp", "ftps")
_AUTHORITY = re.compile(r"[^\s/?#<>\"`{}|^]{0,1000}")
_CUT = re.compile(r"[,;)(\]'»”’!*=&—–…]")
_PORT = re.compile(r":[0-9]{0,5}$")
_MAIL = re.compile(r"(?<=[^\s<>(\[,;:@/?#&=|])@(\[[^\]\s]{0,100}\]|\(|[^\s<>()\[\]\",;:'/?#&|=@!*»”’\\{}]{0,1000})")
_ROUTE = re.compile(r"(?<=<)@([\w.-]{1,255})[,:]")
_MAILTO = re.compile(r"(?i)\bmailto:[^\s?@%]{1,300}(?=[\s?]|$)")
_ENCODED_WORD = re.compile(r"(?i)=\?[\w-]{1,40}\?[bq]\?")
_RUN = re.compile(r"[\w.\u200c\u200d-]+")
_PATH = re.compile(r"(?::[0-9]{1,5})?/[^\s?#&=,;|<>\"'()]*")
_ENDS_HOST = re.compile(r"/|:[0-9]{2,5}(?![\w.])")
_STARTS_URL = re.compile(r"[A-Za-z\t\r\n]{2,20}:")
_PERCENT = re.compile("%[0-9a-fA-F]{2}")
_PROSE = re.compile(r"(?:[^\x00-\x1f\x7f-\U0010ffff.:@%&\\=/]|\.(?= |\Z))*")
"""Printable ASCII without a sign that every host has around it; a full stop ends a word there."""


def hosts(text: str) -> tuple[str, ...]:
    """Returns every host that a text names, once each, in the order found. Never raises; touches no network."""
    return _hosts(text, listed=False)


def refused(value: Any, allowed: Iterable[str]) -> tuple[str, ...]:
    """Returns the hosts in a JSON value (all strings at any depth, keys too) that no allowed entry covers.

    Args:
        allowed: ``acme.example`` is that host; ``.acme.example`` is that host and all below it.

    A text is read more strictly than by :func:`hosts`: see above.
    """
    exact: set[str] = set()
    below: list[str] = []
    for entry in allowed:
        host = strict_host(entry.removeprefix("."))
        if host is not None:
            exact.add(host)
            if entry.startswith("."):
                below.append(f".{host}")
    named = dict.fromkeys(host for text in _strings(value) for host in _hosts(text, listed=True))
    return tuple(host for host in named if host not in exact and not host.endswith(tuple(below)))


def check_entry(text: str) -> str | None:
    """Tells what is wrong with an entry of an allowlist, or None where it is fine."""
    if text != text.strip() or not text:
        return "is empty or has spaces around it"
    if unseen := invisible(text):
        return f"holds a character that nobody sees: {unseen}"
    for sign, problem in _SIGNS.items():
        if sign in text:
            return problem
    if ":" in text:
        return "has a scheme or a port; write the host alone"
    return _check_host(text.removeprefix("."), whole=text.startswith("."))


_SIGNS = {
    "://": "has a scheme; write the host alone",
    "/": "has a path; write the host alone",
    "\\": "has a path; write the host alone",
    "*": "has a wildcard; write '.acme.example' for a host and all below it",
    "@": "has a user; write the host alone",
    "?": "has a query; write the host alone",
    "#": "has a fragment; write the host alone",
}


def _check_host(name: str, *, whole: bool) -> str | None:
    if name.endswith("."):
        return "ends with a dot; write it without"
    host = strict_host(name)
    if host is None:
        return "is not a host name"
    if ip_address(host):
        return "is an IP address; only exact addresses can be allowed" if whole or host != name else None
    if whole and "." not in host:
        return "is a single label, which is too wide for an entry with a leading dot"
    if is_public_suffix(host, private=whole):
        return "is a public suffix: anyone can register a name below it"
    return None


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(reversed([part for pair in item.items() for part in pair]))
        elif isinstance(item, (list, tuple)):
            waiting.extend(reversed(item))


def _hosts(text: str, *, listed: bool) -> tuple[str, ...]:
    if _PROSE.fullmatch(text):  # most texts
        return ()
    found: dict[str, None] = {}
    for reading in _readings(text):
        found.update(dict.fromkeys(_scan(reading, listed=listed)))
    return tuple(found)


def _readings(text: str) -> list[str]:
    """Returns the ways to read a text, without repetitions; the first is the plain one."""
    readings = [_plain(text)]
    if not text.isascii():
        # A full-width slash ends no host where a program does not fold it.
        readings.insert(0, _IGNORED.sub("", text))
    for _ in range(3):
        last = readings[-1]
        decoded = _plain(unquote(html.unescape(last) if "&" in last else last, errors="replace"))
        if decoded == last:
            break
        readings.append(decoded)
    readings += [reading.replace("\\", "/") for reading in readings if "\\" in reading]
    # A browser drops line ends and tabs inside a URL; a text that is one URL is read so too.
    whole = text.strip()
    if any(end in whole for end in "\t\r\n") and " " not in whole and _STARTS_URL.match(whole):
        readings.append(_plain(re.sub(r"[\t\r\n]+", "", whole)))
    return list(dict.fromkeys(readings))


def _plain(text: str) -> str:
    if text.isascii():
        return text
    text = _JOINER.sub("", _IGNORED.sub("", text))
    return unicodedata.normalize("NFKC", unpiled(text)).translate(DOTS)


def _scan(text: str, *, listed: bool) -> Iterator[str]:
    if ":" in text:
        if start := _PSEUDO_START.match(text):
            yield f"{start[1].lower()}:"
        for found in _PSEUDO.finditer(text):
            yield f"{(found[1] or found[2] or found[3] or found[4]).lower()}:"
        for found in _SCHEME.finditer(text):
            yield from _authority(text, found)
    if "@" in text:
        for found in _MAIL.finditer(text):
            yield from _mail_domain(found[1])
        for found in _ROUTE.finditer(text):
            yield strict_host(found[1].strip(".")) or UNREADABLE
    if ("=?" in text and _ENCODED_WORD.search(text)) or (":" in text and _MAILTO.search(text)):
        yield UNREADABLE
    yield from _runs(text, listed=listed)


def _authority(text: str, scheme: re.Match[str]) -> Iterator[str]:
    """Yields the host of the URL whose scheme ends here."""
    if len(scheme[0]) > 3 and scheme[0][0] == ":":
        word = text[max(0, scheme.start() - 5) : scheme.start()].lower()
        if not word.endswith(_ANY_SLASHES):
            return  # file:///x and sqlite:///x name no host
    found = _AUTHORITY.match(text, scheme.end())
    raw = found[0] if found else ""
    if len(raw) == 1000:
        yield UNREADABLE
        return
    # What stands before the last @ is a user, however much it looks like a host.
    name = unquote(raw.rsplit("@", 1)[-1], errors="replace")
    if name.startswith("["):
        address = name[1:].partition("]")[0].partition("%")[0]
        yield ip_address(address) or UNREADABLE
        return
    cut = _CUT.search(name)
    rest = name[cut.start() + 1 :] if cut else ""
    name = (name[: cut.start()] if cut else name).rstrip(".:_~-")
    if not name or (scheme[0][-1] == ":" and "." not in name):
        return
    yield strict_host(_PORT.sub("", name)) or UNREADABLE
    if cut and cut[0] in ",;&=" and rest[:1].isalnum() and not _STARTS_URL.match(rest) and not any(_runs(rest)):
        yield UNREADABLE


def _mail_domain(raw: str) -> Iterator[str]:
    if raw.startswith("["):
        yield ip_address(raw.strip("[]").lower().removeprefix("ipv6:")) or UNREADABLE
        return
    if raw == "(":
        yield UNREADABLE
        return
    name = raw.rstrip(".-_~`”")
    if "." not in name:
        # team@noon may be a host of this network, 2@100 is a price.
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            yield name.lower()
        return
    if not _PERCENT.search(name):  # else the decoded reading tells
        yield strict_host(name) or UNREADABLE


def _runs(text: str, *, listed: bool = False) -> Iterator[str]:
    """Yields hosts that stand without a scheme; a path of a URL is not searched."""
    path_end, slashed = 0, "//" in text
    for found in _RUN.finditer(text) if slashed or "." in text else ():
        if not slashed and "." not in found[0]:
            continue  # a plain word, as most are
        name = found[0].lstrip(".-_")
        start, end = found.end() - len(name), found.end()
        name = name.rstrip(".-_")
        before = text[max(0, start - 9) : start]
        slashes = len(before) - len(before.rstrip("/"))
        if start < path_end or not name or text[end : end + 1] == "@" or before[-1:] == "%":
            continue
        if before[-1:] == "@" and _MAIL.match(text, start - 1):
            continue
        ends = _ENDS_HOST.match(text, end)
        behind = ends[0] if ends else ""
        sign = before[: len(before) - slashes][-1:]
        if slashes > 1 and sign != ":":
            host = _after_slashes(name, sign, behind)
        else:  # what has a scheme is read already; before an @ it only looks like a host
            host = _alone(name, behind, listed=listed)
        if host:
            yield host
        if (host or (slashes > 1 and sign == ":")) and (path := _PATH.match(text, end)):
            path_end = path.end()


def _after_slashes(name: str, sign: str, behind: str) -> str | None:
    if sign.isalnum() or ("." not in name and not behind):
        return None  # either//or; a comment
    return strict_host(name) or UNREADABLE


def _alone(name: str, behind: str, *, listed: bool) -> str | None:
    """Returns the host that a run of letters, digits, dots and dashes is, if it is one by the rules above.

    Args:
        behind: ``/`` before a path, ``:443`` for a port, else nothing.
    """
    name = name.rsplit("_", 1)[-1].lstrip("-.")
    labels = name.split(".")
    if len(labels) < 2 or not all(labels):
        return None
    if labels[0].lower() == "www":
        return strict_host(name) or UNREADABLE
    if all(label.isdigit() for label in labels):
        return ip_address(name) if len(labels) == 4 and behind else None
    if not behind:
        is_one = _bare(labels, listed=listed)
    elif behind != "/" and not listed and ".".join(labels).lower() in _ABBREVIATIONS:
        is_one = False  # Tel.no:12345
    else:
        is_one = _with_path(labels)
    return strict_host(name) if is_one else None


def _with_path(labels: list[str]) -> bool:
    last = labels[-1]
    if is_suffix(last) or last in _LOCAL:
        return True
    plain = all(label.isascii() and label == label.lower() for label in labels)
    return len(labels) > 2 and plain and last.isalpha() and len(last) > 1 and last not in _EXTENSIONS


def _bare(labels: list[str], *, listed: bool) -> bool:
    last, whole = labels[-1], ".".join(labels).lower()
    if not is_suffix(last) or last.lower() in _EXTENSIONS or whole in _ABBREVIATIONS or _HOUR.fullmatch(whole):
        return False
    if listed:
        return True
    seam = last[0].isupper() and last[1:].islower()
    return not _is_abbreviation(labels) and (not seam or last.lower() in _COMMON)


def _is_abbreviation(labels: list[str]) -> bool:
    """Tells г.москва and 10.am from hosts: what stands before a country's domain says too little."""
    last, before = labels[-1], labels[-2]
    if last.isascii() and len(last) > 2:
        return False
    return all(label.isdigit() for label in labels[:-1]) or (len(labels) == 2 and len(before) == 1)
