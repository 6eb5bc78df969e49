"""Holds runwatch's JSON against that of the published Trackio on the same data.

    python compare.py RUNWATCH FOLDER

logs two runs to Trackio and pipes them into RUNWATCH, asks both every command
that they share, and compares: Trackio's keys must come first and in its order,
types and values must be equal. Where they may differ, it says why (`LOOSE`,
`differences`). Everything is kept in FOLDER. Ends with 1 if anything differs.
"""

import contextlib
import io
import json
import math
import os
import subprocess
import sys
from datetime import datetime

RUNWATCH, FOLDER = sys.argv[1], sys.argv[2]
LEDGER = os.path.join(FOLDER, "ledger.sqlite")
os.environ["TRACKIO_DIR"] = os.path.join(FOLDER, "trackio")
os.environ["HF_HUB_OFFLINE"] = "1"

import trackio  # noqa: E402
from trackio import cli  # noqa: E402

LOOSE = {
    # Trackio has the time at which a batch was flushed, we have the record's.
    "timestamp": "time",
    # Trackio's is that of the first flush, ours that of the first record.
    "created_at": "time",
    # Trackio makes a random one; in our ledger a run is named by its name.
    "id": "text",
    # A log does not say what a run was configured with: ours is always {}.
    "config": "object",
}


def rows(run):
    """What a job prints: a loss, a metric with NaN and infinities, a slash."""
    shift = 0.25 if run == "b" else 0.0
    odd = {3: math.nan, 4: math.inf, 5: -math.inf}
    for step in range(40):
        row = {"loss": 2.0 - step / 64 + shift, "aux": odd.get(step, 0.5)}
        if step % 2 == 0:
            row["eval/accuracy"] = step / 128
        yield step, row


def watch(run):
    text = "".join(json.dumps({"step": step, **row}) + "\n" for step, row in rows(run))
    arguments = ["--quiet", "--project", "p", "--run", run, "--ledger", LEDGER]
    subprocess.run(
        [RUNWATCH, *arguments], input=text, text=True, check=True, stdout=subprocess.DEVNULL
    )


def log(run):
    """Logs the rows, and the alerts that runwatch made of them."""
    made = ours("list", "alerts", "--project", "p", "--run", run)[1]["alerts"]
    tracked = trackio.init(project="p", name=run)
    for step, row in rows(run):
        trackio.log(row, step=step)
    for alert in reversed(made):
        tracked.alert(
            title=alert["title"],
            text=alert["text"],
            level=trackio.AlertLevel(alert["level"]),
            step=alert["step"],
        )
    trackio.finish()


def strict(constant):
    raise ValueError(f"{constant} is not JSON")


def ours(*arguments):
    command = [RUNWATCH, *arguments, "--json", "--ledger", LEDGER]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout or "null", parse_constant=strict)


def theirs(*arguments):
    if arguments[0] == "query":
        arguments = ("query", "project", "--project", "p", *arguments[1:])
    out, code = io.StringIO(), 0
    sys.argv = ["trackio", *arguments, "--json"]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            cli.main()
    except SystemExit as end:
        code = end.code or 0
    # It prints bare NaN and Infinity, which no strict reader takes; Python's does.
    return code, json.loads(out.getvalue() or "null")


def kind(value):
    if isinstance(value, bool) or value is None:
        return str(value)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def plain(value):
    """Theirs in strict JSON: what is not finite is a text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def moment(text):
    return datetime.fromisoformat(text).utcoffset() is not None


def differences(mine, other, path):
    """What differs, each with its place."""
    other = plain(other)
    key = path.rsplit(".", 1)[-1]
    if LOOSE.get(key) == "time":
        if not (moment(mine) and moment(other)):
            yield f"{path}: {mine!r} and {other!r} are not both times"
    elif LOOSE.get(key) == "text":
        if not (isinstance(mine, str) and isinstance(other, str)):
            yield f"{path}: {mine!r} and {other!r} are not both texts"
    elif kind(mine) != kind(other):
        yield f"{path}: {mine!r} is no {kind(other)}, theirs is {other!r}"
    elif isinstance(other, dict):
        if LOOSE.get(key) == "object":
            return
        # We may have more keys, behind theirs.
        if list(mine)[: len(other)] != list(other):
            yield f"{path}: the keys {list(mine)} do not begin with {list(other)}"
            return
        for name in other:
            yield from differences(mine[name], other[name], f"{path}.{name}")
    elif isinstance(other, list):
        if len(mine) != len(other):
            yield f"{path}: {len(mine)} and {len(other)} of them"
        for at, (a, b) in enumerate(zip(mine, other)):
            yield from differences(a, b, f"{path}[{at}]")
    elif mine != other:
        yield f"{path}: {mine!r} is not {other!r}"


RUN = ("--project", "p", "--run", "a")
METRIC = ("get", "metric", *RUN, "--metric")
SHARED = [
    ("list", "projects"),
    ("list", "runs", "--project", "p"),
    ("list", "metrics", *RUN),
    ("list", "alerts", "--project", "p"),
    ("list", "alerts", *RUN),
    # Theirs are of exactly this level, ours of at least this one: the highest.
    ("list", "alerts", *RUN, "--level", "error"),
    ("list", "alerts", *RUN, "--since", "2020-01-01T00:00:00+00:00"),
    ("list", "alerts", *RUN, "--since", "2999-01-01T00:00:00+00:00"),
    ("get", "alerts", "--project", "p"),
    ("get", "project", "--project", "p"),
    ("get", "run", *RUN),
    (*METRIC, "loss"),
    (*METRIC, "aux"),
    (*METRIC, "eval/accuracy"),
    (*METRIC, "loss", "--step", "7"),
    (*METRIC, "loss", "--step", "0"),
    (*METRIC, "loss", "--step", "7000"),
    (*METRIC, "aux", "--around", "4", "--window", "2"),
    (*METRIC, "loss", "--around", "0", "--window", "2"),
    (*METRIC, "loss", "--around", "20"),
    ("get", "snapshot", *RUN, "--step", "4"),
    ("get", "snapshot", *RUN, "--step", "7"),
    ("get", "snapshot", *RUN, "--around", "20", "--window", "1"),
    ("get", "snapshot", *RUN, "--around", "3"),
    ("query", "--sql", "SELECT 1 AS one, 'x' AS two, NULL AS three, 0.5 AS half"),
    ("query", "--sql", "SELECT 1 AS one WHERE 0"),
]
MISSING = [
    ("list", "runs", "--project", "q"),
    ("list", "metrics", "--project", "p", "--run", "z"),
    ("get", "run", "--project", "p", "--run", "z"),
    (*METRIC, "zzz"),
    ("get", "snapshot", *RUN),
    ("query", "--sql", "DELETE FROM alerts"),
]


def check():
    for question in SHARED:
        (code, mine), (their_code, other) = ours(*question), theirs(*question)
        if (code, their_code) != (0, 0):
            yield question, f"ends with {code}, theirs with {their_code}"
            continue
        for difference in differences(mine, other, ""):
            yield question, difference
    for question in MISSING:
        (code, mine), (their_code, other) = ours(*question), theirs(*question)
        if not (code and their_code) or mine is not None or other is not None:
            yield question, f"ends with {code}, theirs with {their_code}: both should fail"

    # Theirs takes step 0 for no step at all.
    for place in ("--step", "--around"):
        question = ("get", "snapshot", *RUN, place, "0")
        if theirs(*question)[0] == 0 or not ours(*question)[1]["metrics"]["loss"]:
            yield question, "step 0 should be a step to us, and is none to them"

    # Theirs compares texts of two forms, and finds nothing on the same day.
    at = ours(*METRIC, "loss", "--step", "7")[1]["values"][0]["timestamp"]
    for question in [(*METRIC, "loss"), ("get", "snapshot", *RUN)]:
        question = (*question, "--at-time", at, "--window", "60")
        (_, mine), (_, other) = ours(*question), theirs(*question)
        if list(mine) != list(other):
            yield question, f"the keys {list(mine)} are not {list(other)}"
        found = mine.get("values") or mine["metrics"]["loss"]
        if 7 not in [value["step"] for value in found]:
            yield question, "the value of that time is not found"


for name in ("a", "b"):
    watch(name)
with contextlib.redirect_stdout(io.StringIO()):
    for name in ("a", "b"):
        log(name)
found = list(check())
for question, difference in found:
    print(f"{' '.join(question)}\n    {difference}")
print(f"{len(SHARED)} questions compared with Trackio {trackio.__version__}")
sys.exit(1 if found else 0)
