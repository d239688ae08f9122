"""The small words that the check needs to know, in English, Russian and Polish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = ["CONDITIONS", "COURTESIES", "EMPTY", "LIMITS", "NEGATIONS", "NUMBER_WORDS", "POINTING", "Language"]

Language = Literal["en", "ru", "pl"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATIONS: Mapping[Language, frozenset[str]] = {
    "en": _words("not no never cannot without nothing nobody neither nor none impossible unable"),
    "ru": _words("не нет ни без нельзя никогда ничего никто невозможно"),
    "pl": _words("nie bez nigdy żaden żadna żadne żadnej żadnego żadnych nic niczego nikt niemożliwe"),
}

LIMITS: Mapping[Language, frozenset[str]] = {
    "en": _words("only if unless except provided solely"),
    "ru": _words("только лишь если кроме исключительно"),
    "pl": _words("tylko jedynie jeśli jeżeli chyba oprócz wyłącznie"),
}
"""Words that bound what is said: a sentence that leaves them out says more than its source."""

CONDITIONS: Mapping[Language, frozenset[str]] = {
    "en": _words("if unless"),
    "ru": _words("если"),
    "pl": _words("jeśli jeżeli chyba"),
}
"""Those of them that begin a clause of their own."""


POINTING: Mapping[Language, frozenset[str]] = {
    "en": _words("that they this it these those"),
    "ru": _words("этого они это он она их там"),
    "pl": _words("tego potem one to wtedy ich"),
}
"""Words by which a sentence goes on with the one before it, where they stand among its first three."""

EMPTY: Mapping[Language, frozenset[str]] = {
    "en": _words(
        "a an the of to in on at by for from with as is are was were be been being it its this that these those and or "
        "but so then there here you your yours we our us they their them he she his her i my me will would can could "
        "may might must shall should do does did have has had please also just very more most than about into after "
        "before when while which who what how where all any each every some one up out over under again not no if only "
        "unless except because therefore since above below within between less fewer never cannot without"
    ),
    "ru": _words(
        "и в во на с со к ко по о об от до из за у для при через под над между это этот эта эти тот та те то что чтобы "
        "как так же ли бы вы вам вас ваш ваша ваше ваши мы нам нас наш он она оно они их его ее её им который которая "
        "которое которые есть быть был была было были будет будут можно нужно может могут пожалуйста также ещё еще уже "
        "или но а если не нет ни только после когда все всё весь вся каждый более очень свой своя свои где там тут "
        "потому поэтому свыше больше меньше менее лишь кроме нельзя без никогда ничего раз раза одна один"
    ),
    "pl": _words(
        "i w we na z ze do od po o u za dla przy przez pod nad to ten ta te tego tej tych tym że żeby aby jak tak czy "
        "się jest są był była było były będzie będą być można trzeba może mogą proszę także też jeszcze już lub albo "
        "ale a jeśli nie tylko gdy kiedy który która które którzy państwo państwa państwu pan pani ich jego jej im my "
        "nam nas nasz swój swoje swoja wszystkie wszystko każdy każda każde bardzo więcej tam tu "
        "gdzie ponieważ więc wtedy powyżej poniżej ponad mniej bez nigdy niczego zostać został została zostało "
        "zostaną zostały raz"
    ),
}
"""Words that say nothing by themselves; a paraphrase may choose them freely."""

_NUMBERS: Mapping[Language, str] = {
    "en": "two 2|three 3|four 4|five 5|six 6|seven 7|eight 8|nine 9|ten 10|twelve 12|fifteen 15|twenty 20|thirty 30|"
    "once 1|twice 2",
    "ru": "два 2|две 2|двух 2|три 3|трёх 3|трех 3|четыре 4|пять 5|пяти 5|шесть 6|шести 6|семь 7|семи 7|восемь 8|"
    "девять 9|десять 10|десяти 10|пятнадцать 15|двадцать 20|тридцать 30|дважды 2",
    "pl": "dwa 2|dwie 2|dwóch 2|trzy 3|trzech 3|cztery 4|pięć 5|pięciu 5|sześć 6|sześciu 6|siedem 7|siedmiu 7|osiem 8|"
    "dziewięć 9|dziesięć 10|dziesięciu 10|piętnaście 15|dwadzieścia 20|trzydzieści 30|dwukrotnie 2",
}
NUMBER_WORDS: Mapping[Language, Mapping[str, str]] = {
    language: dict(item.split() for item in text.split("|")) for language, text in _NUMBERS.items()
}

COURTESIES: Mapping[Language, frozenset[str]] = {
    "en": frozenset(
        {
            "hello",
            "good morning",
            "thank you for your message",
            "thank you for writing to us",
            "we are sorry for the trouble",
            "please write to us if anything is left open",
            "kind regards",
            "best regards",
        }
    ),
    "ru": frozenset(
        {
            "здравствуйте",
            "добрый день",
            "спасибо за обращение",
            "спасибо за ваше сообщение",
            "приносим извинения за неудобства",
            "напишите нам, если остались вопросы",
            "с уважением",
        }
    ),
    "pl": frozenset(
        {
            "dzień dobry",
            "dziękujemy za wiadomość",
            "dziękujemy za zgłoszenie",
            "przepraszamy za kłopot",
            "prosimy o wiadomość, jeśli coś jest niejasne",
            "pozdrawiamy",
            "z poważaniem",
        }
    ),
}
"""What may be said without a source, to the letter. A list, not a pattern: a promise hides well in politeness."""
