"""What Polish clients say about the four letters: the plainest wordings only. The notation is in ``rules``."""

# ruff: noqa: E501  one rule is one entry, however many wordings it has

from __future__ import annotations

from graphs.sdr_qualification.rules import Rules

__all__ = ["ANSWERS", "INTENT", "RULES", "TRAPS"]

_BOSS = r"(?:szef\w*|prezes\w*|dyrektor\w*|zarząd\w*|właściciel\w*|wspólnik\w*|kierownik\w*|księgow\w+)"
_GIVEN = (
    r"(?:zatwierdzon\w+|przyznan\w+|zarezerwowan\w+|przeznaczon\w+|zabezpieczon\w+|zatwierdzili\w*|przeznaczyli\w*)"
)

RULES: dict[str, Rules] = {
    "budget": (
        (1, (r"(?:jeszcze|na razie|teraz)~nie~budżet\w*", r"budżet\w*~(?:ograniczon\w+|niewielki|mały|skromny)",
             rf"budżet\w*~nie~{_GIVEN}")),
        (0, (r"(?:nie mamy|brak|bez)~(?:budżetu|pieniędzy|środków)", r"nie stać nas")),
        (3, (rf"(?:budżet\w*|środki|pieniądze|{{money}})~{_GIVEN}", rf"{_GIVEN}~(?:budżet\w*|środki|{{money}})")),
        (2, (r"budżet\w*~(?:{money}|jest|mamy)", r"mamy~budżet", r"(?:wydać|zainwestować|przeznaczyć)~{money}")),
    ),
    "authority": (
        (2, (rf"(?:razem|wspólnie) z ~?{_BOSS}", r"decydujemy (?:razem|wspólnie)", rf"ja i ~?{_BOSS}")),
        (1, (r"nie ja decyduję", r"ja nie decyduję", rf"decyduje~{_BOSS}", rf"{_BOSS}~(?:decyduje|podpisuje|zatwierdza)",
             rf"(?:zapytać|skonsultować)~{_BOSS}", r"nie podejmuję decyzji")),
        (3, (r"(?:ja )?(?:sam |sama )?decyduję\b", r"decyzja należy do mnie", r"podejmuję decyzj\w+", r"jestem właściciel\w+")),
    ),
    "need": (
        (0, (r"(?:niczego|nic) nie potrzebuj\w+", r"tylko się rozglądam")),
        (3, (r"tracimy~(?:klient|zamówie|pieniądz|lead|zleceni)\w*", r"nie nadążamy", r"uciekają~klienci")),
        (2, (r"potrzebujemy\b(?! tego)", r"szukamy \w+", r"chcemy (?:zautomatyz|popraw|zastąp|uporządk|połącz)\w+", r"ręcznie\b",
             r"(?:w|na) (?:excelu|arkusz\w+)", r"problem(?:em)? (?:jest|polega|z)\b")),
        (1, (r"interesuje nas\b", r"chciał\w*~dowiedzieć się")),
    ),
    "timeline": (
        (1, (r"nie (?:spieszy|śpieszy) się|nie ma pośpiechu", r"kiedyś\b")),
        (3, (r"jak najszybciej", r"pilnie\b", r"natychmiast\b", r"od zaraz")),
    ),
}  # fmt: skip

ANSWERS: dict[str, Rules] = {
    "budget": ((1, (r"^\W*(?:nie|jeszcze nie)\W*$",)), (2, (r"^\W*(?:tak|mamy)\W*$",))),
    "authority": ((3, (r"^\W*(?:tylko )?ja(?: sam| sama)?\W*$",)), (1, (rf"^\W*(?:mój |nasz )?{_BOSS}\W*$",))),
    "need": (),
    "timeline": ((3, (r"^\W*(?:teraz|od razu)\W*$",)),),
}  # fmt: skip

_UNREAL = r"(?:gdybyśmy|gdyby|na przykład)\b"
TRAPS: dict[str, Rules] = {
    "budget": ((0, (_UNREAL, r"(?:jeśli|jeżeli)\b", r"(?:obrót|przychod|zarob|tracimy)\w*", r"nie wiem\b", r"(?:wydaliśmy|mieliśmy)\b")),),
    "authority": ((0, (_UNREAL,)),),
    "need": ((0, (_UNREAL, r"nie tracimy\b")),),
    "timeline": ((0, (_UNREAL, r"(?:temu|zeszł\w+|ostatni\w+|byliśmy|był[ao]?|zaczęliśmy)\b", r"urlop\w*")),),
}  # fmt: skip

INTENT = (r"(?:chcemy|potrzeb\w+|zacząć|uruchom\w+|wdroż\w+|start\w*|termin\w*|do|przed) ",)
