#!/usr/bin/env python3
"""Writes small and middling CSV files that other tools read wrongly, without a word.

Usage: nasty_files.py FOLDER. FOLDER/sound holds files that have to be accepted and come back;
FOLDER/broken holds files that have to be refused.
"""

import gzip
import os
import random
import sys
from typing import Dict, Iterable, Union

Content = Union[str, bytes]

# Each is one column of its own, and all of them together are one: a type that fits most is a trap.
LOOKALIKES = {
    "leading-zeros": ["02134", "10001", "00501"],
    "separators": ["1_000", "2000", "3"],
    "plus": ["+7", "8", "9"],
    "exponents": ["1e3", "2000", "3"],
    "short-dates": ["11/6/18", "6/17/47", "12/31/99"],
    "yes-no": ["Yes", "no", "Yes"],
    "boolean-styles": ["true", "TRUE", "False"],
    "one-zero-true": ["1", "0", "true"],
    "spaces": [" 147", "148", "149 "],
    "nbsp": ["147", "148\u00a0", "149"],
    "other-digits": ["123", "\u0661\u0662\u0663", "\uff11\uff12"],
    "thousands": ['"1,000"', "2000", "3"],
    "comma-decimals": ['"1,5"', "2.5", "3"],
    "currency": ["$5", "6", "7"],
    "hex": ["0x1F", "31", "1"],
    "nan": ["NaN", "1.5", "2"],
    "infinities": ["inf", "-inf", "Infinity"],
    "nulls": ["NULL", "null", "\\N", "NA", "None", "-", "1"],
    "negative-zero": ["-0", "0", "1"],
    "negative-zero-real": ["-0.0", "0.0", "1.5"],
    "real-forms": [".5", "5.", "-.5", "0.50", "1.5"],
    "real-long": [".7009012320399926", "1.2248000000000001", "0.1"],
    "real-huge": ["1e308", "-1.7976931348623157e308", "5e-324", "2.5"],
    "real-too-huge": ["1e309", "1.5", "2"],
    "real-too-small": ["1e-400", "1.5", "2"],
    "real-in-large": ["9007199254740993", "1.5", "2"],
    "real-many-digits": ["0.1000000000000000055511151231257827", "1.5"],
    "decimal-38": ["12345678901234567890123456789012345678", "1", "-2"],
    "decimal-39": ["123456789012345678901234567890123456789", "1", "-2"],
    "decimal-mixed-scale": ["1.10", "2.123456789012345678", "123456789012345678.5", "7"],
    "decimal-too-wide": ["0.1234567890123456789012345678901234567", "99.5"],
    "decimal-trailing-zeros": ["1.2248000000000001", "1.1000000000000000000", "2.00"],
    "int64-limits": ["9223372036854775807", "-9223372036854775808", "0"],
    "int64-above": ["9223372036854775808", "1", "2"],
    "int64-below": ["-9223372036854775809", "1", "2"],
    "uint64-limit": ["18446744073709551615", "1", "2"],
    "int-beyond-2-53": ["9007199254740993", "9007199254740992", "1"],
    "ids-16-digits": ["4012888888881881", "0012888888881881", "4111111111111111"],
    "dates": ["2024-02-29", "1900-02-28", "9999-12-31", "0001-01-01"],
    "dates-invalid": ["2023-02-29", "2024-01-01", "2024-01-02"],
    "dates-year-zero": ["0000-01-01", "2024-01-01"],
    "dates-short": ["2024-1-5", "2024-01-06"],
    "dates-compact": ["20240105", "20240106"],
    "dates-and-times": ["2024-01-05", "2024-01-06T00:00:00"],
    "times-of-day": ["12:34:56", "23:59:59"],
    "timestamp-t": ["2024-01-05T12:34:56", "2024-01-05T12:34:56.123456"],
    "timestamp-space": ["2024-01-05 12:34:56", "1969-12-31 23:59:59.999999"],
    "timestamp-z": ["2024-01-05T12:34:56Z", "2024-01-05T12:34:56.5Z"],
    "timestamp-z-mixed": ["2024-01-05T12:34:56Z", "2024-01-05T12:34:56"],
    "timestamp-offset": ["2024-01-05T12:34:56+02:00", "2024-07-05T12:34:56+01:00"],
    "timestamp-zero-offset": ["2024-01-05T12:34:56+00:00", "2024-01-05T12:34:56Z"],
    "timestamp-nanoseconds": ["2024-01-05T12:34:56.123456789", "2024-01-05T12:34:56"],
    "timestamp-hour-24": ["2024-01-05T24:00:00", "2024-01-05T12:00:00"],
    "timestamp-leap-second": ["2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"],
    "timestamp-minutes": ["2024-01-05T12:34", "2024-01-05T12:35"],
    "timestamp-extremes": ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"],
    "uuid": ["01234567-89ab-cdef-0123-456789abcdef", "00000000-0000-0000-0000-000000000000"],
    "quotes-inside": ['a"b', '5" pipe', "'x'"],
    "quotes-doubled": ['"a ""b"" c"', '""""', '""""""'],
    "formula": ["=cmd|' /C calc'!A0", "@SUM(1)", "-1+1"],
    "emoji": ["\U0001f600", "e\u0301", "\u00e9", "\u202e"],
    "line-separators": ["a\u2028b", "c\u2029d", "e\u0085f", "g\x0bh", "i\x0cj"],
    "backslashes": ["a\\", "b\\n", '"c\\"'],
    "comment": ["#1", "# two", "3"],
}


def sound() -> Dict[str, Content]:
    files: Dict[str, Content] = {}
    for name, column in LOOKALIKES.items():
        rows = [f"{index},{cell},x" for index, cell in enumerate(column)]
        files[f"cells-{name}"] = table("id,value,end", rows)
        # The lookalikes late, behind more rows than any sample holds.
        if name in ("leading-zeros", "separators", "spaces", "nan", "dates-and-times"):
            calm = {"nan": "1.5", "dates-and-times": "2024-01-05"}.get(name, "17")
            files[f"late-{name}"] = table("id,value,end", [f"7,{calm},y"] * 60_000 + rows)
    mixed = [cell for column in LOOKALIKES.values() for cell in column]
    files["cells-all"] = table("id,value,end", [f"{n},{cell},x" for n, cell in enumerate(mixed)])
    numbers = [str(n) for n in range(60_000)]
    files["late-decimal"] = table("a,n", [f"x,{n}" for n in [*numbers, "12.75"]])
    files["late-timestamp"] = table("d,n", [f"2024-01-05,{n}" for n in numbers] + ["2024-01-05 12:00:00,1"])
    files["formula-two-lines"] = "a\n=cmd|' /C calc'!A0"
    files.update(sound_shapes())
    files.update(sound_bytes())
    files.update(sound_parts())
    return files


def table(header: str, rows: Iterable[str], end: str = "\n") -> str:
    return "".join(f"{line}{end}" for line in [header, *rows])


def sound_shapes() -> Dict[str, Content]:
    wide = [",".join(str(row * column) for column in range(1000)) for row in range(50)]
    return {
        "lines-crlf": table("a,b", ["1,x", '2,"y\r\nz"', "3,"], "\r\n"),
        "lines-cr": table("a,b", ["1,x", '2,"y\rz"', "3,"], "\r"),
        "lines-mixed": 'a,b\n1,x\r\n2,y\r3,"z\n\r"\r\n4,w',
        "lines-no-last": "a,b\n1,2",
        "lines-many-quoted": table("a,b", [f'{n},"one\ntwo\r\nthree {n}"' for n in range(30_000)]),
        "quotes-everywhere": table("a,b", [f'"{n}","say ""{n}"""' for n in range(30_000)]),
        "blank-lines": "\n\na,b\n1,2\n\n\n3,4\n\n",
        "blank-lines-crlf": "\r\na,b\r\n1,2\r\n\r\n3,4\r\n\r\n",
        "one-column": "a\n1\n\n3\n\n\n",
        "one-column-crlf": "a\r\n1\r\n\r\n3\r\n\r\n",
        "one-column-quoted-empty": 'a\n1\n""\n3\n""\n',
        "one-column-blanks-only": "a\n\n\n\n",
        "header-only": "a,b,c\n",
        "header-only-no-line-end": "a,b,c",
        "header-duplicates": "a,A,a,a_2,,,column_5,a\n1,2,3,4,5,6,7,8\n",
        "header-quoted": '"a,b","c\nd","e""f"\n1,2,3\n',
        "header-spaces": " a ,b c,\u00e9\n1,2,3\n",
        "header-of-numbers": "1,2,3\n4,5,6\n",
        "header-keywords": "select,from,table,rowid,filename\n1,2,3,4,5\n",
        "header-blank-cells": ",,\n1,2,3\n",
        "all-text": "name,city\nAnn,Basel\nBob,Bern\n",
        "semicolons": "a;b;c\n1;2,5;x|y\n",
        "tabs": "a\tb\tc\n1\t2,5\t x\n",
        "pipes": "a|b|c\n1|2,5|x;y\n",
        "empty-cells": table("a,b,c", [",,", '"",,x', "1,,", ',"",'] * 1000),
        "columns-1000": table(",".join(f"c{n}" for n in range(1000)), wide),
        "cell-long": table("a,b", [f"1,{'x' * 3_000_000}", '2,"' + "y,\n" * 500_000 + '"', "3,z"]),
        "rows-random": random_table(20_000),
    }


# Column by column: the cell of every row but the last ones, and a cell that widens the type late.
LATE_TURNS = {
    "int_real": ("7", "12.75"),
    "int_zip": ("10001", "02134"),
    "int_big": ("7", "9223372036854775808"),
    "int_decimal": ("9007199254740993", "0.5"),
    "real_decimal": ("1.5", "1.2248000000000001"),
    "decimal_scale": ("1.2248000000000001", "123456789012345678901234567.5"),
    "zero_signed": ("0", "-0"),
    "date_time": ("2024-01-05", "2024-01-05T12:00:00"),
    "time_zone": ("2024-01-05T12:00:00", "2024-01-05T12:00:00Z"),
    "bool_style": ("true", "TRUE"),
    "null_int": ("", "7"),
    "null_date": ("", "2024-01-05"),
    "int_null": ("7", ""),
    "text_quoted": ("x", '"x ""y""\nz"'),
}


def sound_parts() -> Dict[str, Content]:
    """Tens of megabytes: a converter that works part by part has to see all of the column."""
    calm = ",".join(cell for cell, _ in LATE_TURNS.values())
    late = ",".join(cell for _, cell in LATE_TURNS.values())
    header = ",".join(LATE_TURNS)
    return {
        "parts-late": table(header, [calm] * 400_000 + [late] + [calm] * 10),
        "parts-early": table(header, [late] + [calm] * 400_000),
        "parts-each-row-a-bom": table("a,b", ["\ufeff1,2"] * 1_500_000),
        "parts-each-row-empty": table("a,b", [","] * 3_000_000 + ["1,"]),
        "parts-each-row-quoted": table("a,b", [f'"{n}\n""",{n}' for n in range(800_000)]),
        "parts-random": random_table(500_000),
    }


def random_table(rows: int) -> str:
    rng = random.Random(20_240_229)
    pieces = ["a", "1", "02", "\u00e9", '"', ",", "\n", "\r", "\r\n", " ", ".5", "-", "", "\u20ac"]

    def quoted() -> str:
        text = "".join(rng.choices(pieces, k=rng.randrange(8)))
        return '"' + text.replace('"', '""') + '"'

    return table("q,n,d,r", (
        f"{quoted()},{rng.randrange(10**rng.randrange(1, 19))},{rng.randrange(10**6) / 1000},{rng.random()!r}"
        for _ in range(rows)
    ))


def sound_bytes() -> Dict[str, Content]:
    text = 'name,price\nZo\u00e9,"1,50 \u20ac"\n\u00fcber,2\n'
    return {
        "bytes-bom": b"\xef\xbb\xbf" + text.encode(),
        "bytes-bom-quoted-header": b'\xef\xbb\xbf"a","b"\r\n"1","2"\r\n',
        "bytes-utf16le": b"\xff\xfe" + text.encode("utf-16-le"),
        "bytes-utf16be": b"\xfe\xff" + text.replace("\n", "\r\n").encode("utf-16-be"),
        "bytes-utf16-astral": "a,b\n\U0001f600,\U00010000\n".encode("utf-16"),
        "bytes-cp1252": text.encode("cp1252"),
        "bytes-cp1252-late": ("a,b\n" + "x,1\n" * 60_000).encode() + "\u00e9,\u20ac\n".encode("cp1252"),
        "bytes-inner-bom": "a,b\n\ufeff1,2\n3,\ufeff\n".encode(),
        "bytes-controls": b"a,b\n\x01,\x1f\n\x7f,\x1b[0m\n\x1a,x\n",
        "bytes-noncharacters": "a,b\n\uffff,\ufffd\n\U0010ffff,x\n".encode(),
    }


def broken() -> Dict[str, Content]:
    return {
        "nothing": "",
        "blank-lines-only": "\n\r\n\n",
        "bom-only": b"\xef\xbb\xbf",
        "ragged-short": "a,b,c\n1,2,3\n4,5\n",
        "ragged-long": "a,b\n1,2\n3,4,5\n",
        "ragged-trailing-delimiter": "a,b\n1,2,\n3,4,\n",
        "ragged-late": table("a,b", ["1,2"] * 60_000 + ["3"]),
        "ragged-spaces-line": "a,b\n1,2\n  \n3,4\n",
        "quote-never-closed": 'a,b\n1,"x\n2,y\n',
        "quote-never-closed-late": table("a,b", ["1,2"] * 60_000 + ['3,"x']),
        "text-behind-quote": 'a,b\n1,"x"y\n',
        "space-behind-quote": 'a,b\n1,"x" \n"z" ,2\n',
        "nul": b"a,b\n1,\x00\n",
        "nul-late": b"a,b\n" + b"1,2\n" * 60_000 + b"3,\x00\n",
        "utf16-without-bom": "a,b\n1,2\n".encode("utf-16-le"),
        "utf16-odd-bytes": b"\xff\xfe" + "a,b\n1,2\n".encode("utf-16-le") + b"\x41",
        "utf16-lone-surrogate": b"\xff\xfe" + "a,b\n1,".encode("utf-16-le") + b"\x00\xd8\x0a\x00",
        "utf8-bom-then-latin1": b"\xef\xbb\xbfa,b\n1,\xe9\n",
        "bytes-in-no-encoding": b"a,b\n1,\x81\n",
        "binary": random.Random(1).randbytes(100_000),
    }


def write(folder: str, files: Dict[str, Content]) -> None:
    os.makedirs(folder, exist_ok=True)
    for name, content in files.items():
        with open(os.path.join(folder, f"{name}.csv"), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    write(os.path.join(sys.argv[1], "sound"), sound())
    write(os.path.join(sys.argv[1], "broken"), broken())
    with gzip.open(os.path.join(sys.argv[1], "compressed.csv.gz"), "wb") as file:
        file.write(b"a,b\n1,02134\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
