"""Stop words: read from files, found in any form and disguise, and never in ordinary business mail."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from agent_guard.errors import ConfigError
from agent_guard.text.spelling import invisible
from agent_guard.text.stems import LANGUAGES, keys
from agent_guard.text.stop_words import Hit, StopList, digest, found, load

NAMES = ["en.txt", "ru.txt", "pl.txt", "kk.txt"]
BUILT_IN = load(NAMES, None)
LISTS = {each.language: (each,) for each in BUILT_IN}


def of(*entries: str, language: str = "en") -> tuple[StopList, ...]:
    return (StopList(name=f"{language}.txt", language=language, entries=entries),)


def hits(text: str, lists: tuple[StopList, ...]) -> list[str]:
    return [hit.entry for hit in found(text, lists)]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.req("A18")
def test_the_built_in_lists_are_visible_text_of_some_length(language):
    """Each built-in list is UTF-8 without unseen characters and has at least 40 entries (Kazakh 25), each found."""
    (each,) = LISTS[language]
    assert len(each.entries) >= (25 if language == "kk" else 40)
    assert not any(invisible(entry) for entry in each.entries)
    assert [entry for entry in each.entries if not found(entry.strip('"'), (each,))] == []


@pytest.mark.parametrize(
    ("text", "entries", "expected"),
    [
        ("Our class, an assistant, an ass.", ("ass",), ["ass"]),
        ("asses", ("ass",), ["ass"]),
        ("passage assess bass", ("ass",), []),
        ("GUARANTEES and guaranteeing", ("guarantee",), ["guarantee", "guarantee"]),
        ("guaranteed", ('"guarantee"',), []),
        ("Guarantee!", ('"guarantee"',), ["guarantee"]),
        ("It is free\r\nmoney", ("free money",), ["free money"]),
        ("free  \t money", ("free money",), ["free money"]),
        ("free. Money", ("free money",), []),
        ("free, money", ("free money",), []),
        ("free\n\nmoney", ("free money",), []),
        ("free@money.example", ("free money",), []),
        ("freemoney and free-money", ("free money",), ["free money", "free money"]),
        ("f r e e   m o n e y", ("free money",), ["free money"]),
        ("f r e e m o n e y", ("free money",), ["free money"]),
        ("f.r.e.e", ("free",), ["free"]),
        ("take a f r e e one", ("free",), ["free"]),
        ("f*r*e*e _f_r_e_e_", ("free",), ["free", "free"]),
        ("fr-\nee and gua-\r\nrantee", ("guarantee", "free"), ["free", "guarantee"]),
        ("ｆｒｅｅ", ("free",), ["free"]),
        ("frее", ("free",), ["free"]),
        ("f\u200br\u00ade\u2060e", ("free",), ["free"]),
        ("f\u0336r\u0336e\u0336e\u0336", ("free",), ["free"]),
        ("fréé 🅵🅡🅔🅔 ꜰʀᴇᴇ", ("free",), ["free", "free", "free"]),
        ("fr33 m0n3y, gu@rantee", ("free money", "guarantee"), ["free money", "guarantee"]),
        ("You can’t lose, you cant lose", ("can't lose",), ["can't lose", "can't lose"]),
        ("100% guarantee, 100 % guarantees", ("100% guarantee",), ["100% guarantee", "100% guarantee"]),
        ("100 guarantees were issued", ("100% guarantee",), []),
        ("model A55, part 455", ("ass",), []),
        ("", ("ass",), []),
    ],
)
@pytest.mark.req("A18")
def test_a_word_is_found_whole_and_through_a_disguise(text, entries, expected):
    """Words are found in any case, form, spacing and alphabet, phrases across a line end, and nothing inside a word."""
    assert hits(text, of(*entries)) == expected


@pytest.mark.parametrize(
    ("language", "entry", "forms"),
    [
        ("ru", "гарантия", "гарантия гарантии гарантию ГАРАНТИЕЙ гарантий г.а.р.а.н.т.и.я rарантия гаpaнтия"),
        ("ru", "гарантировать", "гарантируем гарантирую гарантировали гарантированный гарантированно"),
        ("ru", "лёгкий", "лёгкий легкий легкого лёгкая"),
        ("ru", "придурок", "придурок придурки придурков придурка"),
        ("ru", "прибыль", "прибыль прибыли прибылью"),
        ("pl", "gwarancja", "gwarancja gwarancji gwarancję GWARANCJĄ gwarancje gwarancją"),
        ("pl", "gwarantować", "gwarantujemy gwarantuję gwarantował gwarantowany gwarantowanych"),
        ("pl", "idiota", "idiota idioci idiotów idiotą"),
        ("pl", "pieniądze", "pieniądze pieniędzy pieniądzach pieniadze pieniędzmi"),
        ("kk", "кепілдік", "кепілдік кепілдікті кепілдігі кепілдіктер кепілдікпен кепилдик"),
        ("kk", "ақша", "ақша ақшаны ақшамен ақшаңыз ақшасы"),
        ("en", "promise", "promise promises promised promising"),
        ("en", "sue", "sue"),
    ],
)
@pytest.mark.req("A18")
def test_inflected_forms_are_found(language, entry, forms):
    """Every listed form of a word is found by its dictionary form."""
    assert [form for form in forms.split() if hits(form, of(entry, language=language)) != [entry]] == []


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("An idiot.", 3, 8),
        ("ﬁne ｉｄｉｏｔ", 4, 9),
        ("x\u200by i\u200bdiot!", 4, 10),
        ("i d i o t", 0, 9),
        ("İ idiot", 2, 7),
    ],
)
def test_a_hit_says_where(text, start, end):
    """A hit's range is one of the original text."""
    assert found(text, of("idiot")) == (Hit(entry="idiot", language="en", start=start, end=end),)


def test_each_list_is_matched_in_its_own_language():
    """A text is held against all lists, and a hit names its list's language."""
    text = "Act now, тупой kurwa ақымақ"
    assert [(hit.language, hit.entry) for hit in found(text, BUILT_IN)] == [
        ("en", "act now"),
        ("ru", "тупой"),
        ("pl", "kurwa"),
        ("kk", "ақымақ"),
    ]
    assert found(text, ()) == ()


def test_a_language_without_rules_is_matched_as_written():
    """Forms are known for four languages; elsewhere the word itself is looked for, disguises included."""
    lists = of("gratuit", language="fr")
    assert hits("GRATUIT, ｇratuit, gratuits", lists) == ["gratuit", "gratuit"]


# Reading lists.


def test_a_file_beside_the_policy_comes_first(tmp_path):
    """A list of the folder replaces the built-in one of its name, and its stem tells the language."""
    (tmp_path / "en.txt").write_text('\ufeff# ours\nunicorn  # a word\n\n"silver bullet"\r\n', encoding="utf-8")
    (tmp_path / "ru-custom.txt").write_text("панацея\n", encoding="utf-8")
    lists = load(["en.txt", "ru-custom.txt", "pl.txt"], tmp_path)
    assert [each.language for each in lists] == ["en", "ru", "pl"]
    assert lists[0].entries == ("unicorn", '"silver bullet"')
    assert hits("Unicorns, silver bullet, панацею, idiot", lists[:2]) == ["unicorn", "silver bullet", "панацея"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("en.txt", b"fine\nfr\xe2\x80\x8bee\n", "en.txt, line 2: .*U\\+200B ZERO WIDTH SPACE"),
        ("en.txt", b"# nothing\n\n", "en.txt: holds no entry"),
        ("en.txt", b"\xff\xfe", "en.txt: cannot be read"),
        ("en.txt", b"a\n!!!\n", "en.txt, line 2: has no letter or digit"),
        ("en.txt", b'"half quoted\n', "en.txt, line 1: an exact entry"),
        ("en.txt", b'a "middle" b\n', "en.txt, line 1: an exact entry"),
        ("en.txt", b"w " * 13, "en.txt, line 1: has more than 12 words"),
        ("nosuch.txt", None, "nosuch.txt: no such file"),
        ("../en.txt", None, "no path"),
        ("/etc/passwd", None, "no path"),
        ("en.md", None, "no path"),
        ("", None, "no path"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    """A missing, unreadable, empty or wrong list is an error that names the file, and the line where there is one."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load([name], tmp_path)


def test_without_a_folder_only_built_in_lists_exist():
    """A policy that came from a text has no folder beside it."""
    assert [each.name for each in load(["pl.txt"], None)] == ["pl.txt"]
    with pytest.raises(ConfigError, match=r"mine\.txt: no such file"):
        load(["mine.txt"], None)


def test_the_digest_is_of_the_entries():
    """Order, comments and file names leave the digest; an entry, its quotes or its language change it."""
    one = digest(of("a b", "c"))
    assert re.fullmatch("sha256:[0-9a-f]{64}", one)
    assert one == digest((StopList(name="en-x.txt", language="en", entries=("c", "a b")),))
    assert (
        len({one, digest(of("a b")), digest(of('"a b"', "c")), digest(of("a b", "c", language="pl")), digest(())}) == 5
    )
    assert digest(BUILT_IN) == digest(tuple(reversed(BUILT_IN)))


# Properties.


@given(st.text())
def test_any_text_is_read(text):
    """Nothing raises, and every range lies in the text."""
    for hit in found(text, BUILT_IN):
        assert 0 <= hit.start < hit.end <= len(text)


@given(st.text(alphabet="idiot IDİOTіо0.-_*@\u200b\u0336\n'", max_size=200))
def test_any_disguise_is_read(text):
    """Nothing raises where signs, digits and letters of two scripts are mixed."""
    found(text, BUILT_IN)


@given(st.text(alphabet="абвгдеёжзийклмнопрстуфхцчшщъыьэюяәғқңөұүһіąćęłńóśźżabcdefghijklmnopqrstuvwxyz", max_size=80))
def test_every_word_has_keys(word):
    """A word has at least one key in every language, and the same ones each time."""
    for language in [*LANGUAGES, "xx"]:
        assert keys(word, language)
        assert keys(word, language) == keys(word, language)


# How well it does: ordinary mail has no hit, bad sentences have one.

TO_CYRILLIC = str.maketrans("aeopcxyisk", "аеорсхуіѕк")
TO_LATIN = str.maketrans("аеорсхувнмткі", "aeopcxybhmtki")
DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "upper case": str.upper,
    "a line end for each space": lambda text: text.replace(" ", "\n"),
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "look-alikes": lambda text: text.translate(TO_LATIN if re.search("[а-я]", text) else TO_CYRILLIC),
    "zero width": lambda text: re.sub(r"(?<=\w)(?=\w)", "\u200b", text),
    "soft hyphens": lambda text: re.sub(r"(?<=\w\w)(?=\w)", "\u00ad", text),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
    "struck through": lambda text: re.sub(r"(\w)", "\\1\u0336", text),
    "stressed": lambda text: re.sub("([аоуеиыюяaoueiy])", "\\1\u0301", text, count=3),
    "spaced out": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "dotted": lambda text: " ".join(".".join(word.strip(".,!?")) if len(word) > 3 else word for word in text.split()),
    "starred": lambda text: " ".join("*".join(word) if len(word) > 3 else word for word in text.split()),
    "hyphenated": lambda text: re.sub(r"\b(\w{3})(\w{3,})", r"\1-\2", text),
    "divided at the line's end": lambda text: re.sub(r"\b(\w{3})(\w{3,})", r"\1-\n\2", text),
    "underscores": lambda text: text.replace(" ", "_"),
}


def sentences(text: str) -> list[str]:
    return [line.replace("¶", "\n") for line in text.strip().splitlines()]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.req("A18")
def test_ordinary_business_mail_has_no_hit(language):
    """More than sixty ordinary sentences a language, held against all lists: none is stopped."""
    clean = sentences(CLEAN[language])
    assert len(clean) > 60
    assert {text: hits(text, BUILT_IN) for text in clean if found(text, BUILT_IN)} == {}
    everything = " ".join(clean)
    assert hits(everything, BUILT_IN) == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.req("A18")
def test_bad_sentences_are_found(language):
    """At least 95 % of the bad sentences are found: inflected ones, and each of them in fifteen disguises."""
    bad = sentences(BAD[language])
    tried = [(name, disguise(text)) for name, disguise in DISGUISES.items() for text in bad]
    missed = [(name, text) for name, text in tried if not found(text, LISTS[language])]
    rate = 1 - len(missed) / len(tried)
    print(f"{language}: {len(tried) - len(missed)} of {len(tried)} found, {rate:.1%}")
    assert len(tried) > 60 and rate >= 0.95, missed
    assert [text for name, text in missed if name == "plain"] == []


CLEAN = {
    "en": """
Thank you for your order; it will ship on Monday.
Please find attached the invoice for March.
Our class on contract management starts at 10 am.
The assistant will assess the assets before the audit.
Could we move the call to Thursday afternoon?
The warranty covers parts and labour for 24 months.
We provide a two-year guarantee on all batteries.
Delivery is free for orders above 100 euros.
Feel free to call me if anything is unclear.
The results of the pilot are attached.
Your return was received and the refund is on its way.
The return on investment depends on your volumes.
We assess the risk of each supplier once a year.
The risk register was updated last week.
Money was transferred to the account on file.
The last item on the agenda is the budget.
This is the last day of the registration period.
Your contract expires today, please let us know if you wish to renew.
The profit and loss statement is in the shared folder.
We doubled our warehouse space this year.
The new machine doubles the output of line 2.
A massive update is planned for the weekend.
Passengers are asked to bring a passport.
The Scunthorpe office is closed on Friday.
Mr Dickinson and Ms Cockburn will join us.
Please press the button and wait for the assembly to finish.
The shuttle leaves from the hotel at 8:15.
We act on behalf of Acme Sp. z o.o.
Now is a good time to review the terms.
Would you like to act as our reference customer?
The offer is valid until 31 May.
If you have no objections, we will proceed.
There are no open questions from our side.
Secure payment is possible by card or transfer.
Income from rentals is reported quarterly.
Our success team will contact you tomorrow.
Approval of the budget is expected this week.
The guaranteed response time is four hours.
Guaranteed delivery before noon costs extra.
We cannot guarantee delivery before Friday.
Please double check your bank details.
The kick-off meeting is on Tuesday, back at the office.
The deposit is refundable within 14 days.
Fast response times matter to our clients.
The cash register is out of order.
Extra chairs were ordered for the meeting room.
Losses in transit are covered by the insurance.
The basement is flooded, the classic models are safe.
We hurried the shipment as you asked.
Shutters up to three metres are in stock.
Please shut the valve before maintenance.
The bus stops under the bridge.
The table under the window seats eight.
Our book of standards lists the approved documents.
The tax office asks for the documents by Friday.
The dumbbell set and the retardant fabric are in stock.
The price was fixed for twelve months.
Please do not miss the training on Wednesday.
Your ticket 4711 was closed; the fix is in version 2.4.
The catch of the door needs oil.
Cancel at any time; the remaining amount is returned.
I regret to inform you that Mr Nowak is on leave.
""",
    "ru": """
Спасибо за заказ, отправим его в понедельник.
Во вложении счёт за март.
Гарантия на оборудование составляет 24 месяца.
Гарантийный талон находится в коробке.
Мы даём гарантию на все аккумуляторы.
Срок гарантии истекает в июне.
Доставка бесплатная при заказе от 5000 рублей.
Звонок по России бесплатный.
Деньги поступили на счёт вчера.
Возврат денег занимает до десяти дней.
Прибыль компании за квартал указана в отчёте.
Доход от аренды отражён в таблице.
Результаты пилотного проекта приложены.
Результат испытаний будет в пятницу.
Мы оцениваем риски поставщиков раз в год.
Реестр рисков обновлён на прошлой неделе.
Страхование покрывает риск потери груза.
Только сегодня получил ваше письмо, отвечаю сразу.
Последний пункт повестки — бюджет.
Срок договора истекает сегодня, сообщите о продлении.
Оплатите, пожалуйста, счёт до пятницы.
Сообщите, пожалуйста, срочно ли нужен груз.
Документ подписан обеими сторонами.
Договор аренды действует до конца года.
Налоговая декларация подана в срок.
Просим направить документы в налоговую.
Тупик на схеме проезда обозначен красным.
Страхование грузов оформляется отдельно.
Скидка действует до 31 мая.
Удвоение складских площадей завершено.
Новая линия удвоит выпуск продукции.
Ваш менеджер Дуров Пётр свяжется с вами завтра.
Команда сопровождения позвонит вам во вторник.
Успех проекта зависит от сроков согласования.
Мы не успели согласовать смету, перенесём встречу.
Схема подключения серого кабеля во вложении.
Чёрная краска есть на складе.
Касса работает до восьми вечера.
Лёгкие материалы доставим курьером.
Быстрая доставка по городу, два часа.
Заработная плата перечисляется дважды в месяц.
Чудо-печка снята с производства.
Откат обновления выполнен, сервис работает.
Козлов и Сукачёв приедут на приёмку.
Сучок на доске допустим по ГОСТу.
Хлебозавод получил новую печь.
Оскорблений в переписке не допускаем.
Город Уржум, улица Мира, дом 5.
Рубашки и жакеты придут в среду.
Застрахуйте груз до отправки.
Скотч и упаковка включены в стоимость.
Мы знаем, где находится ваш склад.
Вы можете вернуть товар в течение 14 дней.
Условия конкурса указаны на сайте.
Пожалуйста, проверьте реквизиты ещё раз.
Заявка 4711 закрыта, исправление в версии 2.4.
Обналичивать чек не требуется, это электронный документ.
Расчётный счёт открыт в другом банке.
Подождите, пожалуйста, до четверга.
К сожалению, господин Новак в отпуске.
Дурная погода задержала рейс.
Мы не торопимся, и вы не торопитесь с ответом.
""",
    "pl": """
Dziękujemy za zamówienie, wyślemy je w poniedziałek.
W załączniku faktura za marzec.
Gwarancja na urządzenie wynosi 24 miesiące.
Karta gwarancyjna jest w pudełku.
Udzielamy gwarancji na wszystkie akumulatory.
Okres gwarancji kończy się w czerwcu.
Dostawa jest darmowa od 200 zł.
Pieniądze wpłynęły na konto wczoraj.
Zwrot pieniędzy trwa do dziesięciu dni.
Zysk spółki za kwartał podano w raporcie.
Dochód z najmu jest w tabeli.
Wyniki pilotażu są w załączniku.
Wynik badania będzie w piątek.
Ocena ryzyka dostawców odbywa się raz w roku.
Rejestr ryzyk zaktualizowano w zeszłym tygodniu.
Ubezpieczenie obejmuje ryzyko utraty ładunku.
Dziś mogę zadzwonić tylko po 15.
Ostatni punkt porządku obrad to budżet.
Umowa wygasa dzisiaj, prosimy o informację o przedłużeniu.
Prosimy o zapłatę faktury do piątku.
Proszę natychmiast zgłosić uszkodzenie przesyłki.
Dokument podpisały obie strony.
Umowa najmu obowiązuje do końca roku.
Deklaracja podatkowa została złożona w terminie.
Urząd skarbowy prosi o dokumenty.
Szmatka z mikrofibry jest w zestawie.
Rabat obowiązuje do 31 maja.
Podwoiliśmy powierzchnię magazynu.
Nowa linia podwoi produkcję.
Opiekun klienta skontaktuje się jutro.
Sukces projektu zależy od terminów.
Nie zdążyliśmy uzgodnić kosztorysu, przełóżmy spotkanie.
Czarna farba jest w magazynie.
Druk na czarno kosztuje 20 groszy.
Kasa działa do ósmej wieczorem.
Łatwy montaż, instrukcja w środku.
Szybka dostawa w mieście, dwie godziny.
Wynagrodzenie wypłacamy dwa razy w miesiącu.
Cud techniki wycofano z produkcji.
Kabel leży pod stołem w sali 3.
Lewa strona faktury jest nieczytelna.
Fakturę korygującą wyślemy jutro.
Pan Dupczyk i pani Sukiennik przyjadą na odbiór.
Sukno i sukienki dotrą w środę.
Sęk w desce jest dopuszczalny.
Proszę ubezpieczyć ładunek przed wysyłką.
Taśma i opakowanie są w cenie.
Wiemy, gdzie znajduje się Państwa magazyn.
Towar można zwrócić w ciągu 14 dni.
Zasady konkursu są na stronie.
Prosimy jeszcze raz sprawdzić dane do przelewu.
Zgłoszenie 4711 zamknięte, poprawka jest w wersji 2.4.
Rachunek prowadzimy w innym banku.
Prosimy poczekać do czwartku.
Niestety pan Nowak jest na urlopie.
Teraz albo po 16 mogę rozmawiać.
Proszę zamknąć zawór przed przeglądem.
Nie mamy uwag do projektu umowy.
Bez zamówienia nie wystawimy faktury.
Kurier przyjedzie między 9 a 11.
Chór firmowy zaprasza na koncert.
Spółka Acme Sp. z o.o. zmieniła adres, m.in. z powodu remontu.
""",
    "kk": """
Тапсырысыңызға рақмет, дүйсенбіде жібереміз.
Наурыз айының шоты тіркелген.
Жабдыққа кепілдік 24 ай.
Кепілдік талоны қорапта.
Барлық аккумуляторға кепілдік береміз.
Кепілдік мерзімі маусымда аяқталады.
Жеткізу тегін, 20 000 теңгеден бастап.
Қоңырау шалу тегін.
Ақша шотқа кеше түсті.
Ақшаны қайтару он күнге дейін созылады.
Компанияның тоқсандық пайдасы есепте көрсетілген.
Жалдаудан түскен табыс кестеде.
Сынақ жобасының нәтижелері тіркелген.
Сынақ нәтижесі жұмада болады.
Жеткізушілердің тәуекелін жылына бір рет бағалаймыз.
Тәуекелдер тізілімі өткен аптада жаңартылды.
Сақтандыру жүктің жоғалу тәуекелін өтейді.
Хатыңызды бүгін ғана алдым.
Күн тәртібінің соңғы тармағы — бюджет.
Шарттың мерзімі бүгін аяқталады.
Шотты жұмаға дейін төлеуіңізді сұраймыз.
Құжатқа екі тарап қол қойды.
Жалға алу шарты жыл соңына дейін жарамды.
Салық декларациясы уақытында тапсырылды.
Салық органы құжаттарды сұрайды.
Жеңілдік 31 мамырға дейін жарамды.
Қойма алаңын екі есе ұлғайттық.
Жаңа желі өнімді көбейтеді.
Менеджер ертең хабарласады.
Жобаның сәттілігі мерзімге байланысты.
Сметаны келісіп үлгермедік, кездесуді ауыстырайық.
Қара бояу қоймада бар.
Касса кешкі сегізге дейін жұмыс істейді.
Жеңіл материалдарды курьер жеткізеді.
Қала ішінде жылдам жеткізу, екі сағат.
Жалақы айына екі рет төленеді.
Есептің қосымшасын тексердік, есеп дұрыс.
Қаптама бағаға кіреді.
Тауарды 14 күн ішінде қайтаруға болады.
Байқау шарттары сайтта көрсетілген.
Деректемелерді қайта тексеріңіз.
4711 өтініш жабылды, түзету 2.4 нұсқада.
Шот басқа банкте ашылған.
Бейсенбіге дейін күтіңіз.
Өкінішке қарай, Новак мырза демалыста.
Аты-тегі мен тегін толық жазыңыз.
Қазір немесе 16-дан кейін сөйлесе аламыз.
Курьер 9 бен 11 арасында келеді.
Бізде сұрақ жоқ.
Ескерту: кілтті қайтарыңыз.
Мүмкіндік болса, жұмада кездесейік.
Бөлшектерді көтеру үшін кран керек.
Параметрлерді тексеріңіз.
Екінші пара құжат қосымшада.
Компания мекенжайын өзгертті.
Келісімшарттың көшірмесі тіркелген.
Кепілдік хатты алдық.
Пайда мен шығын туралы есеп дайын.
Дереу хабарласыңыз, егер жүк бүлінсе.
Тек бүгін қолым бос емес.
Оңай орнату, нұсқаулық ішінде.
Төлем картамен немесе аударыммен жасалады.
""",
}

BAD = {
    "en": """
Our plan brings guaranteed results in a week.
You get guaranteed returns every month.
We guarantee results or you pay nothing.
WE GUARANTEE YOUR PROFIT? No: we guarantee profits.
It comes with a 100% guarantee.
We are 100 % guaranteed to win.
There is no risk at all.
This is a risk-free deal.
These are risk free investments.
You have nothing to lose.
You simply can't lose.
You can’t lose with this fund.
Claim your free money.
It is easy¶money, trust me.
We doubled your money last year and will again double your money.
Get rich with us.
He got rich? You will be getting rich.
Become a millionaire by June.
This offer is too good to be true.
No strings attached!
Act now and sign.
It is your last chance to sign.
It's now or never.
Don't miss out.
Dont miss out on this.
You will regret it.
This is the final warning.
Hurry up and pay.
He took bribes from them.
They offered kickbacks.
We keep it off the books.
A payment under the table is fine.
They were avoiding taxes.
We can send a fake invoice.
Backdated papers are no problem.
You are an idiot.
What morons work there.
That was a stupidly simple task.
Stop acting like a jerk.
They are losers.
Those bastards owe us.
This is bullshit.
What a shitty service.
Fucking pay the invoice.
Shut up and sign.
You assholes!
Damned paperwork.
Go to hell.
""",
    "ru": """
Мы гарантируем результат.
Гарантирую вам прибыль? Да, гарантирую прибыль.
Гарантированная прибыль каждый месяц.
Получите гарантированную прибыль.
Речь о гарантированном доходе.
С гарантированными результатами.
Даём гарантию результата.
Вот гарантии дохода.
100% гарантия.
Работаем со 100 % гарантией.
Стопроцентной гарантии достаточно.
Инвестируйте без риска.
Инвестируйте без¶риска.
Без всяких рисков, без малейшего риска.
Это безрисковые вложения.
Нулевым риском никого не удивишь.
Вы ничем не рискуете.
Беспроигрышная лотерея.
Это лёгкие деньги.
Это легкие деньги.
Хотите быстрых денег?
Деньги даром каждому.
Удвоим ваши деньги за месяц.
Вы разбогатеете.
Станьте миллионером.
Это ваш последний шанс.
Сейчас или никогда!
Поторопитесь, места кончаются.
Не упустите выгоду.
Срочно оплатите счёт.
Немедленно оплатите долг.
Вы ещё пожалеете, вы пожалеете.
Последнее предупреждение.
Он берёт взятки.
Без взяток не обойтись.
Поможем обналичить.
Работаем через чёрную кассу.
Знаем, как уйти от налогов.
Предлагаем серые схемы.
Составим фиктивный договор.
Вы дурак.
Дураков хватает.
Какие идиоты это писали.
Это идиотское решение.
Они дебилы.
С этим придурком не работаем.
Тупые вопросы.
Сволочи, верните деньги.
Эти подонки молчат.
Козлы не платят.
Говна не держим.
Полное дерьмо.
Блядская работа: блядь.
Заткнитесь, то есть заткнись.
""",
    "pl": """
Gwarantujemy wyniki w tydzień.
Gwarantuję zysk każdemu.
Firma gwarantuje zyski.
To gwarantowany zysk.
Mówimy o gwarantowanych zyskach.
Z gwarantowanym sukcesem.
Dajemy gwarancję sukcesu.
Otrzymasz gwarancję zysku.
100% gwarancji.
Ze 100 % gwarancją.
Stuprocentowej gwarancji udzielamy.
Inwestuj bez ryzyka.
Inwestuj bez¶ryzyka.
Bez żadnego ryzyka.
Bez zadnego ryzyka.
Zero ryzyka.
Przy zerowym ryzyku.
Nic nie ryzykujesz.
Nie masz nic do stracenia.
To pewne zyski.
Szybkie zyski dla każdego.
Łatwe pieniądze.
Latwe pieniadze.
Łatwych pieniędzy szukasz?
Darmowe pieniądze dla nowych.
Rozdajemy pieniądze za darmo.
Podwoimy twoje pieniądze.
Zostaniesz milionerem.
Daje dochód pasywny.
Cudowne środki istnieją.
To ostatnia szansa.
Ostatniej szansy nie będzie.
Teraz albo nigdy!
Nie przegap okazji.
Pospiesz się.
Natychmiast zapłać.
Pożałujesz tego.
Ostatnie ostrzeżenie.
Wziął łapówkę.
Bez łapówek się nie uda.
Praca na czarno.
Wystawimy lewą fakturę.
Fikcyjne faktury to norma.
Pokażemy unikanie podatków.
Jesteś idiotą.
Co za idioci.
To idiotyczne.
Sami debile.
Z kretynem nie rozmawiam.
Głupcy nie płacą.
Głupia sprawa.
Ten dupek nie odpisuje.
Kurwy, oddajcie pieniądze.
Cholerna faktura.
Cholernych umów dość.
Spierdalaj stąd.
Zamknij się.
To gówno.
Jebany formularz.
""",
    "kk": """
Нәтижеге кепілдік береміз.
Нәтижелерге кепілдік бар.
Пайдаға кепілдік беремін.
Табысыңызға кепілдік.
100% кепілдік.
100 % кепілдікпен.
Жүз пайыз кепілдік.
Кепілдендірілген табыс аласыз.
Кепілдендірілген табысты ұсынамыз.
Кепілдендірілген пайдамен жұмыс.
Кепілдендірілген нәтижелер.
Бұл тәуекелсіз ұсыныс.
Тәуекелсіз¶инвестиция.
Ешқандай тәуекел жоқ.
Мұнда тәуекел жоқ.
Тегін ақша алыңыз.
Тегін ақшаны жіберіп алмаңыз.
Бұл оңай ақша.
Оңай ақшаға қызықсаңыз.
Жеңіл ақшаның жолы.
Жылдам ақша керек пе?
Оңай табыстың көзі.
Ақшаңызды екі еселейміз.
Миллионер болыңыз.
Бұл соңғы мүмкіндік.
Соңғы мүмкіндігіңіз осы.
Қазір немесе ешқашан!
Асығыңыз, орын аз.
Өкінесіз кейін.
Бұл соңғы ескерту.
Соңғы ескертуді оқыңыз.
Дереу төлеңіз.
Пара береміз.
Пара алуға дайын.
Салықтан жалтару жолы.
Жалған құжатпен келді.
Жалған құжаттар жасаймыз.
Жалған шоттар.
Жалған келісімшарттар.
Сен ақымақсың, ақымақ.
Ақымақтар көп.
Ақымақтың сөзі.
Топас адам.
Топастар жұмыс істейді.
Нақұрыспен сөйлеспеймін.
Мақаулар.
Есектер сияқты.
Оңбаған серіктес.
Арамзалар төлемейді.
Жексұрынның ісі.
Акымак адам.
""",
}
