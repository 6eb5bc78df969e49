"""Write a runwatch detector in plain Python.

A detector is a class that inherits from `Detector`, says with class attributes
what it is, and has a few methods that runwatch calls. One object of the class
watches one run; whatever it remembers belongs into the object.

Nothing in this file knows about WebAssembly: `import app` works in an ordinary
Python, so that a rule can be tried and tested there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from math import isfinite, isnan
from typing import Any, ClassVar, NamedTuple

NO_RANK = 4294967295
"""The rank of a row whose line names none."""

NO_ROW = 4294967295
"""The row of a finding that belongs to no row (from `tick` and `finish`)."""


class Refused(Exception):
    """Raised in `__init__` or `restore`: a sentence for the user.

    In `__init__` it says why these parameters cannot be used, in `restore` why
    this state cannot; the monitor then starts without it.
    """


@dataclass(frozen=True)
class Parameter:
    """One setting of a detector. The user's value is checked against it before
    a monitor is opened."""

    name: str
    kind: str
    default: str
    unit: str = ""
    doc: str = ""
    limits: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def _new(name: str, kind: str, default: str, unit: str, doc: str, **limits: Any) -> Parameter:
        given = ((key, value) for key, value in limits.items() if value is not None)
        return Parameter(
            name, kind, default, unit, doc, tuple((key, number(value)) for key, value in given)
        )

    @staticmethod
    def integer(
        name: str,
        default: int,
        *,
        unit: str = "",
        doc: str = "",
        min: int | None = None,
        max: int | None = None,
    ) -> Parameter:
        """A whole number: an `int` in `parameters`."""
        return Parameter._new(name, "integer", str(default), unit, doc, min=min, max=max)

    @staticmethod
    def number(
        name: str,
        default: float,
        *,
        unit: str = "",
        doc: str = "",
        min: float | None = None,
        max: float | None = None,
    ) -> Parameter:
        """A finite number: a `float` in `parameters`."""
        return Parameter._new(name, "number", number(default), unit, doc, min=min, max=max)

    @staticmethod
    def boolean(name: str, default: bool, *, doc: str = "") -> Parameter:
        """A switch: a `bool` in `parameters`."""
        return Parameter._new(name, "boolean", "true" if default else "false", "", doc)

    @staticmethod
    def text(name: str, default: str, *, doc: str = "", choices: Sequence[str] = ()) -> Parameter:
        """A text: a `str` in `parameters`."""
        made = Parameter._new(name, "text", default, "", doc)
        return replace(made, limits=(("choices", ",".join(choices)),)) if choices else made

    @staticmethod
    def list(name: str, default: Sequence[str], *, doc: str = "") -> Parameter:
        """Texts joined by commas: a list of `str` in `parameters`."""
        return Parameter._new(name, "list", ",".join(default), "", doc)

    def parse(self, value: str) -> Any:
        """The value as Python has it."""
        match self.kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return value == "true"
            case "list":
                return [part.strip() for part in value.split(",") if part.strip()]
            case _:
                return value


@dataclass(frozen=True)
class Interest:
    """What a monitor wants to be told. Nothing else is sent to it."""

    kind: str
    pattern: str
    options: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def metric(pattern: str, *, edges: bool = False) -> Interest:
        """Numbers of the metrics whose canonical name matches; `*` stands for
        anything. With `edges` only the first value, every value that is not
        finite, and the first finite one after it."""
        return Interest("metric", pattern, (("values", "edges"),) if edges else ())

    @staticmethod
    def label(pattern: str) -> Interest:
        """Texts of the labels whose name matches."""
        return Interest("label", pattern)

    @staticmethod
    def text(needle: str) -> Interest:
        """Plain lines that contain `needle`."""
        return Interest("text", needle)

    @staticmethod
    def exception(pattern: str = "*") -> Interest:
        """Exceptions whose type matches."""
        return Interest("exception", pattern)

    @staticmethod
    def event(pattern: str) -> Interest:
        """What a line says that happened, by name: `cuda-oom`, `killed`, …"""
        return Interest("event", pattern)

    @staticmethod
    def row() -> Interest:
        """Every row, whatever is in it."""
        return Interest("row", "*")

    @staticmethod
    def tick(seconds: float, *, after: float | None = None) -> Interest:
        """A call of `tick` every so many seconds of stream time; with `after`
        only while no row has come for so long."""
        options = () if after is None else (("after", number(after)),)
        return Interest("tick", number(seconds), options)


@dataclass
class Finding:
    """A claim about a run, which runwatch checks and turns into an alert.

    Make one with `Finding.warning(...)` and its like.
    """

    key: str
    severity: str
    state: str
    row: int
    title: str = ""
    message: str = ""
    recommendation: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    facts: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def _firing(severity: str, key: str, row: int, options: dict[str, Any]) -> Finding:
        facts = []
        if options.pop("gather", False):
            facts.append(("ranks", "gather"))
        for name in ("route", "halt"):
            if (value := options.pop(name, None)) is not None:
                facts.append((name, value))
        return Finding(key, severity, "firing", row, facts=tuple(facts), **options)

    @staticmethod
    def info(key: str, row: int = NO_ROW, **options: Any) -> Finding:
        """Worth knowing. The options are those of `warning`."""
        return Finding._firing("info", key, row, options)

    @staticmethod
    def warning(key: str, row: int = NO_ROW, **options: Any) -> Finding:
        """Look when you can.

        `key` says what is wrong, not how much: the same trouble has the same
        key. Options: `title` (a few words), `message` (what happened, with
        numbers), `recommendation` (what to do; required), `values` (the numbers
        by name), `route` (the route it should take), `halt` (why the run should
        stop: only a wish), `gather` (all ranks may say this: make one alert).
        """
        return Finding._firing("warning", key, row, options)

    @staticmethod
    def critical(key: str, row: int = NO_ROW, **options: Any) -> Finding:
        """Look now. The options are those of `warning`."""
        return Finding._firing("critical", key, row, options)

    @staticmethod
    def resolved(key: str, row: int = NO_ROW, **options: Any) -> Finding:
        """The trouble under `key` has ended. Options: `title`, `message`,
        `recommendation`, `values`."""
        return Finding(key, "info", "resolved", row, **options)


@dataclass(frozen=True)
class Series:
    """A metric of this run."""

    index: int
    """The number that stands for it."""
    name: str
    """The canonical name, such as `loss`, or the printed one."""
    source: str
    """The name as the job printed it."""


class Point(NamedTuple):
    """One value with all that belongs to it."""

    step: int
    """The training step."""
    time: float
    """Seconds since 1970, NaN when unknown."""
    rank: int
    """The process, or `NO_RANK`."""
    series: int
    """The index of the series. (`series`, `rank`) is what state hangs on."""
    name: str
    """The canonical name of the series."""
    value: float
    """The value, which may be NaN or infinite."""
    row: int
    """The row in this batch, for findings."""


class Text(NamedTuple):
    """A text that an interest asked for."""

    row: int
    kind: str
    """`label`, `text`, `exception` or `event`."""
    name: str
    """The label's name, the needle, the exception's type, or the event's name."""
    content: str
    """The label's value, the line, or the exception's message."""
    fields: dict[str, str]
    """More, by kind: for exceptions `frame`, `traceback` and `chain`."""
    step: int
    time: float
    rank: int


class Batch:
    """Some rows of one run, as columns.

    `steps`, `times` and `ranks` have an entry per row; `indices`, `rows` and
    `values` an entry per value, ordered by row. `points()` walks over them; a
    rule that must be fast reads the columns.
    """

    __slots__ = ("steps", "times", "ranks", "indices", "rows", "values", "_texts", "series")

    def __init__(
        self,
        steps: Sequence[int],
        times: Sequence[float],
        ranks: Sequence[int],
        indices: Sequence[int],
        rows: Sequence[int],
        values: Sequence[float],
        texts: Sequence[Any],
        series: Mapping[int, Series],
    ) -> None:
        self.steps = steps
        self.times = times
        self.ranks = ranks
        self.indices = indices
        self.rows = rows
        self.values = values
        self._texts = texts
        self.series = series
        """Every series announced so far, by index."""

    def points(self) -> Iterator[Point]:
        """The values in the order in which the job printed them."""
        # Nothing here runs in Python per point: that takes a fraction of the
        # time of a generator.
        rows, indices = self.rows, self.indices
        if len(self.series) == 1:
            names: Iterable[str] = repeat(next(iter(self.series.values())).name)
        else:
            by_index = {index: series.name for index, series in self.series.items()}
            names = map(by_index.__getitem__, indices)
        return map(
            partial(tuple.__new__, Point),
            zip(
                map(self.steps.__getitem__, rows),
                map(self.times.__getitem__, rows),
                map(self.ranks.__getitem__, rows),
                indices,
                names,
                self.values,
                rows,
            ),
        )

    def texts(self) -> Iterator[Text]:
        """The texts in the order in which the job printed them."""
        for text in self._texts:
            row = text.row
            yield Text(
                row,
                text.kind,
                text.name,
                text.content,
                dict(text.fields),
                self.steps[row],
                self.times[row],
                self.ranks[row],
            )


Findings = Iterable[Finding] | None
"""What `observe`, `tick` and `finish` give back: `yield` each finding, or
return a list, or nothing."""


class Detector:
    """A rule that watches one run. Inherit from it in `app.py`.

    The docstring of your class is the detector's documentation, in Markdown.
    """

    name: ClassVar[str] = ""
    """Lower-case words joined by `-`."""
    version: ClassVar[str] = "0.1.0"
    """The detector's own version."""
    summary: ClassVar[str] = ""
    """One line: what it finds."""
    parameters: ClassVar[Sequence[Parameter]] = ()
    """Every parameter, in the order in which they are shown."""

    def __init__(self, run: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
        """Starts watching a run.

        `run` holds facts of it (`project`, `run`, `host`), `parameters` a valid
        value for every parameter. Raise `Refused` when they contradict each
        other.
        """

    def interests(self) -> Iterable[Interest]:
        """What this monitor wants to be told. Asked once; the answer may depend
        on the parameters and on nothing else."""
        raise NotImplementedError("a detector needs `interests`")

    def observe(self, batch: Batch) -> Findings:
        """Looks at new rows. How they are grouped into calls depends on how fast
        they arrive and must not change what is found."""
        return None

    def tick(self, now: float) -> Findings:
        """Time passed; `now` is in seconds since 1970, of the stream's clock.
        Only if an `Interest.tick` asked for it."""
        return None

    def finish(self, outcome: str) -> Findings:
        """The run ended: `completed`, `crashed`, `killed` or `unknown`."""
        return None

    def save(self) -> bytes | None:
        """The state, so that a restart goes on where it was."""
        return None

    def restore(self, state: bytes) -> None:
        """Takes back what `save` gave. Any exception means "not mine": the
        monitor then starts without it."""
        raise Refused("this detector keeps no state")


class Latch:
    """Remembers whether a finding is out, so that an episode is reported once."""

    __slots__ = ("is_set",)

    def __init__(self, is_set: bool = False) -> None:
        self.is_set = is_set

    def set(self) -> bool:
        """Sets the latch; true if it was not set before: time to report."""
        was_set, self.is_set = self.is_set, True
        return not was_set

    def clear(self) -> bool:
        """Clears the latch; true if it was set: time to report the end."""
        was_set, self.is_set = self.is_set, False
        return was_set


def number(value: float) -> str:
    """A number for a message: as many digits as it has, `2` and not `2.0`, and
    never an exponent."""
    if not isfinite(value):
        return "NaN" if isnan(value) else "inf" if value > 0 else "-inf"
    mantissa, _, exponent = repr(float(value)).partition("e")
    if exponent:
        sign = "-" if mantissa.startswith("-") else ""
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        digits, point = whole + fraction, len(whole) + int(exponent)
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        return sign + digits.ljust(point, "0")
    return mantissa.removesuffix(".0")
