"""Is the value that came back the one that is written in the cell? One rule per type.

A rule is called with the text of a cell and with what JSON held for it, and returns None or what
is wrong. It looks at the written form too: 02134 may not become a number, whatever its value.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Optional, Tuple

Rule = Callable[[str, Any], Optional[str]]


class Number(str):
    """A number of JSON, as it is written there: json.loads would round it."""


def parse_row(line: bytes) -> dict:
    return json.loads(line, parse_int=Number, parse_float=Number)


INTEGER = re.compile(r"0|-?[1-9][0-9]*")
# No sign +, no leading zeros, no spaces, no separators: those are spellings a number forgets.
REAL = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
YEAR = r"([+-][0-9]{6,}|[0-9]{4})"
DAY = re.compile(YEAR + r"-([0-9]{2})-([0-9]{2})")
MOMENT = re.compile(
    YEAR + r"-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?(Z?)"
)
DECIMAL_TYPE = re.compile(r"decimal128\((\d+), ?(\d+)\)")


def text(cell: str, value: Any) -> Optional[str]:
    if value == cell and not isinstance(value, Number):
        return None
    # An empty cell is NULL, a quoted one the empty text; Python's reader shows both alike.
    return None if cell == "" and value is None else "is another text"


def int64(cell: str, value: Any) -> Optional[str]:
    if not INTEGER.fullmatch(cell):
        return "is no canonical integer, but the column is one of integers"
    if not -(2**63) <= int(cell) < 2**63:
        return "does not fit 64 bits, but the column has them"
    return None if isinstance(value, str) and value == cell else "is another integer"


def float64(cell: str, value: Any) -> Optional[str]:
    if not REAL.fullmatch(cell):
        return "is not written as a number, but the column is one of numbers"
    if not isinstance(value, Number):
        return "came back as something else than a number"
    written = _decimal(cell)
    if written is None or Decimal(repr(float(value))) != written or Decimal(value) != written:
        return "is another number"
    signs_differ = cell.startswith("-") != value.startswith("-")
    return "has another sign" if signs_differ else None


def decimal(cell: str, value: Any) -> Optional[str]:
    if not REAL.fullmatch(cell) or "e" in cell.lower():
        return "is not written as a decimal number, but the column is one of decimals"
    if not isinstance(value, str):
        return "came back as something else than a decimal"
    # The zero of a decimal column has no sign: -0 and 0 are one value here.
    same = _decimal(value) is not None and _decimal(value) == _decimal(cell)
    return None if same else "is another number"


class Boolean:
    """One style of writing in the whole column, or it could not be given back."""

    STYLES = ("true", "false"), ("True", "False"), ("TRUE", "FALSE")

    def __init__(self) -> None:
        self.style: Optional[Tuple[str, str]] = None

    def __call__(self, cell: str, value: Any) -> Optional[str]:
        style = next((each for each in self.STYLES if cell in each), None)
        if style is None:
            return "is neither true nor false, but the column is one of booleans"
        self.style = self.style or style
        if style != self.style:
            return "is written in another style than the cells above it"
        return None if value is (cell == style[0]) else "is the opposite"


def date(cell: str, value: Any) -> Optional[str]:
    written = _date(cell)
    if written is None:
        return "is no ISO date, but the column is one of dates"
    same = isinstance(value, str) and _date(value) == written
    return None if same else "is another date"


def timestamp(cell: str, value: Any) -> Optional[str]:
    return _same_moment(cell, value, "")


def timestamp_utc(cell: str, value: Any) -> Optional[str]:
    return _same_moment(cell, value, "Z")


def _same_moment(cell: str, value: Any, zone: str) -> Optional[str]:
    written = _moment(cell)
    if written is None or written[-1] != zone:
        return "has not the written form of the column's timestamps"
    same = isinstance(value, str) and _moment(value) == written
    return None if same else "is another moment"


def _decimal(number: str) -> Optional[Decimal]:
    try:
        return Decimal(number)
    except InvalidOperation:
        return None


def _date(written: str) -> Optional[tuple]:
    match = DAY.fullmatch(written)
    return _calendar_day(match) if match else None


def _moment(written: str) -> Optional[tuple]:
    match = MOMENT.fullmatch(written)
    day = _calendar_day(match) if match else None
    if match is None or day is None:
        return None
    hour, minute, second = (int(part) for part in match.group(4, 5, 6))
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (*day, hour, minute, second, int((match[7] or "").ljust(6, "0")), match[8])


def _calendar_day(match: re.Match) -> Optional[tuple]:
    # Not datetime.date: it knows no year 0 and none after 9999.
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return (year, month, day) if 1 <= month <= 12 and 1 <= day <= lengths[month - 1] else None


# By the Arrow name in the answer to an upload: the name in SQL, and the rule.
TYPES = {
    "utf8": ("VARCHAR", lambda: text),
    "int64": ("BIGINT", lambda: int64),
    "float64": ("DOUBLE", lambda: float64),
    "bool": ("BOOLEAN", Boolean),
    "date32[day]": ("DATE", lambda: date),
    "timestamp[us]": ("TIMESTAMP", lambda: timestamp),
    "timestamp[us, tz=UTC]": ("TIMESTAMP WITH TIME ZONE", lambda: timestamp_utc),
}


def rule_of(arrow_type: str) -> Optional[Tuple[str, Rule]]:
    """The type's name in SQL and a fresh rule for one column; None if there is no such type."""
    match = DECIMAL_TYPE.fullmatch(arrow_type)
    if match:
        return f"DECIMAL({match[1]},{match[2]})", decimal
    known = TYPES.get(arrow_type)
    return (known[0], known[1]()) if known else None


def wrong(rule: Rule, cell: str, value: Any) -> Optional[str]:
    """What is wrong with `value` as the value of `cell`; None if nothing is."""
    if value is None:
        return None if cell == "" else "is missing"
    if cell == "" and rule is not text:
        return "is there, though the cell is empty"
    return rule(cell, value)
