"""Reads a CSV file with Python's csv module: an eye that shares no code with the server.

What is taken from the server's answer (encoding, delimiter) is checked here, not believed.
"""

import codecs
import csv
import gzip
import io
from typing import Iterator, List, NamedTuple, Tuple

DELIMITERS = (",", "\t", ";", "|")
BLOCK_BYTES = 1 << 20
# Larger than any cell the server takes; sys.maxsize does not fit a C long everywhere.
csv.field_size_limit(2**31 - 1)

# By the name the server reports: the codec that drops the byte order mark and is strict.
PYTHON_CODECS = {
    "utf-8": "utf-8-sig",
    "utf-16le": "utf-16",
    "utf-16be": "utf-16",
    "windows-1252": "cp1252",
}


class Unreadable(Exception):
    """The file is not what the server's answer says it is."""


class Record(NamedTuple):
    line: int
    cells: List[str]


def open_bytes(path: str):
    return gzip.open(path, "rb") if path.lower().endswith(".gz") else open(path, "rb")


def encoding_of(path: str) -> str:
    """By byte order mark, else UTF-8 if every byte is, else Windows-1252."""
    with open_bytes(path) as file:
        head = file.read(3)
        if head[:2] == codecs.BOM_UTF16_LE:
            return "utf-16le"
        if head[:2] == codecs.BOM_UTF16_BE:
            return "utf-16be"
        decoder = codecs.getincrementaldecoder("utf-8")("strict")
        try:
            decoder.decode(head)
            for block in iter(lambda: file.read(BLOCK_BYTES), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "windows-1252"
    return "utf-8"


def open_text(path: str, encoding: str) -> io.TextIOWrapper:
    # newline="" hands line ends on as they are: inside quotes they are data.
    codec = PYTHON_CODECS[encoding]
    return io.TextIOWrapper(open_bytes(path), encoding=codec, errors="strict", newline="")


def delimiter_of(path: str, encoding: str) -> str:
    """The candidate that cuts the first record into the most cells, the earlier of equals."""
    return max(DELIMITERS, key=lambda each: len(_first_record(path, encoding, each)))


def _first_record(path: str, encoding: str, delimiter: str) -> List[str]:
    with open_text(path, encoding) as text:
        return next((cells for cells in csv.reader(text, delimiter=delimiter) if cells), [])


def unique_names(cells: List[str]) -> List[str]:
    """An empty name is column_<position>; later equals get the first free _2, _3, …"""
    written = {cell.lower() for cell in cells if cell != ""}
    taken = set()
    names = []
    for position, cell in enumerate(cells, 1):
        base = cell if cell != "" else f"column_{position}"
        name, number = base, 2
        while name.lower() in taken or (name.lower() in written and not (name == cell)):
            name, number = f"{base}_{number}", number + 1
        taken.add(name.lower())
        names.append(name)
    return names


def read(path: str, encoding: str, delimiter: str) -> Tuple[List[str], Iterator[Record]]:
    """The names of the columns, and the records. Raises Unreadable, also while iterating."""
    records = _records(path, encoding, delimiter)
    header = next(records, None)
    if header is None:
        raise Unreadable("it has no header")
    names = unique_names(header.cells)
    return names, _without_blank_lines(records, len(names))


def _records(path: str, encoding: str, delimiter: str) -> Iterator[Record]:
    with open_text(path, encoding) as text:
        reader = csv.reader(text, delimiter=delimiter, quotechar='"', doublequote=True, strict=True)
        try:
            # Blank lines before the header are none of its records.
            header = next((cells for cells in reader if cells), None)
            if header is None:
                return
            yield Record(reader.line_num, header)
            for cells in reader:
                yield Record(reader.line_num, cells)
        except (csv.Error, UnicodeError) as error:
            raise Unreadable(f"line {reader.line_num}: {error}") from error


def _without_blank_lines(records: Iterator[Record], width: int) -> Iterator[Record]:
    """A blank line is no record; where there is one column it is an empty cell, but not at the end."""
    blank_lines = []
    for record in records:
        if not record.cells:
            if width == 1:
                blank_lines.append(Record(record.line, [""]))
            continue
        yield from blank_lines
        blank_lines.clear()
        yield record
