"""The component's side of the contract in `wit/`. Nothing here is for you to
change: your rule is in `app.py`.

componentize-py wants a module and classes of these names.
"""

import builtins
import sys
import time


class _Clock:
    """Stream time, in seconds since 1970: the last that a row or tick had."""

    now = 0.0

    @classmethod
    def read(cls):
        return cls.now

    @classmethod
    def read_ns(cls):
        return int(cls.now * 1e9)


# The real clocks do not exist in there. Replaced before the rule is imported,
# which may have names of its own for them.
for _name in ("time", "monotonic", "perf_counter"):
    setattr(time, _name, _Clock.read)
    setattr(time, _name + "_ns", _Clock.read_ns)

import app
from componentize_py_types import Err
from runwatch_detector import Batch, Parameter, Refused, Series
from runwatch_detector import Detector as Rule
from wit_world import exports
from wit_world.exports import detector as contract
from wit_world.imports import log, types

FRAMES = 10
"""Frames told of an exception, from the innermost."""


def _rule():
    found = [
        thing
        for thing in vars(app).values()
        if isinstance(thing, type) and issubclass(thing, Rule) and thing.__module__ == "app"
    ]
    if len(found) != 1:
        raise ImportError(
            f"`app.py` has {len(found)} classes that inherit from `Detector`; it needs exactly one"
        )
    return found[0]


RULE = _rule()


class _Log:
    """What stands for standard output and standard error: whole lines go into
    runwatch's log. The real ones do not exist in there."""

    encoding = "utf-8"

    def __init__(self, level):
        self.level = level
        self.open = ""

    def write(self, text):
        *lines, self.open = (self.open + text).split("\n")
        if lines:
            log.log(self.level, "\n".join(lines))
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False

    def end(self):
        if self.open:
            self.write("\n")


OUTPUT = _Log("info")
ERRORS = _Log("warn")


class _NoFiles:
    """Python looks for modules in files, and there are none."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        raise ModuleNotFoundError(
            f"`{name}` is not in the component: import it at the top of `app.py`, "
            "where it is found when the component is built",
            name=name,
        )


def _no_open(file, *_, **__):
    raise PermissionError(f"a detector has no files, and so not `{file}`")


def _begin():
    """Once per instance, not at build time: what is virtual, or says why not,
    takes the place of what would end the call without a word."""
    if sys.stdout is OUTPUT:
        return
    sys.stdout, sys.stderr = OUTPUT, ERRORS
    builtins.open = _no_open
    from_files = [it for it in sys.meta_path if getattr(it, "__name__", "") == "PathFinder"]
    sys.meta_path[:] = [it for it in sys.meta_path if it not in from_files] + [_NoFiles]


def _report(error):
    """Tells of an exception in the form that runwatch shows as a fault's cause.
    `traceback.format_exc` would look for source files, and there are none."""
    frames, at = [], error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        # The glue's own frames help nobody.
        if not code.co_filename.endswith("detector.py"):
            file = code.co_filename.rpartition("/")[2]
            frames.append(f"    at {file}:{at.tb_lineno} in {code.co_name}")
        at = at.tb_next
    frames.reverse()
    if len(frames) > FRAMES:
        frames[FRAMES:] = [f"    at {len(frames) - FRAMES} more"]
    log.log("error", "\n".join([f"Uncaught {_one_line(error)}", *frames]))


def _one_line(error):
    text = " ".join(str(error).split())
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{line} (after {_one_line(cause)})" if cause else line


def _guarded(call):
    """A call from runwatch: an exception that leaves it is told and ends it."""

    def guarded(*arguments):
        _begin()
        try:
            return call(*arguments)
        except Err:
            raise
        except BaseException as error:
            OUTPUT.end()
            ERRORS.end()
            _report(error)
            # It is told; what CPython would print of it again is cut short.
            sys.stderr = None
            raise
        finally:
            OUTPUT.end()
            ERRORS.end()

    return guarded


def _parameter(parameter):
    return types.Parameter(
        parameter.name,
        parameter.kind,
        parameter.default,
        parameter.unit,
        parameter.doc,
        list(parameter.limits),
    )


def _doc():
    from_base = RULE.__doc__ == Rule.__doc__
    lines = ("" if from_base else RULE.__doc__ or "").strip().split("\n")
    return "\n".join(line.removeprefix("    ") for line in lines)


def _findings(found):
    return [_finding(finding) for finding in found or ()]


def _finding(finding):
    texts = [
        _is(str, f"`{name}` of a finding", getattr(finding, name))
        for name in ("key", "severity", "state", "title", "message", "recommendation")
    ]
    return types.Finding(
        *texts[:3],
        _is(int, "`row` of a finding", finding.row),
        *texts[3:],
        [(_is(str, "a value's name", name), float(it)) for name, it in finding.values.items()],
        list(finding.facts),
    )


def _is(kind, what, value):
    """Checked here, where it can be said: what does not fit ends the call."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is {value!r}, not of type {kind.__name__}")
    return value


class Detector(exports.Detector):
    @_guarded
    def describe(self):
        doc = _doc()
        return types.Description(
            RULE.name,
            RULE.version,
            RULE.summary,
            [_parameter(parameter) for parameter in RULE.parameters],
            [("doc", doc)] if doc else [],
        )


class Monitor(contract.Monitor):
    def __init__(self, rule):
        self.rule = rule
        self.series = {}

    @classmethod
    def open(cls, run, parameters):
        return _open(cls, run, parameters)

    @_guarded
    def interests(self):
        return [
            types.Interest(interest.kind, interest.pattern, list(interest.options))
            for interest in self.rule.interests()
        ]

    @_guarded
    def define(self, series):
        for one in series:
            self.series[one.index] = Series(one.index, one.name, one.source)

    @_guarded
    def observe(self, steps, times, ranks, indices, rows, values, texts):
        if times and times[-1] == times[-1]:
            _Clock.now = times[-1]
        batch = Batch(steps, times, ranks, indices, rows, values, texts, self.series)
        return _findings(self.rule.observe(batch))

    @_guarded
    def tick(self, now):
        _Clock.now = now
        return _findings(self.rule.tick(now))

    @_guarded
    def finish(self, outcome):
        return _findings(self.rule.finish(outcome))

    @_guarded
    def save(self):
        state = self.rule.save()
        return None if state is None else _is(bytes, "what `save` gives", state)

    @_guarded
    def restore(self, state):
        try:
            self.rule.restore(state)
        except Exception as error:
            raise Err(str(error) if isinstance(error, Refused) else _one_line(error)) from None


@_guarded
def _open(monitor, run, parameters):
    kinds: dict[str, Parameter] = {parameter.name: parameter for parameter in RULE.parameters}
    given = {name: kinds[name].parse(value) for name, value in parameters}
    try:
        return monitor(RULE(dict(run), given))
    except Refused as error:
        raise Err(str(error)) from None
