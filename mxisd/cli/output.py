"""How commands print: as text for people, or as JSON for other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol, TextIO, TypeAlias

Cell: TypeAlias = str | int | None


class Output(Protocol):
    """What commands print to.  Both implementations get the same content."""

    def line(self, text: str, **fields: object) -> None:
        """Print a line; ``fields`` is what it says, in a form that programs can read, and is in the JSON only."""
        ...

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table; ``name`` is its key in the JSON.  A table without rows prints nothing as text."""
        ...

    def error(self, text: str) -> None:
        """Print what went wrong, of one or several lines, to standard error."""
        ...

    def end(self) -> None:
        """Called once, after everything else."""
        ...


class TextOutput:
    """For people: each line is printed at once."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err

    def line(self, text: str, **fields: object) -> None:
        self._out.write(f"{_printable(text)}\n")
        self._out.flush()

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        if not rows:
            return
        lines = [[header.upper() for header in headers], *([_text(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        numbers = [all(isinstance(cell, int) for cell in column) for column in zip(*rows, strict=True)]
        for line in lines:
            cells = (
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, numbers, strict=True)
            )
            self.line("  ".join(cells).rstrip())

    def error(self, text: str) -> None:
        _write_error(self._err, text)

    def end(self) -> None:
        pass


class JsonOutput:
    """
    For programs: one JSON object at the end.

    It has all lines in ``lines``, all errors in ``errors``, each table by its name as a list of objects, and the fields
    of the lines.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._lines: list[str] = []
        self._errors: list[str] = []
        self._fields: dict[str, object] = {}

    def line(self, text: str, **fields: object) -> None:
        self._lines.append(text)
        self._fields |= fields

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        keys = [header.lower().replace(" ", "_") for header in headers]
        self._fields[name] = [dict(zip(keys, row, strict=True)) for row in rows]

    def error(self, text: str) -> None:
        self._errors += text.splitlines()
        _write_error(self._err, text)

    def end(self) -> None:
        content = {"lines": self._lines, "errors": self._errors, **self._fields}
        json.dump(content, self._out, ensure_ascii=False, indent=2)
        self._out.write("\n")
        self._out.flush()


def _write_error(err: TextIO, text: str) -> None:
    err.writelines(f"mxisd: {_printable(line)}\n" for line in text.splitlines())
    err.flush()


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else _printable(cell)


def _printable(text: str) -> str:
    """Other servers' answers are printed, too: they must not send control sequences to the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
