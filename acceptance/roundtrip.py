#!/usr/bin/env python3
"""Sends every CSV file below a folder to a lakehouse and looks for each of its cells again.

The file is read by Python's csv module and compared, cell by cell and in order, with what
POST /sql gives back. Needs Python 3.9 and nothing else. Exit code 0: nothing was changed; 1: a
cell was, or the server failed; 2: it could not be tried.
"""

import argparse
import collections
import contextlib
import itertools
import json
import os
import re
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterator, List, Optional

sys.dont_write_bytecode = True

import cells  # noqa: E402
import csv_reader  # noqa: E402
from lakehouse import Lakehouse, Refused, Unreachable, started  # noqa: E402

SUFFIXES = tuple(base + gz for base in (".csv", ".tsv", ".txt") for gz in ("", ".gz"))
EXCERPT_LENGTH = 120


@dataclass
class Change:
    """One cell that is not what the file holds, or a part of the table that is not there."""

    row: Optional[int]
    line: Optional[int]
    column: Optional[str]
    cell: Any
    came_back: Any
    what: str

    def __str__(self) -> str:
        place = f"row {self.row} (line {self.line}), " if self.row else ""
        column = f"column {self.column!r}: " if self.column is not None else ""
        values = f" — the file has {_excerpt(self.cell)}, back came {_excerpt(self.came_back)}"
        return f"{place}{column}{self.what}{values}"


@dataclass
class Outcome:
    """What became of one file."""

    file: str
    verdict: str = "exact"
    accepted: bool = False
    rows: int = 0
    columns: int = 0
    encoding: str = ""
    types: Dict[str, int] = field(default_factory=dict)
    changes: int = 0
    first_change: Optional[Change] = None
    refusal: Optional[Dict[str, Any]] = None
    detail: str = ""
    seconds: float = 0.0

    def changed(self, change: Change) -> None:
        self.verdict = "CHANGED"
        self.changes += 1
        self.first_change = self.first_change or change

    def differs(self, what: str, expected: Any, came_back: Any) -> bool:
        """Records a difference that is no cell's."""
        if expected == came_back:
            return False
        self.changed(Change(None, None, None, expected, came_back, what))
        return True


def judge(lake: Lakehouse, path: str, shown: str, name: str) -> Outcome:
    outcome = Outcome(shown)
    begin = time.monotonic()
    try:
        answer = lake.ingest(name, path)
        compare(lake, path, name, answer, outcome)
        lake.delete(name)
    except Refused as refused:
        judge_refusal(lake, name, refused, outcome)
    except csv_reader.Unreadable as error:
        outcome.differs(f"accepted, but a strict reader stops: {error}", "no rows", "rows")
    outcome.seconds = round(time.monotonic() - begin, 3)
    return outcome


def judge_refusal(lake: Lakehouse, name: str, refused: Refused, outcome: Outcome) -> None:
    code, detail = refused.problem.get("code"), refused.problem.get("detail", "")
    outcome.detail = f"{refused.status} {code}: {detail}"
    if outcome.accepted or refused.status >= 500 or code is None:
        outcome.verdict = "FAILED"
    elif lake.has_dataset(name):
        outcome.verdict, outcome.detail = "FAILED", f"refused, but stored: {outcome.detail}"
    else:
        outcome.verdict, outcome.refusal = "refused", refused.problem


def compare(lake: Lakehouse, path: str, name: str, answer: Dict[str, Any], outcome: Outcome) -> None:
    report = answer["report"]
    columns = answer["manifest"]["columns"]
    outcome.accepted = True
    outcome.rows, outcome.columns = answer["row_count"], len(columns)
    outcome.types = dict(collections.Counter(column["type"] for column in columns))
    outcome.encoding = csv_reader.encoding_of(path)
    if outcome.differs("the encoding", outcome.encoding, report["encoding"]):
        return
    delimiter = csv_reader.delimiter_of(path, outcome.encoding)
    if outcome.differs("the delimiter", delimiter, report["delimiter"]):
        return
    names, records = csv_reader.read(path, outcome.encoding, delimiter)
    if outcome.differs("the columns", names, [column["name"] for column in columns]):
        return
    rules = [cells.rule_of(column["type"]) for column in columns]
    unknown = [column["type"] for column, rule in zip(columns, rules) if rule is None]
    if outcome.differs("types without a rule", [], unknown):
        return
    sql_types = [(name, rule[0]) for name, rule in zip(names, rules)]
    if outcome.differs("the types in SQL", sql_types, lake.sql_types(name)):
        return
    with contextlib.closing(records), lake.rows(name) as lines:
        nulls = compare_rows(names, [rule for _, rule in rules], records, lines, outcome)
    outcome.differs("the counts of nulls", nulls, [each["null_count"] for each in report["columns"]])
    outcome.differs("row_count of the manifest", outcome.rows, answer["manifest"]["row_count"])


def compare_rows(
    names: List[str],
    rules: List[cells.Rule],
    records: Iterator[csv_reader.Record],
    lines: Iterator[bytes],
    outcome: Outcome,
) -> List[int]:
    """Returns how many nulls came back in each column."""
    nulls = [0] * len(names)
    in_file = in_sql = 0
    for record, line in itertools.zip_longest(records, lines):
        in_file += record is not None
        in_sql += line is not None
        if record is None or line is None:
            continue
        came_back = cells.parse_row(line)
        if len(record.cells) != len(names) or list(came_back) != names:
            what = "the record has not the columns of the header"
            outcome.changed(Change(in_file, record.line, None, record.cells, came_back, what))
            continue
        for index, (cell, value) in enumerate(zip(record.cells, came_back.values())):
            nulls[index] += value is None
            what = cells.wrong(rules[index], cell, value)
            if what is not None:
                outcome.changed(Change(in_file, record.line, names[index], cell, value, what))
    outcome.differs("the number of rows in SQL", in_file, in_sql)
    outcome.differs("the number of rows in the answer", in_file, outcome.rows)
    return nulls


def _excerpt(value: Any) -> str:
    shown = value if isinstance(value, cells.Number) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= EXCERPT_LENGTH else f"{shown[:EXCERPT_LENGTH]}… ({len(shown)})"


def find_files(folder: str) -> List[str]:
    return sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )


def run(lake: Lakehouse, folder: str, files: List[str]) -> List[Outcome]:
    """Judges one file after the other and prints a line for each."""
    shown = [os.path.relpath(path, folder) for path in files]
    width = min(60, max(map(len, shown)))
    token = secrets.token_hex(4)
    print(f"{'file':{width}}  {'rows':>9}  {'columns':>7}  {'encoding':12}  verdict")
    outcomes = []
    for number, (path, label) in enumerate(zip(files, shown), 1):
        name = f"roundtrip-{token}-{number}-{re.sub('[^A-Za-z0-9]+', '-', label)[-60:]}"
        outcome = judge(lake, path, label, name)
        outcomes.append(outcome)
        accepted = outcome.rows, outcome.columns, outcome.encoding
        rows, columns, encoding = accepted if outcome.accepted else ("", "", "")
        verdict = f"{outcome.verdict}  {outcome.detail}".rstrip()
        print(f"{label:{width}}  {rows:>9}  {columns:>7}  {encoding:12}  {verdict}", flush=True)
        if outcome.first_change:
            print(f"    {outcome.first_change}")
    return outcomes


def print_score(outcomes: List[Outcome], minimum_percent: float) -> bool:
    """True if nothing was changed, nothing failed, and enough was accepted."""
    accepted = [each for each in outcomes if each.accepted]
    refused = [each for each in outcomes if each.verdict == "refused"]
    changed = [each for each in outcomes if each.verdict == "CHANGED"]
    failed = [each for each in outcomes if each.verdict == "FAILED"]
    types: collections.Counter = collections.Counter()
    for each in accepted:
        types.update(each.types)
    reasons = collections.Counter(_reason(each.refusal or {}) for each in refused)
    percent = 100 * len(accepted) / len(outcomes)
    print(f"\ncolumns by type: {', '.join(f'{n} {name}' for name, n in types.most_common())}")
    for reason, count in reasons.most_common():
        print(f"refused for {reason}: {count}")
    print(
        f"score: {len(outcomes)} files, {len(accepted)} accepted ({percent:.1f} %), "
        f"{len(refused)} refused, {len(failed)} failed, "
        f"{sum(each.changes for each in changed)} silent changes in {len(changed)} files, "
        f"{sum(each.rows * each.columns for each in accepted)} cells compared"
    )
    if percent < minimum_percent:
        print(f"fewer than {minimum_percent:g} % were accepted")
    return not changed and not failed and percent >= minimum_percent


def _reason(problem: Dict[str, Any]) -> str:
    reason = problem.get("reason")
    return f"{problem['code']} ({reason})" if reason else str(problem["code"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="*.csv, *.tsv and *.txt below it, also with .gz")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="a server that runs already; without it one is started")
    where.add_argument("--binary", help="the program to start; without it the sources, by bun")
    parser.add_argument("--json", metavar="OUT", help="write every outcome into this file")
    parser.add_argument(
        "--minimum", type=float, default=0, metavar="PERCENT", help="fail if fewer are accepted"
    )
    options = parser.parse_args()
    files = find_files(options.folder)
    if not files:
        print(f"{options.folder}: no file to try", file=sys.stderr)
        return 2
    server = contextlib.nullcontext(Lakehouse(options.url)) if options.url else started(options.binary)
    try:
        with server as lake:
            outcomes = run(lake, options.folder, files)
    except Unreachable as error:
        print(error, file=sys.stderr)
        return 2
    passed = print_score(outcomes, options.minimum)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump([asdict(each) for each in outcomes], out, indent=1)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
