"""Writes `campaigns/examples/listas/novembro.csv`: an invented list with the faults of real ones.

Seeded, so that it always writes the same bytes. Every name, contract and number is invented; the
numbers lie in narrow made-up ranges (fixo 5000-0xxx, móvel 90000-xxxx) of several area codes.

    python tests/campaigns/make_novembro.py
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

OUTPUT = Path(__file__).parents[2] / "campaigns" / "examples" / "listas" / "novembro.csv"
CONTACTS = 300
HEADER = ["contrato", "nome", "celular", "fixo", "carteira", "vencimento", "valor"]

_FIRST = (
    "Abigaíl Benício Cássia Davi Estêvão Fátima Getúlio Heloísa Inês Jônatas Kátia Lúcio Mônica"
    " Nélio Otávio Pâmela Quitéria Régis Sônia Túlio Úrsula Vítor Wânia Xênia Yara Zélia"
)
_LAST = (
    "Açucena Brandão Conceição Damião Estrelão Falcão Gusmão Hortênsia Ipê Jequitibá Limoeiro"
    " Magalhães Nogueirão Oliveirão Pitangueira Quaresmeira Romãzeira Sucupira Taboão Umbuzeiro"
)
FIRST, LAST = _FIRST.split(), _LAST.split()
AREAS = ("48", "48", "48", "47", "11", "21", "31", "41", "51", "61", "71", "81", "85", "91", "97")
PORTFOLIOS = ("consignado", "cartão", "veículos", "imóveis")


def mobile(number: int) -> str:
    """Give the nine digits of an invented mobile."""
    return f"90000{number:04d}"


def landline(number: int) -> str:
    """Give the eight digits of an invented landline."""
    return f"50000{number:03d}"


def written(area: str, local: str, way: int) -> str:
    """Write a number in one of the six ways that occur."""
    start, end = local[:-4], local[-4:]
    return (
        f"({area}) {start}-{end}",
        f"{area}{local}",
        f"+55 {area} {start}-{end}",
        f"0{area} {start}-{end}",
        f"55{area}{local}",
        f"{area} {start} {end}",
    )[way % 6]


def contacts(draw: random.Random) -> list[list[str]]:
    """Invent the rows that are in order."""
    rows = []
    for n in range(CONTACTS):
        area = draw.choice(AREAS)
        has_mobile, has_landline = draw.random() < 0.8, draw.random() < 0.45
        celular = written(area, mobile(1000 + n * 7), n) if has_mobile or not has_landline else ""
        fixo = written(area, landline(n), n + 2) if has_landline else ""
        cents = draw.randrange(1_900, 480_000)
        rows.append(
            [
                f"NV-{10_000 + n * 13}",
                f"{draw.choice(FIRST)} {draw.choice(LAST)}",
                celular,
                fixo,
                draw.choice(PORTFOLIOS),
                f"{draw.randrange(1, 28):02d}/11/2026",
                f"{cents // 100}.{cents % 100:02d}".replace(".", ","),
            ]
        )
    return rows


def faults(rows: list[list[str]]) -> list[tuple[int, list[str]]]:
    """Invent the rows that are not in order, and where they stand."""

    def row(number: int, celular: str, fixo: str = "", contract: str | None = None) -> list[str]:
        contract = contract or f"NV-{90_000 + number}"
        return [contract, f"{FIRST[number]} {LAST[number]}", celular, fixo, "cartão", "", "0,00"]

    return [
        (7, row(0, "48 8000-4321")),  # a mobile from before the ninth digit
        (19, row(1, "0800 333 0001")),
        (33, row(2, "190")),
        (47, row(3, "", "")),
        (58, row(4, "(48) 90000-9004 / (48) 5000-0904")),  # two numbers in one cell
        (71, row(5, "4,83283E+09")),  # ruined by a spreadsheet
        (90, row(6, rows[12][2] or rows[12][3])),  # the number of an earlier row
        (104, row(7, "48 90000-9007", contract=rows[40][0])),  # the contract of an earlier row
        (121, row(8, "90000-9008")),  # no area code
        (137, row(9, "48 90000-9009 ramal 12")),
        (150, row(10, "0 15 48 90000-9010")),
        (163, row(11, "23 90000-9011")),  # an area code that does not exist
        (178, row(12, "4004-0012")),
        (190, row(13, "9090 48 90000-9013")),  # collect
        (202, row(14, "não informado", "(48) 5000-0914")),  # the second number saves it
        (215, row(15, "48 90000-90155")),  # a digit too many
        (228, row(16, "+1 212 555 0116")),
        (240, row(17, "00 55 48 90000-9017")),
        (252, row(18, "48 90000-9018", "48 5000-0918")[:5]),  # a row cut short
        (263, [*row(19, "48 90000-9019"), "sobra"]),  # a row with a cell too many
    ]


def lines() -> list[list[str]]:
    """Put rows in order and faults together."""
    rows = contacts(random.Random(20_261_101))
    for place, fault in faults(rows):
        rows.insert(place, fault)
    rows.insert(280, [])
    return [HEADER, *rows]


def main() -> None:
    """Write the list as a Brazilian back office would: semicolons, Windows-1252, CRLF."""
    OUTPUT.parent.mkdir(exist_ok=True)
    with OUTPUT.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\r\n").writerows(lines())


if __name__ == "__main__":
    main()
