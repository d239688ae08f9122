"""Postal addresses by grammar: Russian and Kazakh, Polish, English. Bare towns are left to the name models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from agent_guard.types import Span

__all__ = ["find_addresses", "join_places"]

_RU_NAME = (
    r"(?:\d{1,3}-?(?:е|я|й|го|ая|ый)? )?[А-ЯЁӘІҢҒҮҰҚӨҺ][\w.-]*"
    r"(?: (?:лет )?[А-ЯЁӘІҢҒҮҰҚӨҺ\d][\w-]*){0,3}(?: \([^)\n]{2,20}\))?"
)
_RU_TOWN = (
    rf"(?<!\w)(?:г|гор|город[е]?|с|сел[оеа]|п|пос|пгт|дер|деревн[яе]|д|к|х|хутор|ст|ст-ца|станиц[аы]|клх|аул|пос[её]л[оа]?к[еа]?)"
    rf"(?:\.\s?| ){_RU_NAME}"
)
_RU_STREET = (
    r"(?<!\w)(?:ул|улиц[аеы]|пр|пр-т|пр-кт|просп|проспект[еа]?|пер|переул[а-я]+|наб|набережн[а-я]+|ш|шоссе|бул|б-р|бульвар[еа]?|алл|алле[яеи]|"
    rf"мкр|мкр-н|микрорайон[еа]?|пл|площад[ьи]|проезд[еа]?|тупик[еа]?)(?:\.\s?| ){_RU_NAME}"
    rf"|(?<!\w)[А-ЯЁӘІҢҒҮҰҚӨҺ][\w-]+(?: [А-ЯЁӘІҢҒҮҰҚӨҺ][\w-]+)? (?:көшесі|даңғылы|ықшам ауданы)"
)
_RU_HOUSE = (
    r"(?:,? ?(?:д|дом|үй)\.? ?\d+[\w/]*|,? \d{1,4}[а-яА-Я]?(?:/\d+)?(?![\w.:]))"
    r"(?:,? ?(?:корп|корпус|к|стр|строение|кв|квартира|оф|офис|пом|пәтер|подъезд|этаж)\.? ?\d+[\w/]*)*"
)
_RU_INDEX = r"(?<!\d)\d{6}(?!\d)"
_RU_REGION = r"(?:[А-ЯЁ][\w-]+ (?:обл(?:асть|\.)?|край|республика|район|р-н)|(?:респ|обл)\. [А-ЯЁ][\w-]+)"
_RUSSIAN = re.compile(
    rf"(?:{_RU_INDEX},?\s{{1,2}})?(?:{_RU_REGION},?\s{{1,2}})?(?:{_RU_TOWN},?\s{{1,2}})?(?:{_RU_STREET})(?:{_RU_HOUSE})?"
    rf"(?:,?\s{{1,2}}{_RU_TOWN})?(?:,?\s{{1,2}}{_RU_INDEX})?"
    rf"|{_RU_INDEX},\s{{1,2}}(?:{_RU_REGION},?\s{{1,2}})?{_RU_TOWN}"
    rf"|(?<!\w)(?:г\.|(?P<word>город[ае]?\b|аул\b)|пос\.|"
    rf"пгт\.?)\s?(?P<town>[А-ЯЁӘІҢҒҮҰҚӨҺ][\w-]+)(?P<house>{_RU_HOUSE.replace(' ?(?:д', ' (?:д')})?"
)
# Streets are named after people with a rank or an office.
_PL_RANK = r"(?:(?:abp|bł|bp|dr|gen|hr|kard|kpt|ks|marsz|mjr|płk|por|ppłk|prof|rtm|św)\. ?)?"
_PL_NAME = rf"(?:{_PL_RANK}(?:[A-ZĄĆĘŁŃÓŚŹŻ]|\d{{1,2}} )[\w.-]*(?: (?:i |w |nad )?[A-ZĄĆĘŁŃÓŚŹŻ][\w.-]*){{0,3}})"
_PL_TOWN = r"\d{2}-\d{3} [A-ZĄĆĘŁŃÓŚŹŻ]\w+(?:[ -](?:nad )?[A-ZĄĆĘŁŃÓŚŹŻ]\w+){0,2}"
_POLISH = re.compile(
    rf"(?<!\w)(?:[Uu]l|[Aa]l|[Pp]l|[Oo]s|[Uu]lic[ay]|[Aa]lej[ai]|[Pp]lac[u]?|[Oo]siedl[eu])(?:\. ?| ){_PL_NAME}"
    rf"(?: \d+[a-zA-Z]?(?: ?/ ?\d+[a-zA-Z]?)?(?:,? ?(?:m|lok|kl|p)\.? ?\d+)*)(?:,?\s{{1,2}}{_PL_TOWN})?"
    rf"|(?<![\w-]){_PL_TOWN}"
)
# Without a house: abbreviated as part of the name, spelled out as a word of the sentence.
_PL_STREET = re.compile(
    r"(?<![\w.@-])(?:(?:[Uu]l|(?<!et )[Aa]l|[Pp]l|[Oo]s)\. ?|(?P<word>(?:ulic[aąęy]|alei|alej[aąę]|placu|osiedl[eu]) ))"
    rf"(?P<name>{_PL_RANK}(?:[A-ZĄĆĘŁŃÓŚŹŻ]\. ?)?[A-ZĄĆĘŁŃÓŚŹŻ][^\W\d_]+(?:[ -](?:i )?[A-ZĄĆĘŁŃÓŚŹŻ][^\W\d_]+){{0,2}})"
)
_EN_TYPE = (
    "Street|St|Road|Rd|Avenue|Ave|Av|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Square|Sq|Terrace|Ter|Close|Crescent|Cres|Parkway|"
    "Pkwy|Highway|Hwy|Circle|Cir|Trail|Trl|Row|Walk|Gardens|Grove|Hill|Mews|Quay|Alley|Broadway|Plaza|Loop|Path|Pike|Run|View"
)
_EN_STATE = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]|A[AEP]|"
    "NSW|VIC|QLD|TAS|ACT|ON|QC|BC|AB|MB|SK|NS|NB"
)
_EN_UNIT = r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Rm|Bldg)\.? ?#?\w{1,6}|#\d{1,5})"
_EN_POSTCODE = r"(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{4,6}(?:-\d{4})?)(?!\w)"
_EN_TAIL = (
    rf"(?:(?:,? |,?\n)(?:{_EN_UNIT}|(?:{_EN_STATE})(?= ?,? ?\d{{4,5}}|,|\n|$)|{_EN_POSTCODE})|"
    rf"(?:, ?|,?\n)(?!(?:Phone|Email|E-mail|Tel|Best|Dear|Regards|Thanks|Fax|Mobile|Date|Order|Please|Name|"
    rf"Web|Attn|From|To|Subject)\b)"
    rf"[A-Z][\w'-]+(?: [A-Z][\w'-]+){{0,2}}(?=,|\n| \d{{4,5}}\b| [A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b|"
    rf" (?:{_EN_STATE})\b|[.]?$|\.\s))"
)
_ENGLISH = re.compile(
    rf"(?<![\w/$.-])\d{{1,6}}[A-Za-z]?(?:-\d{{1,4}})? (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.? )?"
    rf"(?:(?:[A-Z][\w'.-]*|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}(?:{_EN_TYPE})(?!\w)\.?(?:{_EN_TAIL}){{0,5}}"
    rf"|(?<!\w)(?:P\.? ?O\.? Box|PSC) \d{{1,6}}(?:{_EN_TAIL}){{0,4}}"
    rf"|(?<![\w-])[A-Z][a-z]+(?: [A-Z][a-z]+){{0,2}}, (?:{_EN_STATE}) \d{{5}}(?:-\d{{4}})?(?!\d)"
)
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_STREET_NUMBER = re.compile(r"\d")


def find_addresses(text: str) -> Iterator[Span]:
    """Yields addresses of a folded text."""
    numbered = bool(_STREET_NUMBER.search(text))
    if _CYRILLIC.search(text):
        for found in _RUSSIAN.finditer(text):
            # `городе` before a bare name is a word of the sentence, not of the name
            start = found.start("town") if found["word"] and not found["house"] else found.start()
            yield Span(start=start, end=found.end(), type="LOCATION", score=0.9, source="address")
    else:
        for found in _PL_STREET.finditer(text):
            start = found.start("name" if found["word"] else 0)
            yield Span(start=start, end=found.end(), type="LOCATION", score=0.9, source="address")
    if numbered:
        for pattern in (_POLISH, _ENGLISH):
            for found in pattern.finditer(text):
                yield Span(start=found.start(), end=found.end(), type="LOCATION", score=0.9, source="address")


_JOINT = re.compile(r"(?:,? ?|,?[ \t]*\n[ \t]*)(?:\d{4,6}(?:-\d{3,4})?,? ?)?")


def join_places(text: str, spans: Iterable[Span]) -> list[Span]:
    """Joins an address with the places that touch it, so that one address is one pseudonym.

    Unlike two people, two places side by side where one is a street address are one value.
    """
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if (
            last
            and last.type == span.type == "LOCATION"
            and "address" in (last.source, span.source)
            and _JOINT.fullmatch(text, last.end, span.start)
        ):
            joined[-1] = replace(last, end=span.end, source="address")
        else:
            joined.append(span)
    return joined
