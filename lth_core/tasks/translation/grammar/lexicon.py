"""The words of the built-in corpus in both languages, with the forms that the grammar needs."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A noun: English and German forms; gender m, f or n; kinds that verbs choose their objects by.

    weak: uses the plural form in the accusative and dative singular (der Student, den Studenten).
    """

    english: str
    english_plural: str
    german: str
    german_plural: str
    gender: str
    kinds: frozenset[str]
    weak: bool

    def german_form(self, case: str, plural: bool) -> str:
        """The form for nom, acc or dat."""
        if plural:
            return self.german_plural + "n" * (case == "dat" and self.german_plural[-1] not in "ns")
        return self.german_plural if self.weak and case != "nom" else self.german


@dataclass(frozen=True)
class Adjective:
    """An adjective: English, German alone and before an ending (teuer, teur-), kinds of nouns that it fits."""

    english: str
    german: str
    stem: str
    kinds: frozenset[str]


@dataclass(frozen=True)
class Verb:
    """A verb: forms of both languages, and what it takes.

    frame: `acc`, `dat`, `both` (dative and accusative), `none`, `way` (a direction). objects: kinds of nouns that the
    accusative, or the dative of a `dat` verb, may be. singular: ich, du, er. prefix: the separable part, or empty.
    """

    base: str
    third: str
    past: str
    infinitive: str
    singular: tuple[str, str, str]
    participle: str
    prefix: str
    auxiliary: str
    frame: str
    objects: frozenset[str]


def _rows(table: str) -> Iterator[list[str]]:
    for line in table.strip().splitlines():
        yield [cell.strip() for cell in line.split("|")]


_NOUNS = """
man|men|Mann|Männer|m|person
woman|women|Frau|Frauen|f|person
child|children|Kind|Kinder|n|person
boy|boys|Junge|Jungen|m|person weak
girl|girls|Mädchen|Mädchen|n|person
teacher|teachers|Lehrer|Lehrer|m|person
student|students|Student|Studenten|m|person weak
friend|friends|Freund|Freunde|m|person
neighbour|neighbours|Nachbar|Nachbarn|m|person weak
sister|sisters|Schwester|Schwestern|f|person
brother|brothers|Bruder|Brüder|m|person
mother|mothers|Mutter|Mütter|f|person
guest|guests|Gast|Gäste|m|person
queen|queens|Königin|Königinnen|f|person
aunt|aunts|Tante|Tanten|f|person
customer|customers|Kunde|Kunden|m|person weak
dog|dogs|Hund|Hunde|m|animal
cat|cats|Katze|Katzen|f|animal
horse|horses|Pferd|Pferde|n|animal
bird|birds|Vogel|Vögel|m|animal
cow|cows|Kuh|Kühe|f|animal
sheep|sheep|Schaf|Schafe|n|animal
bear|bears|Bär|Bären|m|animal weak
book|books|Buch|Bücher|n|thing text
letter|letters|Brief|Briefe|m|thing text
newspaper|newspapers|Zeitung|Zeitungen|f|thing text
picture|pictures|Bild|Bilder|n|thing
key|keys|Schlüssel|Schlüssel|m|thing
bag|bags|Tasche|Taschen|f|thing lid
box|boxes|Kiste|Kisten|f|thing lid
table|tables|Tisch|Tische|m|thing made
chair|chairs|Stuhl|Stühle|m|thing made
lamp|lamps|Lampe|Lampen|f|thing made
bicycle|bicycles|Fahrrad|Fahrräder|n|thing made
car|cars|Auto|Autos|n|thing made
coat|coats|Mantel|Mäntel|m|thing clothes
hat|hats|Hut|Hüte|m|thing clothes
shirt|shirts|Hemd|Hemden|n|thing clothes
cup|cups|Tasse|Tassen|f|thing
glass|glasses|Glas|Gläser|n|thing
flower|flowers|Blume|Blumen|f|thing
gift|gifts|Geschenk|Geschenke|n|thing lid
apple|apples|Apfel|Äpfel|m|food
egg|eggs|Ei|Eier|n|food
potato|potatoes|Kartoffel|Kartoffeln|f|food
cake|cakes|Kuchen|Kuchen|m|food
house|houses|Haus|Häuser|n|place
garden|gardens|Garten|Gärten|m|place
school|schools|Schule|Schulen|f|place
church|churches|Kirche|Kirchen|f|place
kitchen|kitchens|Küche|Küchen|f|place room
city|cities|Stadt|Städte|f|place
village|villages|Dorf|Dörfer|n|place
forest|forests|Wald|Wälder|m|place
room|rooms|Zimmer|Zimmer|n|place room
office|offices|Büro|Büros|n|place room
"""

_ADJECTIVES = """
old|alt|alt|person animal thing place
young|jung|jung|person animal
big|groß|groß|person animal thing food place
small|klein|klein|person animal thing food place
new|neu|neu|person thing place
beautiful|schön|schön|person animal thing place
red|rot|rot|thing food
green|grün|grün|thing food
white|weiß|weiß|animal thing
black|schwarz|schwarz|animal thing
tired|müde|müd|person animal
friendly|freundlich|freundlich|person animal
clever|klug|klug|person animal
expensive|teuer|teur|thing food
cheap|billig|billig|thing food
dark|dunkel|dunkl|place
quiet|ruhig|ruhig|place person
heavy|schwer|schwer|thing
rich|reich|reich|person
poor|arm|arm|person
strong|stark|stark|person animal
good|gut|gut|person thing food
"""

_VERBS = """
see|sees|saw|sehen|sehe siehst sieht|gesehen||haben|acc|person animal thing place food
find|finds|found|finden|finde findest findet|gefunden||haben|acc|person animal thing food
look for|looks for|looked for|suchen|suche suchst sucht|gesucht||haben|acc|person animal thing
buy|buys|bought|kaufen|kaufe kaufst kauft|gekauft||haben|acc|thing food
sell|sells|sold|verkaufen|verkaufe verkaufst verkauft|verkauft||haben|acc|thing food
read|reads|read|lesen|lese liest liest|gelesen||haben|acc|text
write|writes|wrote|schreiben|schreibe schreibst schreibt|geschrieben||haben|acc|text
eat|eats|ate|essen|esse isst isst|gegessen||haben|acc|food
love|loves|loved|lieben|liebe liebst liebt|geliebt||haben|acc|person animal
visit|visits|visited|besuchen|besuche besuchst besucht|besucht||haben|acc|person place
hear|hears|heard|hören|höre hörst hört|gehört||haben|acc|person animal
paint|paints|painted|malen|male malst malt|gemalt||haben|acc|person animal thing place
carry|carries|carried|tragen|trage trägst trägt|getragen||haben|acc|thing
forget|forgets|forgot|vergessen|vergesse vergisst vergisst|vergessen||haben|acc|thing person
repair|repairs|repaired|reparieren|repariere reparierst repariert|repariert||haben|acc|made
need|needs|needed|brauchen|brauche brauchst braucht|gebraucht||haben|acc|thing food
ask|asks|asked|fragen|frage fragst fragt|gefragt||haben|acc|person
call|calls|called|anrufen|rufe rufst ruft|angerufen|an|haben|acc|person
open|opens|opened|aufmachen|mache machst macht|aufgemacht|auf|haben|acc|lid
close|closes|closed|zumachen|mache machst macht|zugemacht|zu|haben|acc|lid
pick up|picks up|picked up|abholen|hole holst holt|abgeholt|ab|haben|acc|person
invite|invites|invited|einladen|lade lädst lädt|eingeladen|ein|haben|acc|person
bring along|brings along|brought along|mitbringen|bringe bringst bringt|mitgebracht|mit|haben|acc|thing food
put on|puts on|put on|anziehen|ziehe ziehst zieht|angezogen|an|haben|acc|clothes
tidy up|tidies up|tidied up|aufräumen|räume räumst räumt|aufgeräumt|auf|haben|acc|room
throw away|throws away|threw away|wegwerfen|werfe wirfst wirft|weggeworfen|weg|haben|acc|thing food
help|helps|helped|helfen|helfe hilfst hilft|geholfen||haben|dat|person animal
thank|thanks|thanked|danken|danke dankst dankt|gedankt||haben|dat|person
follow|follows|followed|folgen|folge folgst folgt|gefolgt||sein|dat|person animal
answer|answers|answered|antworten|antworte antwortest antwortet|geantwortet||haben|dat|person
trust|trusts|trusted|vertrauen|vertraue vertraust vertraut|vertraut||haben|dat|person
listen to|listens to|listened to|zuhören|höre hörst hört|zugehört|zu|haben|dat|person
give|gives|gave|geben|gebe gibst gibt|gegeben||haben|both|thing food
show|shows|showed|zeigen|zeige zeigst zeigt|gezeigt||haben|both|thing place
send|sends|sent|schicken|schicke schickst schickt|geschickt||haben|both|thing
lend|lends|lent|leihen|leihe leihst leiht|geliehen||haben|both|thing
sleep|sleeps|slept|schlafen|schlafe schläfst schläft|geschlafen||haben|none|
work|works|worked|arbeiten|arbeite arbeitest arbeitet|gearbeitet||haben|none|
play|plays|played|spielen|spiele spielst spielt|gespielt||haben|none|
laugh|laughs|laughed|lachen|lache lachst lacht|gelacht||haben|none|
wait|waits|waited|warten|warte wartest wartet|gewartet||haben|none|
sing|sings|sang|singen|singe singst singt|gesungen||haben|none|
get up|gets up|got up|aufstehen|stehe stehst steht|aufgestanden|auf|sein|none|
fall asleep|falls asleep|fell asleep|einschlafen|schlafe schläfst schläft|eingeschlafen|ein|sein|none|
go|goes|went|gehen|gehe gehst geht|gegangen||sein|way|
run|runs|ran|laufen|laufe läufst läuft|gelaufen||sein|way|
drive|drives|drove|fahren|fahre fährst fährt|gefahren||sein|way|
come|comes|came|kommen|komme kommst kommt|gekommen||sein|way|
come back|comes back|came back|zurückkommen|komme kommst kommt|zurückgekommen|zurück|sein|way|
"""

NOUNS = tuple(
    Noun(en, ens, de, des, gender, frozenset(kinds.split()) - {"weak"}, "weak" in kinds.split())
    for en, ens, de, des, gender, kinds in _rows(_NOUNS)
)
ADJECTIVES = tuple(Adjective(en, de, stem, frozenset(kinds.split())) for en, de, stem, kinds in _rows(_ADJECTIVES))
VERBS = tuple(
    Verb(base, third, past, infinitive, (ich, du, er), participle, prefix, auxiliary, frame, frozenset(objects.split()))
    for base, third, past, infinitive, singular, participle, prefix, auxiliary, frame, objects in _rows(_VERBS)
    for ich, du, er in [singular.split()]
)

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_EINS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ZEHNER = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]


def number_words(value: int) -> tuple[str, str]:
    """A number in words, English and German: 2 to 12, or 20 to 99."""
    if value <= 12:
        return _ONES[value - 1], _EINS[value - 1]
    tens, ones = divmod(value, 10)
    english, german = _TENS[tens - 2], _ZEHNER[tens - 2]
    if not ones:
        return english, german
    return f"{english}-{_ONES[ones - 1]}", f"{'ein' if ones == 1 else _EINS[ones - 1]}und{german}"
