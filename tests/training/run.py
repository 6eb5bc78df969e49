#!/usr/bin/env python3
"""Real trainings that go wrong, under runwatch: each must be caught, and stopped as configured.

    run.py --runwatch PATH --python PYTHON [--pipe] [NAME…]

PYTHON has torch, transformers, trl, accelerate, lightning and keras. First come
the examples of docs/integrations, in a training and for schedulers and
containers; then the scenarios of scenarios.py, each a tiny job, with the time
from the cause of the trouble to its alert and to the job's end. `--pipe` only
looks whether they are caught, by `job | runwatch`. NAMEs choose some.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import places
import scenarios
import snippets
from watched import watch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runwatch", required=True, type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--pipe", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    known = {example.__name__ for example in (*snippets.ALL, *places.ALL)}
    known |= {scenario.name for scenario in scenarios.ALL}
    if unknown := set(options.names) - known:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    chosen = set(options.names) or known
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="runwatch-cache-") as cache:
        warm_up(options.runwatch, cache)
        run_examples(options, chosen, cache, counts)
        run_scenarios(options, chosen, cache, counts)
    verdict = "FAILED" if counts["FAILED"] else "ok"
    print(f"test result: {verdict}. {counts['ok']} passed; {counts['FAILED']} failed; {counts['skipped']} ignored;")
    return 1 if counts["FAILED"] or not counts["ok"] else 0


def row(*cells):
    widths = (28, 30, 9, 9, 18, 8)
    print("".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip(), flush=True)


def seconds(value):
    return "-" if value is None else f"{value:.2f} s"


def run_examples(options, chosen, cache, counts):
    """Each in a folder of its own."""
    examples = {it: (options.python,) for it in snippets.ALL}
    if not options.pipe:
        examples |= {it: (options.runwatch, options.python, cache) for it in places.ALL}
    wanted = [(it, about) for it, about in examples.items() if it.__name__ in chosen]
    if not wanted:
        return
    row("example", "", "", "to stop", "", "all in")
    # Two at once: most of their time is one core's, for imports.
    with ThreadPoolExecutor(2) as pool:
        for example, verdict, took, wrong, all_in in pool.map(run_example, *zip(*wanted, strict=True)):
            counts[verdict] += 1
            row(example.__name__, "", "", seconds(took), verdict, f"{all_in:.0f} s")
            if wrong:
                print(wrong, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"a look for the halt file: {snippets.cost(folder):.1f} µs\n", flush=True)


def run_example(example, arguments):
    began = time.monotonic()
    took, wrong = None, ""
    with tempfile.TemporaryDirectory(prefix="runwatch-example-") as work:
        try:
            verdict, took = "ok", example(*arguments, work)
        except places.Skipped as skipped:
            verdict, wrong = "skipped", f"  {skipped}"
        except Exception:
            verdict, wrong = "FAILED", traceback.format_exc()
    return example, verdict, took, wrong, time.monotonic() - began


def run_scenarios(options, chosen, cache, counts):
    row("scenario", "caught by", "to alert", "to stop", "how it ended", "all in")
    for scenario in [it for it in scenarios.ALL if it.name in chosen]:
        began = time.monotonic()
        if options.pipe and not scenario.by_pipe:
            counts["skipped"] += 1
            row(scenario.name, "skipped: its output does not say it")
            continue
        outcome = watch(scenario, options.runwatch, options.python, cache, options.pipe)
        took = f"{time.monotonic() - began:.0f} s"
        if outcome.skipped:
            counts["skipped"] += 1
            row(scenario.name, f"skipped: {outcome.skipped}")
            continue
        verdict = "FAILED" if outcome.problems else "ok"
        counts[verdict] += 1
        row(scenario.name, outcome.caught_by or "-", seconds(outcome.alert), seconds(outcome.stop),
            outcome.how or "-", took, verdict)
        if outcome.problems:
            print("  " + "\n  ".join(outcome.problems), flush=True)


def warm_up(runwatch, cache):
    """Compiles the detectors, which takes seconds at the first start only."""
    command = [runwatch, "review", "--quiet", "/dev/null"]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", "HOME": cache, "XDG_CACHE_HOME": cache},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
