"""Generates labelled Polish messages from `patterns_pl.txt`: declined names, hard negatives, typing noise.

Seeded, so every run gives the same text. A pattern is a line with slots `{slot:case}`; `[m/f]` follows the gender of
the pattern's first person.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tables_pl import CASES, Forms, Name, PolishTables, decline, foreign

Labelled = tuple[str, list[tuple[int, int, str]]]

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}|\[([^\]/]*)/([^\]/]*)\]")
WORDS = {
    "day": "poniedziałek|wtorek|środę|czwartek|piątek|sobotę|niedzielę",
    "Weekday": "Poniedziałek|Wtorek|Środa|Czwartek|Piątek|Sobota|Niedziela",
    "Weekdaygen": "Poniedziałku|Wtorku|Środy|Czwartku|Piątku|Soboty|Niedzieli",
    "Month": "Styczeń|Luty|Marzec|Kwiecień|Maj|Czerwiec|Lipiec|Sierpień|Wrzesień|Październik|Listopad|Grudzień",
    "Role": "Dyrektor Handlowy|Prezes Zarządu|Główna Księgowa|Kierownik Projektu|Rada Nadzorcza|Zarząd|Rzecznik Praw "
    "Pacjenta|Opiekun Klienta|Administrator Danych|Koordynator|Dyrektor Sprzedaży|Menedżer|Inspektor Ochrony Danych",
    "Dept": "Sprzedaży|Księgowości|Obsługi Klienta|Marketingu|Reklamacji|Kadr|Zakupów|Finansów|Zdrowia|Edukacji|"
    "Logistyki|IT|Prawny|Kontroli|Windykacji",
    "stage": "Nowy|Kwalifikacja|Oferta Wysłana|Negocjacje|Wygrana|Przegrana|Wstrzymane|Do Kontaktu|Umowa|Demo Umówione",
    "Heading": "Warunki Umowy|Polityka Prywatności|Regulamin Sklepu|Raport Roczny|Plan Projektu|Notatka Służbowa|Lista "
    "Zadań|Podsumowanie Spotkania|Nowości|Potwierdzenie Zamówienia|Przypomnienie O Płatności|Opis Produktu|Dane "
    "Kontaktowe|"
    "Częste Pytania|Formularz Zwrotu|Protokół Odbioru|Dzień Matki|Boże Narodzenie|Wielkanoc|Nowy Rok|Dzień "
    "Dziecka|Black Friday",
    "brand": "iPhone|Samsung Galaxy|Windows|Excel|Photoshop|Tesla|Corolla|Kindle|PlayStation|Slack|Zoom|Skoda "
    "Octavia|Fiat "
    "Panda|Opel Astra|Renault Clio|Dacia Duster|Xiaomi|Bosch|Philips|Dyson|Lego|Nutella|Pepsi|Nike|Adidas|Toyota "
    "Yaris|Mercedes|"
    "Chrome|Android|Outlook|Asystent Google|Alexa|Siri|Ford Mustang|Citroen|Alfa Romeo|Maybelline|Nivea|Lenovo|"
    "Acer|Huawei",
    "shop": "Allegro|Lidl|Biedronka|Żabka|OLX|Amazon|Media Expert|Rossmann|Ikea|Castorama|PayU|BLIK|Przelewy24|"
    "InPost|DPD|Orlen|Empik",
    "title": "Ostatni Dzień|Czarny Kot|Noc w Operze|Zimowa Opowieść|Wielka Ucieczka|Dom nad Rzeką|Love Story|Blue "
    "Moon|The Last "
    "Train|Golden Boy|Sweet Home|Białe Noce|Pan Tadeusz|Lalka|Quo Vadis|Dziady|Potop|Krzyżacy|Wesele|Ania z "
    "Zielonego Wzgórza|"
    "Przygody Tomka|Listy do Anny|Saint Anna|Hello Mary|Black Maria|Doktor House|Mroczne Miasto|Queen of Hearts|"
    "Night Fever",
    "band": "Czerwone Gitary|Black River|Blue Boys|The Rocks|Zielony Groszek|Northern Lights|Red Dogs|Kombi|Lady "
    "Rain|Silver|Golden Age",
    "abbr": "HR|IT|BIK|NIP|VAT|PIT|ZUS|NFZ|KRS|RODO|CRM|ERP|PDF|SMS|BHP|CEIDG|REGON|GUS|PKP|PKO|UOKiK|URE|KNF|API|"
    "CV|USB|SLA|B2B|RP|UE",
    "letter": "A|B|C|D|E|F|G|H|I|J|K|L|M",
    "job": "aktor|pisarz|polityk|piłkarz|śpiewak|malarz|inżynier|prawnik|profesor|dziennikarz|kompozytor|bokser|"
    "hokeista|poeta|"
    "historyk|biolog|lekkoatleta|reżyser|dyplomata|żołnierz|lotnik|architekt",
    "nationadj": "polski|niemiecki|francuski|angielski|amerykański|rosyjski|ukraiński|włoski|hiszpański|czeski|"
    "szwedzki|węgierski|austriacki",
    "Nation": "Niemcy|Francuzi|Anglicy|Amerykanie|Rosjanie|Ukraińcy|Włosi|Hiszpanie|Czesi|Szwedzi|Węgrzy|Turcy|Litwini",
    "Nationinst": "Niemcami|Francuzami|Anglikami|Rosjanami|Włochami|Czechami|Szwedami|Turkami|Litwinami",
    "langadv": "angielsku|niemiecku|ukraińsku|rosyjsku|francusku|hiszpańsku",
    "langadj": "angielskim|niemieckim|polskim|ukraińskim|rosyjskim",
    "voiv": "Mazowieckie|Małopolskie|Śląskie|Pomorskie|Krakowski|Kielecki|Łódzki|Lubelskie",
    "voivlow": "mazowieckim|małopolskim|śląskim|pomorskim|krakowskim|kieleckim|lubelskim|podlaskim",
    "roman": "I|II|III|IV|V|VI|VII|XVI|XXIII",
    "Lupa": "Podhalu|Mazurach|Śląsku|Pomorzu|Mazowszu|Kujawach",
    "Drug": "Apap|Ibuprom|Euthyrox|Metformax|Xarelto|Polopiryna|Nurofen|Controloc",
    "pet": "Burek|Azor|Reksio|Fafik|Puszek|Mruczek|Filemon",
    "ship": "Titanic|Batory|Dar Pomorza|Queen Mary|Santa Maria|ORP Orzeł|Lusitania|Kościuszko|Stefan Batory",
    "plane": "Boeing 737|Airbus A320|Spitfire|Tu-154|Messerschmitt Bf 109|Avro Lancaster|Fiat 125p|Ford Focus|"
    "Honda Civic|Cessna 172",
    "museum": "Muzeum Narodowym|Luwrze|Galerii Uffizi|British Museum|Prado|Ermitażu|Zamku Królewskim",
    "univ": "Uniwersytecie Jagiellońskim|Politechnice Warszawskiej|Oksfordzie|Sorbonie|Harvardzie|AGH|"
    "Uniwersytecie Warszawskim",
    "square": "Rynku Głównym|placu Wolności|placu Zamkowym|Starym Mieście|dworcu Centralnym|lotnisku Chopina|"
    "rondzie Kaponiera",
    "Lat": "Pterostichus|Carex|Quercus|Bombus|Agaricus|Salix|Rosa|Viola|Felidae|Fabaceae|Poaceae",
    "lat": "alba|nigra|vulgaris|maculatus|minor|sylvestris|alpina|officinalis",
    "fadj": "pospolity|zwyczajny|leśny|czarny|wielki|północny",
    "fmount": "Mont Blanc|Elbrus|Rysy|Giewont|Śnieżka|Everest|Monte Rosa|Ben Nevis|Babia",
    "river": "Wisła|Odra|Warta|Bug|San|Narew|Raba|Nida|Pilica|Wieprz|Dunajec",
    "riverother": "Wisły|Odry|Warty|Bugu|Sanu|Narwi|Bałtyku|Dunaju|Renu|Łaby",
    "firm": "FPUH|F.H.U.|PPHU|PHU|Firma|Grupa|Kancelaria|Zakład|Piekarnia|Hotel|Apteka|Auto|Meble|Fundacja|Cukiernia",
    "firm_of": "FPUH|PPHU|FHU|Firma Handlowa|Usługi Budowlane|Kancelaria Notarialna|Gabinet|Transport|Biuro Rachunkowe",
    "firm_tail": "Logistics|Group|Transport|Bud|Meble|Consulting|Holding|Nieruchomości",
    "fregion": "Norfolk|Kent|Ontario|Texas|Bawaria|Toskania|Andaluzja|Suffolk|Oregon|Bretania",
}
_THINGS = [
    "zamówienie", "faktura", "umowa", "oferta", "przesyłka", "zwrot", "laptop", "telefon", "konto", "abonament",
    "raport", "paczka", "bilet", "hasło", "płatność", "rezerwacja", "polisa", "karta", "reklamacja", "dokument",
    "aneks", "wycena", "projekt", "samochód", "mieszkanie", "kredyt", "termin", "rachunek", "serwis", "router",
    "pralka", "ubezpieczenie", "cennik", "prezentacja", "wniosek", "decyzja", "odpowiedź", "dostawa", "towar",
    "protokół",
]  # fmt: skip
_ROLES = [
    "kierownik", "prezes", "dyrektor", "handlowiec", "księgowa", "specjalista", "menedżer", "koordynator",
    "inżynier", "lekarz", "prawnik", "asystentka", "właściciel", "doradca", "sekretarka", "magazynier",
    "programista", "analityk", "konsultant", "opiekun", "sprzedawca",
]  # fmt: skip
_ORG_HEAD = [
    "Polmex", "Budimex", "Novatel", "Agromax", "Termika", "Metalpol", "Drewpol", "Eurotrans", "Medicus", "Alfa",
    "Omega", "Sigma", "Delta", "Elektron", "Komfort", "Perfekt", "Solar", "Aqua", "Inter", "Global", "Prima", "Vega",
    "Orion", "Atlas", "Feniks", "Trans", "Bud-Rem", "Auto-Land", "Eko-Dom", "Dom-Bud", "Vistula", "Baltica", "Ster",
    "Progres", "Lider", "Meblex", "Tech", "Data", "Soft", "Net", "Media", "Optima", "Wektor", "Silesia", "Carpatia",
]  # fmt: skip
_FIRM = ("Sp. z o.o.", "sp. z o.o.", "S.A.", "SA", "sp. k.", "Sp. j.", "s.c.")
_BIG = [
    "Orlen", "PKO BP", "mBank", "Allegro", "InPost", "PZU", "Tauron", "Play", "Orange", "KGHM", "LOT", "TVP",
    "Google", "Microsoft", "Amazon", "Comarch", "Asseco", "Poczta Polska", "Alior Bank", "Santander", "ING", "PGE",
    "Enea", "Netia", "Bank Pekao", "Żabka", "CD Projekt", "Facebook", "Siemens", "Volkswagen", "Boeing",
    "Solidarność", "UNESCO", "NATO",
]  # fmt: skip
_STREETS = [
    "Polna", "Leśna", "Słoneczna", "Krótka", "Szkolna", "Ogrodowa", "Lipowa", "Brzozowa", "Łąkowa", "Kwiatowa",
    "Kościelna", "Długa", "Warszawska", "Krakowska", "Sportowa", "Zielona", "Parkowa", "Kolejowa", "Dworcowa",
    "Piękna", "Wiejska", "Nowa", "Rynek", "Spacerowa", "Gdańska", "Poznańska", "Jasna", "Wolności", "Niepodległości",
    "Marszałkowska", "Świętokrzyska", "Piotrkowska", "Floriańska", "Młyńska", "Wesoła",
]  # fmt: skip
_EPONYMS = [
    "Alzheimera", "Parkinsona", "Downa", "Crohna", "Hashimoto", "Aspergera", "Montessori", "Fouriera", "Newtona",
    "Gaussa",
]  # fmt: skip
_OCR = {"o": "0", "i": "1!|", "e": "3€", "a": "4@", "s": "5$", "l": "1|I", "b": "6", "t": "7", "g": "9", "z": "2",
        "O": "0",
        "I": "1|l",
        "S": "5$", "B": "8", "Z": "2", "G": "6", "A": "4@", "E": "3€"}  # fmt: skip
_OCR_LETTERS = {"P": "qp", "J": "ij", "T": "ft", "K": "k", "L": "lI", "M": "m", "W": "w", "n": "r", "m": "rn",
                "w": "vv", "u": "v", "ł": "l", "ó": "o", "ą": "a", "ę": "e", "ż": "z", "ś": "s", "ć": "c", "ń": "n",
                "k": "l<", "h": "b"}  # fmt: skip
_BARE = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")


@dataclass(kw_only=True)
class Generator:
    """Fills patterns with values drawn from the tables.

    Args:
        patterns: the file they stand in.
        noise: type some messages badly.
        telephones: label telephone numbers too, for measuring.
    """

    tables: PolishTables
    rng: random.Random
    patterns: Path = Path(__file__).parent / "patterns_pl.txt"
    groups: dict[str, list[str]] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=lambda: {"talk": 0.46, "forms": 0.1, "negatives": 0.44})
    prose: float = 0.22
    noise: bool = True
    telephones: bool = False
    _sex: str = "m"
    _last_sex: str = "m"

    def __post_init__(self) -> None:
        group = ""
        for line in self.patterns.read_text("utf-8").splitlines():
            if line.startswith("## ") and line[3:].isalpha():
                group = line[3:]
            elif line and not line.startswith("# "):
                self.groups.setdefault(group, []).append(line.replace("\\n", "\n").replace("\\t", "\t"))
        self._things = [forms for word in _THINGS if (forms := decline(word)[0])]
        self._roles = [forms for word in _ROLES if (forms := decline(word)[0])]

    def _draw(self, names: Sequence[Name]) -> Name:
        """Frequent names more often, every name sometimes."""
        if self.rng.random() < 0.6:
            return names[int(len(names) * self.rng.random() ** 3)]
        return self.rng.choice(names)

    def first(self, case: str, sex: str, short: float = 0.25) -> str:
        kind = self.rng.random()
        if kind < 0.05:
            return foreign(self.rng.choice(self.tables.east_first[sex]), sex)[case]
        if kind < 0.09:
            return foreign(self.rng.choice(self.tables.world_first), sex)[case]
        pool = self.tables.short if self.rng.random() < short else self.tables.first
        return self._draw(pool[sex]).forms[case]

    def last(self, case: str, sex: str) -> str:
        kind = self.rng.random()
        if kind < 0.06:
            return foreign(self.rng.choice(self.tables.east_last[sex]), sex)[case]
        if kind < 0.1:
            return foreign(self.rng.choice(self.tables.world_last), sex)[case]
        return self._draw(self.tables.last[sex]).forms[case]

    def person(self, case: str, sex: str) -> str:
        first, last = self.first(case, sex, 0.1), self.last(case, sex)
        kind = self.rng.random()
        if kind < 0.8:
            return f"{first} {last}"
        if kind < 0.86:
            return f"{last} {first}"
        if kind < 0.89:
            return f"{first[0]}. {last}"
        if kind < 0.92:
            return f"{first} {self.first(case, sex, 0)} {last}"
        if kind < 0.97:
            return f"{first} {last}-{self.last(case, sex)}"
        return f"{first} {last[0]}."

    def foreigner(self, case: str) -> str:
        """A foreign person as an encyclopaedia writes one."""
        sex = "m" if self.rng.random() < 0.75 else "f"
        if self.rng.random() < 0.15:
            return self.person(case, sex)
        if self.rng.random() < 0.2:
            first, last = self.rng.choice(self.tables.east_first[sex]), self.rng.choice(self.tables.east_last[sex])
        else:
            first, last = self.rng.choice(self.tables.world_first), self.rng.choice(self.tables.world_last)
        name = f"{foreign(first, sex)[case]} "
        if (kind := self.rng.random()) < 0.1:
            name += self.rng.choice("ABCDEFGHJKLMNPRSTW") + ". "
        elif kind < 0.16:
            name += self.rng.choice(["van ", "von ", "de ", "di ", "bin ", "al-", "de la ", "O’"])
        return name + foreign(last, sex)[case]

    def _town(self, case: str) -> str:
        return self._near_top(self.tables.towns)[case]

    def _near_top(self, rows: Sequence[Forms]) -> Forms:
        return rows[int(len(rows) * self.rng.random() ** 2.5)]

    def foreign_town(self, case: str) -> str:
        """A town abroad, declined where Polish writers might."""
        if self.rng.random() < 0.2:
            return self._town(case)
        name = self.rng.choice(self.tables.world_towns)
        return name if " " in name or self.rng.random() < 0.5 else foreign(name, "f" if name[-1] == "a" else "m")[case]

    def coined(self) -> str:
        """A word that means nothing, as brands, models and programs have."""
        syllables = "".join(
            self._pick(
                "ba|co|du|fe|ga|hy|ix|jo|ka|lo|mi|no|or|pa|qu|ro|sa|te|ul|ve|wi|xe|yo|za|tra|pri|sto|glu|en|max|tor"
            )
            for _ in range(self.rng.randint(2, 4))
        )
        kind = self.rng.random()
        return (
            syllables.capitalize()
            if kind < 0.7
            else syllables[:5].upper()
            if kind < 0.85
            else syllables[:3].capitalize() + syllables[3:].capitalize()
        )

    def _title(self) -> str:
        """A title of a film, a song or a band, in English or Polish words, with a first name now and then."""
        rng = self.rng
        pool = self.tables.english if rng.random() < 0.6 else self.tables.common
        found = [pool[rng.randrange(len(pool))] for _ in range(rng.choice([1, 2, 2, 3, 3, 4]))]
        if rng.random() < 0.18:
            found[rng.randrange(len(found))] = self._draw(self.tables.first[rng.choice("mf")]).forms["nom"]
        if pool is self.tables.english and rng.random() < 0.35:
            found.insert(rng.randrange(len(found) + 1), self._pick("the|of|and|in|a|my|to|on"))
        whole = pool is self.tables.english or rng.random() < 0.4
        return " ".join(word.capitalize() if whole or not place else word for place, word in enumerate(found))

    def _digits(self, shape: str) -> str:
        return re.sub("#", lambda _: str(self.rng.randint(0, 9)), shape)

    def _pick(self, words: str) -> str:
        return self.rng.choice(words.split("|"))

    def _named(self) -> str:
        """The name of a street or a school: a person in the genitive, who is not meant."""
        sex = "m" if self.rng.random() < 0.8 else "f"
        first, last = self._draw(self.tables.first[sex]).forms["gen"], self._draw(self.tables.last[sex]).forms["gen"]
        if (kind := self.rng.random()) < 0.4:
            return last
        if kind < 0.5:
            return f"{self._pick('ks.|gen.|św.|prof.|kard.|mjr.')} {first}" + (
                f" {last}" if self.rng.random() < 0.6 else ""
            )
        return f"{first} {last}"

    def _street(self) -> str:
        head = self._pick("ul.|ul.|ul.|al.|os.|pl.|ulicy|ulica|Ul.|aleja")
        name = self.rng.choice(_STREETS) if self.rng.random() < 0.55 else self._named()
        house = str(self.rng.randint(1, 220)) + self.rng.choice(
            ["", "", "", "A", "b", f"/{self.rng.randint(1, 90)}", f" m. {self.rng.randint(1, 60)}"]
        )
        return f"{head} {name} {house}" if self.rng.random() < 0.85 else f"{head} {name}"

    def _address(self) -> str:
        code = self._digits("##-###")
        town = self._town("nom")
        kind = self.rng.random()
        if kind < 0.5:
            return f"{self._street()}{self._pick(', |, |,| ')}{code} {town}"
        if kind < 0.7:
            return f"{self._street()}, {town}"
        if kind < 0.85:
            return f"{code} {town}, {self._street()}"
        if kind < 0.93:
            return f"{town}, {self._street()}"
        return f"{town} {self.rng.randint(1, 200)}, {code} {self._town('nom')}"

    def _org(self) -> str:
        if (kind := self.rng.random()) < 0.3:
            return self.rng.choice(_BIG)
        head = self.rng.choice(_ORG_HEAD) if self.rng.random() < 0.6 else self.coined()
        if kind < 0.55:
            return head
        if kind < 0.8:
            return f"{head} {self.rng.choice(_FIRM)}"
        if kind < 0.87:
            return self._title() + self._pick(" Records| Inc.| Group| Ltd| Studio| Media| Games|")
        return (
            f"{self._pick('Hurtownia|Bank|Grupa|Fundacja|Przychodnia|Biuro|Hotel|Klub|Stowarzyszenie|Fabryka')} {head}"
        )

    def _surname_org(self) -> str:
        """A company that carries its owner's name."""
        sex = "m" if self.rng.random() < 0.7 else "f"
        last, other = self._draw(self.tables.last[sex]).forms, self._draw(self.tables.last["m"]).forms["nom"]
        first = self._draw(self.tables.first[sex]).forms
        name, full = last["nom"], f"{first['nom']} {last['nom']}"
        return self.rng.choice([
            f"{self._pick(WORDS['firm'])} {name}",
            f"{self._pick(WORDS['firm_of'])} {full}",
            f"{name} {self.rng.choice(_FIRM)}", f"{name}-{other} {self.rng.choice(_FIRM)}", f"{name} i syn s.c.",
            f"{name} & {other}", f"{name} i Wspólnicy", f"{name} {self._pick(WORDS['firm_tail'])}",
            f"{name}-{self._pick('Bud|Trans|Met|Pol|Gum')}", f"{full} {self.rng.choice(_FIRM)}",
            f"Fundacja {first['gen']} {last['gen']}", f"Fundacja im. {first['gen']} {last['gen']}",
        ])  # fmt: skip

    def _school(self, inflected: bool) -> str:
        kind = (
            "szkoły|liceum|technikum|przedszkola"
            if inflected
            else "Szkoła Podstawowa|Liceum Ogólnokształcące|Technikum|Przedszkole"
        )
        number = f" nr {self.rng.randint(1, 99)}" if self.rng.random() < 0.4 else ""
        return f"{self._pick(kind)}{number} im. {self._named()}"

    def _sex_of(self, slot: str) -> str:
        if slot[-1:] in ("m", "f") and slot[:-1] in ("per", "first", "last", "short", "mrper", "mrlast", "king"):
            return slot[-1]
        if slot.endswith("0"):
            return self._last_sex
        if self._fresh:
            return self._sex
        return self.rng.choice("mf")

    def _value(self, slot: str, case: str) -> tuple[str, str, str]:
        """Returns (text before, value, label)."""
        rng, sources = self.rng, self.tables
        base = slot.rstrip("0")
        bare = (
            base[:-1] if base[-1:] in "mf" and base[:-1] in ("per", "first", "last", "short", "mrper", "king") else base
        )
        if bare in (
            "per",
            "first",
            "last",
            "short",
            "rev",
            "mrper",
            "mrlast",
            "mrfirst",
            "Mrper",
            "Mrlast",
            "Mrfirst",
            "LAST",
            "FIRST",
            "king",
        ):
            sex = self._sex_of(slot)
            self._fresh, self._last_sex = False, sex
            title = ""
            if bare[:2] in ("mr", "Mr"):
                title = decline("pan" if sex == "m" else "pani")[0][case] + " "
                title = title.capitalize() if bare[0] == "M" else title
                bare = bare[2:]
            if bare == "king":
                return "", rng.choice(sources.first[sex][:150]).forms[case], "PER"
            wrong = case != "nom" and rng.random() < 0.06
            case = "nom" if wrong else case
            value = {
                "per": lambda: self.person(case, sex),
                "first": lambda: self.first(case, sex),
                "last": lambda: self.last(case, sex),
                "short": lambda: self._draw(sources.short[sex]).forms[case],
                "rev": lambda: f"{self.last(case, sex)} {self.first(case, sex, 0.05)}",
                "LAST": lambda: self.last("nom", sex).upper(), "FIRST": lambda: self.first("nom", sex, 0).upper(),
            }[bare]()  # fmt: skip
            return title, value, "PER"
        if slot == "lastpl":
            name = self._draw(sources.last["m"])
            return "", name.plural.get(case) or name.forms[case], "PER"
        if slot == "fper":
            return "", self.foreigner(case), "PER"
        if slot == "flast":
            return (
                "",
                foreign(rng.choice(sources.world_last), "m")[case] if rng.random() < 0.7 else self.last(case, "m"),
                "PER",
            )
        if slot in ("town", "Town"):
            return "", self._town(case), "LOC"
        if slot == "country":
            return "", rng.choice(sources.countries)[case], "LOC"
        if slot == "ftown":
            return "", self.foreign_town(case), "LOC"
        if slot == "addr":
            return "", self._address(), "LOC"
        if slot == "street":
            return "", self._street(), "LOC"
        if slot == "namestreet":
            return "", self._named(), "LOC"
        if slot == "namestreetbare":
            return "", self._named(), "LOC"
        if slot in ("river", "riverother", "fmount", "fregion", "square", "Lupa"):
            return "", self._pick(WORDS[slot]), "LOC"
        if slot in ("School", "school"):
            return "", self._school(slot == "school"), "ORG"
        if slot == "hospital":
            return "", f"Szpitala im. {self._named()}", "ORG"
        if slot in ("org", "club"):
            if slot == "club":
                return (
                    "",
                    self._pick("Legia|Wisła|Lech|Cracovia|Real Madryt|Barcelona|Arsenal|Juventus|Bayern|Górnik|Ruch")
                    + rng.choice(["", f" {self._town('nom')}"]),
                    "ORG",
                )
            return "", self._org(), "ORG"
        if slot == "surorg":
            return "", self._surname_org(), "ORG"
        if slot in ("univ", "museum"):
            return "", self._pick(WORDS[slot]), "ORG"
        if slot == "band":
            return "", self._pick(WORDS[slot]) if rng.random() < 0.3 else self._title(), "ORG"
        if slot in ("brand", "title", "ship", "plane", "Drug", "pet"):
            if (kind := rng.random()) < 0.4:
                return "", self._pick(WORDS[slot]), "MISC"
            if slot in ("brand", "ship", "plane", "Drug", "pet") and kind < 0.75:
                return (
                    "",
                    self.coined() + rng.choice(["", "", f" {self._pick('X|GT|Pro|II|S|XR|D')}{rng.randint(1, 999)}"]),
                    "MISC",
                )
            return "", self._title(), "MISC"
        if slot == "shop":
            return "", self._pick(WORDS[slot]), "ORG"
        return "", self._plain_value(slot, case), "PHONE" if slot == "phone" and self.telephones else ""

    def _plain_value(self, slot: str, case: str) -> str:
        rng, sources = self.rng, self.tables
        if slot == "thing":
            return rng.choice(self._things)[case]
        if slot == "role":
            return rng.choice(self._roles)[case]
        if slot in ("person", "Person"):
            word = rng.choice(sources.persons)[case]
            return word if slot == "person" else word.capitalize()
        if slot in ("noun", "Noun", "CapNoun"):
            word = rng.choice(sources.nouns)[case]
            return word if slot == "noun" else word.capitalize()
        if slot in ("low", "Cap"):
            word = sources.common[int(len(sources.common) * rng.random() ** 1.6)]
            return word if slot == "low" else word.capitalize()
        if slot == "Weekday" and case == "gen":
            return self._pick(WORDS["Weekdaygen"])
        if slot == "Eponym":
            return rng.choice(_EPONYMS)
        if slot == "phone":
            return self._digits(
                self._pick("### ### ###|###-###-###|+48 ### ### ###|#########|22 ### ## ##|+48#########")
            )
        if slot == "email":
            local = f"{self.first('nom', 'f', 0)}.{self.last('nom', 'f')}".lower().translate(_BARE)
            return f"{local}@{self._pick('example.com|poczta.test|firma.example')}"
        if slot == "date":
            return self._digits(
                self._pick("1#.0#.202#|2#.1#.198#|202#-0#-1#|1# marca 202#|# maja 19#6 r.|2# października 2025")
            )
        if slot == "time":
            return self._pick("10:30|9.00|15:00|12|18:45|ósmej|17")
        if slot == "year":
            return str(rng.randint(1500, 2026))
        if slot in ("num", "num1", "num2"):
            return self._digits(
                {"num1": "#", "num2": "##"}.get(slot)
                or self._pick("#####|########|A#####|FV/2026/##|####-####|ZAM-#####|###")
            )
        if slot == "pesel":
            return self._digits("###########")
        if slot == "CODE":
            return self._pick("LATO|ZIMA|START|NOWY|PROMO") + self._digits("##")
        if slot == "money":
            return self._digits(self._pick("#### zł|## PLN|1 ### zł|##,## zł|### EUR|1# tys. zł"))
        return self._pick(WORDS[slot])

    def part(self, pattern: str) -> Labelled:
        """Fills one pattern."""
        self._sex, self._fresh = self.rng.choice("mf"), True
        self._last_sex = self._sex
        # the first person's slot may say the gender
        said = re.search(r"\{(?:per|first|last|short|mrper|Mrfirst|king)([mf])(?::|\})", pattern)
        named = re.search(r"\{(\w+)", pattern)
        if said and named and named[1] in said[0]:
            self._sex = said[1]
        text, labels, position = "", [], 0
        for slot in SLOT.finditer(pattern):
            text += pattern[position : slot.start()]
            position = slot.end()
            if slot[1] is None:
                text += slot[3] if self._sex == "m" else slot[4]
                continue
            before, value, label = self._value(slot[1], slot[2] or "nom")
            text += before
            if label and value:
                labels.append((len(text), len(text) + len(value), label))
            text += value
        return text + pattern[position:], labels

    def compose(self, count: int) -> Labelled:
        """Joins parts to one message."""
        rng, text, labels = self.rng, "", []
        prose = rng.random() < self.prose
        for _ in range(count):
            group = "prose" if prose else rng.choices(list(self.shares), list(self.shares.values()))[0]
            piece, found = self.part(rng.choice(self.groups[group]))
            if text:
                text += "\n" if group == "forms" or text.endswith("\n") else rng.choice([" ", " ", " ", "\n", "\n\n"])
            labels += [(start + len(text), end + len(text), label) for start, end, label in found]
            text += piece
        return text, labels

    def message(self) -> Labelled:
        """Composes one to six parts and types them badly now and then."""
        text, labels = self.compose(self.rng.choice([1, 1, 2, 2, 3, 4, 5, 6]))
        return self.spoil(text, labels) if self.noise else (text, labels)

    def spoil(self, text: str, labels: Sequence[tuple[int, int, str]]) -> Labelled:
        rng = self.rng
        kind = rng.random()
        if kind < 0.14:
            return rewrite(
                text,
                labels,
                lambda value, label: mistype(value, rng) if label != "PHONE" and rng.random() < 0.6 else value,
            )
        if kind < 0.2:
            return text.lower(), list(labels)
        if kind < 0.24:
            return rewrite(text, labels, lambda value, label: value.lower() if label == "PER" else value)
        if kind < 0.29:
            return text.translate(_BARE), list(labels)
        if kind < 0.31:
            return text.upper() if len(text.upper()) == len(text) else text, list(labels)
        if kind < 0.34:
            return rewrite(text, labels, lambda value, label: value.upper() if label == "PER" else value)
        return text, list(labels)


def rewrite(text: str, labels: Iterable[tuple[int, int, str]], change: Callable[[str, str], str]) -> Labelled:
    """Changes labelled values and moves the labels along."""
    out, moved, position = "", [], 0
    for start, end, label in sorted(labels):
        out += text[position:start]
        value = change(text[start:end], label) or text[start:end]
        moved.append((len(out), len(out) + len(value), label))
        out += value
        position = end
    return out + text[position:], moved


def mistype(value: str, rng: random.Random) -> str:
    """Makes one to three of the mistakes of a scanner or of a hasty hand."""
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        place = rng.randrange(len(value))
        char = value[place]
        if not char.isalnum():
            continue
        kind = rng.random()
        if kind < 0.55 and char in _OCR:
            new = rng.choice(_OCR[char])
        elif kind < 0.8 and char in _OCR_LETTERS:
            new = _OCR_LETTERS[char]
            new = rng.choice(new) if len(new) == 2 and new not in ("rn", "vv", "l<") else new
        elif kind < 0.9 and len(value) > 5:
            new = "" if 0 < place < len(value) - 1 else char
        elif kind < 0.95:
            new = char * 2
        else:
            new = char.lower()
        value = value[:place] + new + value[place + 1 :]
    return value


assert CASES  # the cases that patterns may name
