"""Generates labelled English messages from `patterns_en.txt`; seeded, so every run gives the same text."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

from tables import Tables

Labelled = tuple[str, list[tuple[int, int, str]]]

_SLOT = re.compile(r"\{(\w+)\}")
_LABEL = {
    "per": "PER",
    "first": "PER",
    "last": "PER",
    "initial_last": "PER",
    "org": "ORG",
    "surorg": "ORG",
    "school": "ORG",
    "city": "LOC",
    "country": "LOC",
    "addr": "LOC",
    "lastname_street": "LOC",
    "landmark": "LOC",
    "product": "MISC",
}
WORDS = {
    "thing": "order|invoice|contract|proposal|delivery|refund|laptop|phone|account|subscription|licence|"
    "report|quote|package|ticket|"
    "password|payment|booking|parcel|statement|agreement|shipment|demo|router|dishwasher|insurance|"
    "renewal|price list|offer",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|monday|friday",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "role": "sales manager|CEO|CTO|account executive|head of marketing|project manager|engineer|buyer|"
    "accountant|office manager|"
    "Sales Manager|Chief Executive Officer|Managing Director|Head of Sales|HR Manager|Software Engineer|Product Owner",
    "Role": "Sales Manager|Chief Executive Officer|Managing Director|Head of Sales|Board|Director|"
    "Account Manager|Legal Counsel|"
    "Chief Financial Officer|Product Owner|Data Protection Officer|Project Lead|Customer Success Manager",
    "dept": "sales|accounting|support|marketing|the legal department|human resources",
    "Dept": "Sales|Accounting|Support|Marketing|Legal|Human Resources|Customer Success|Finance|"
    "Operations|Procurement|Engineering",
    "stage": "New|Qualified|Proposal Sent|Negotiation|Closed Won|Closed Lost|On Hold|Contacted|"
    "Demo Scheduled|Contract Review",
    "kin": "wife|husband|son|daughter|mother|father|brother|sister|colleague|boss|friend|neighbour",
    "she": "she|he",
    "her": "her|his",
    "title": "Mr|Mr.|Mrs|Mrs.|Ms|Ms.|Dr|Dr.|Prof.|Miss",
    "nation": "British|American|German|Polish|French|Canadian|Brazilian|Russian|Dutch|Japanese|Indian",
    "job": "actor|writer|politician|footballer|singer|painter|engineer|lawyer|professor|journalist|"
    "businessman|composer",
    "event": "Spring Conference|Sales Summit|World Cup|Trade Fair|Web Summit|Annual Meeting|Championship|"
    "Open Day|Marathon",
    "landmark": "Central Station|City Hall|the Town Hall|Victoria Park|the Old Market|Union Square|the Airport",
    "product_name": "iPhone|Galaxy|Windows|Excel|PowerPoint|Photoshop|Tesla|Civic|Corolla|Kindle|"
    "PlayStation|Slack|Zoom|Salesforce|Jira|"
    "Word|Outlook|Chrome|Firefox|Android|Macbook|ThinkPad|Mustang|Beetle|Alexa|Siri|Oracle|Apache|Jenkins|Python|Java|Ruby|Django",
    "heading": "Annual Report|Privacy Policy|Terms of Service|Delivery Note|Weekly Update|Project Plan|"
    "User Guide|Getting Started|"
    "Price List|Quarterly Review|Account Settings|Order Confirmation|Payment Reminder|Security Notice|"
    "Meeting Notes|Action Items|"
    "Customer Feedback|New Features|Release Notes|Business Proposal|Service Agreement|"
    "Frequently Asked Questions|Special Offer|"
    "The Long Way Home|Love Me Again|Silver Lining|Black River|Golden Days|Night Train|Red Summer|"
    "First Light|Broken Glass",
}
_ORG_HEAD = [
    "North Star", "Blue River", "Acme", "Global", "Prime", "Alpha", "Nova", "Orion", "Summit", "Green Field",
    "Silver Oak", "Bright", "Delta", "Vertex", "Apex", "Pioneer", "Atlas", "Horizon", "Quantum", "Fusion",
    "Crystal", "Evergreen", "Red Rock", "Iron Bridge", "Cedar", "Phoenix", "Titan", "Metro", "Pacific", "Baltic",
    "Nordic", "First National",
]  # fmt: skip
_ORG_TAIL = [
    "Inc", "Inc.", "Ltd", "Ltd.", "LLC", "GmbH", "Group", "Logistics", "Solutions", "Bank", "Consulting",
    "Systems", "Partners", "Foods", "Energy", "Media", "Insurance", "Technologies", "Pharma", "Airlines", "Motors",
    "Software", "Labs", "Studio", "Hotels", "Capital", "Foundation", "Airways", "Retail",
]  # fmt: skip
_STREET = [
    "Street", "St", "St.", "Road", "Rd", "Avenue", "Ave", "Lane", "Drive", "Dr", "Court", "Boulevard", "Blvd",
    "Way", "Place", "Square", "Terrace", "Close",
]  # fmt: skip


@dataclass(kw_only=True)
class Generator:
    """Fills patterns with values drawn from the tables."""

    tables: Tables
    rng: random.Random
    common: list[str]
    groups: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        group = ""
        for line in (Path(__file__).parent / "patterns_en.txt").read_text("utf-8").splitlines():
            if line.startswith("## "):
                group = line[3:]
            elif line and not line.startswith("#"):
                self.groups.setdefault(group, []).append(line.replace("\\n", "\n").replace("\\x1a", "\x1a"))
        self._first = [name for name, _ in self.tables.first]
        self._first_weight = [weight**0.6 for _, weight in self.tables.first]
        self._last = [name for name, _ in self.tables.last]
        self._last_weight = [(weight + 0.001) ** 0.6 for _, weight in self.tables.last]

    def _pick(self, words: str) -> str:
        return self.rng.choice(words.split("|"))

    def names(self) -> tuple[str, str]:
        kind = self.rng.random()
        if kind < 0.5:
            return self.rng.choices(self._first, self._first_weight)[0], self.rng.choices(
                self._last, self._last_weight
            )[0]
        if kind < 0.6:
            return self.rng.choice(self._first), self.rng.choice(self._last)
        if kind < 0.75:
            return self.rng.choices(self._first, self._first_weight)[0], self.rng.choice(self.tables.world_last)
        return self.rng.choice(self.tables.world_first), self.rng.choice(self.tables.world_last)

    def person(self) -> str:
        first, last = self.names()
        kind = self.rng.random()
        if kind < 0.72:
            return f"{first} {last}"
        if kind < 0.79:
            return f"{first} {self.rng.choice('ABCDEFGHJKLMNPRSTW')}{self.rng.choice(['', '.'])} {last}"
        if kind < 0.84:
            return f"{first} {self.names()[0]} {last}"
        if kind < 0.88:
            return f"{first} {last}-{self.names()[1]}"
        if kind < 0.91:
            return f"{first} {self._pick('van|von|de|de la|da|del|bin|al')} {last}"
        if kind < 0.94:
            return f"{first[0]}. {last}"
        if kind < 0.96:
            return f"{first} O'{last}"
        return f"{first}-{self.names()[0]} {last}"

    def _city(self) -> str:
        pool = self.tables.cities
        return pool[int(len(pool) * self.rng.random() ** 3)]

    def _address(self) -> str:
        known = self.rng.random() >= 0.5
        head = self._pick("Main|High|Park|Oak|Church|Mill|Station|Maple|2nd|Lake") if known else self.names()[1]
        street = f"{head} {self.rng.choice(_STREET)}"
        foreign = self.rng.random()
        name = self.names()[1]
        if foreign < 0.12:
            ending = self._pick("vej|gatan|straße|strasse|laan|katu|utca|gasse|weg|tie")
            street = f"{name}{ending} {self.rng.randint(1, 200)}"
        elif foreign < 0.2:
            head, of = self._pick("Rua|Via|Calle|Rue|Avenida|ul.|Plaza|Strada"), self._pick("da |de |del |dei ||")
            street = f"{head} {of}{name} {self.rng.randint(1, 200)}"
        line = street if foreign < 0.1 else f"{self.rng.randint(1, 9999)} {street}"
        if self.rng.random() < 0.3:
            line += f", {self._pick('Apt|Suite|Unit|Flat|Apt.')} {self.rng.randint(1, 400)}"
        gap = self.rng.choice([", ", ", ", "\n"])
        kind = self.rng.random()
        if kind < 0.4:
            line += (
                f"{gap}{self._city()}, {self._pick('CA|TX|NY|WA|IL|MA|FL|OH|PA|NC')} {self.rng.randint(10000, 99999)}"
            )
        elif kind < 0.7:
            line += f"{gap}{self._city()}"
        elif kind < 0.85:
            line += f"{gap}{self.rng.randint(10000, 99999)} {self._city()}{gap}{self.rng.choice(self.tables.countries)}"
        return line

    def _digits(self, shape: str) -> str:
        return re.sub("#", lambda _: str(self.rng.randint(0, 9)), shape)

    def _value(self, slot: str) -> str:
        rng = self.rng
        if slot == "per":
            return self.person()
        if slot in ("first", "last", "lastname"):
            return self.names()[slot != "first"]
        if slot == "initial":
            return rng.choice("ABCDEFGHJKLMNPRSTW") + rng.choice(["", ".", "."])
        if slot == "city":
            return self._city()
        if slot == "country":
            return rng.choice(self.tables.countries)
        if slot == "addr":
            return self._address()
        if slot == "lastname_street":
            return f"{self.names()[1]} {rng.choice(_STREET)}"
        if slot == "school":
            return rng.choice(
                [
                    f"{self.names()[1]} High School",
                    f"University of {self._city()}",
                    f"{self._city()} University",
                    f"{self.person()} College",
                ]
            )
        if slot == "org":
            return self._org(rng.random())
        if slot == "surorg":
            return self._org(0.5 + rng.random() / 2)
        if slot == "product":
            word = self._pick(WORDS["product_name"])
            return word if rng.random() < 0.6 else f"{word} {rng.choice(['Pro', 'X', '12', '3', 'Max', 'Plus'])}"
        if slot == "email":
            first, last = self.names()
            return f"{first.lower()}.{last.lower()}@{self._pick('example.com|mail.test|acme.example')}".replace(" ", "")
        if slot == "phone":
            return self._digits(
                self._pick("+1 ### ### ####|(###) ###-####|###-###-####|+44 20 #### ####|07### ######|########")
            )
        if slot == "date":
            return self._digits(self._pick("2026-0#-1#|1# March 202#|March 1#, 202#|0#/1#/202#|Oct 1#|1#.0#.202#"))
        if slot == "time":
            return self._pick("10:30|9 am|3 pm|noon|14:00|half past four")
        if slot == "year":
            return str(rng.randint(1850, 2026))
        if slot in ("num", "num2"):
            return self._digits("##" if slot == "num2" else self._pick("#####|########|A#####|INV-2026-###|####-####"))
        if slot == "money":
            return self._digits(self._pick("$#,###|1# 000 USD|€##|#### PLN|£###.00|2# 000"))
        if slot in ("low", "Cap"):
            word = rng.choice(self.common)
            return word if slot == "low" else word.capitalize()
        if slot == "Heading":
            return self._pick(WORDS["heading"])
        return self._pick(WORDS[slot])

    def _org(self, kind: float) -> str:
        if kind < 0.5:
            head = self.rng.choice(_ORG_HEAD)
            return head if kind < 0.1 else f"{head} {self.rng.choice(_ORG_TAIL)}"
        last, other = self.names()[1], self.names()[1]
        return self.rng.choice(
            [
                f"{last} {self.rng.choice(_ORG_TAIL)}",
                f"{last} & {other}",
                f"{last} and Sons",
                f"{last} & Co.",
                f"{last} {other} LLP",
                f"{last} Brothers",
                f"{last}, {other} and {self.names()[1]}",
                f"{last}, {other} & Partners",
            ]
        )

    def part(self, pattern: str) -> Labelled:
        """Fills one pattern."""
        text, labels, position = "", [], 0
        for slot in _SLOT.finditer(pattern):
            text += pattern[position : slot.start()]
            value = self._value(slot[1])
            if label := _LABEL.get(slot[1]):
                labels.append((len(text), len(text) + len(value), label))
            text += value
            position = slot.end()
        return text + pattern[position:], labels

    def message(self) -> Labelled:
        """Composes one to five parts; one message in eight is written in lower case, one in thirty in capitals."""
        rng = self.rng
        text, labels = "", []
        prose = rng.random() < 0.18
        for _ in range(rng.choice([1, 1, 2, 2, 3, 4, 5])):
            group = "prose" if prose else rng.choices(["talk", "forms", "negatives"], [0.5, 0.14, 0.36])[0]
            piece, found = self.part(rng.choice(self.groups[group]))
            if text:
                text += "\n" if group == "forms" or text.endswith("\n") else rng.choice([" ", " ", "\n", "\n\n"])
            labels += [(start + len(text), end + len(text), label) for start, end, label in found]
            text += piece
        case = rng.random()
        if case < 0.12:
            text = text.lower()
        elif case < 0.155:
            text = text.upper()
        elif case < 0.2:
            for start, end, label in labels:
                if label == "PER":
                    text = text[:start] + text[start:end].lower() + text[end:]
        elif case < 0.24:
            for start, end, label in labels:
                if label == "PER":
                    text = text[:start] + text[start:end].upper() + text[end:]
        return text, labels
