#!/usr/bin/env python3
"""Runs the transcripts of the documentation as a reader would type them.

    tests/transcripts/run.py --runwatch target/debug/runwatch docs/writing-detectors.md

A transcript is a `console` block after a comment that names it:

    <!-- transcript python -->
    ```console
    $ runwatch detector new my-rule --lang python
    $ cd my-rule
    ```

Blocks of one name go on in the same folder. A command may be followed by what
it prints: then it must print that, where `…` stands for anything, alone on a
line for any lines. Names are joined by commas where several readers do the
same. A command whose exit code is not 0 says so: `# exit 1`. A
`diff` block after such a comment is applied to the folder, as an editor would,
and a block `<!-- transcript python file run.log -->` is written to that file.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BLOCK = re.compile(
    r"<!-- transcript (?P<name>\S+)(?: file (?P<file>\S+))? -->\n```(?P<kind>\w+)\n(?P<text>.*?)\n```",
    re.DOTALL,
)


class Failed(Exception):
    pass


def commands(text):
    """Pairs of a command and the lines that follow it."""
    found = []
    for line in text.split("\n"):
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            command, lines = found.pop()
            found.append((command[:-1] + line.strip(), lines))
        elif found:
            found[-1][1].append(line)
        else:
            raise Failed(f"a transcript begins with a command, not with {line!r}")
    return found


def matches(expected, printed):
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed)


class Session:
    """What one reader does, in a folder of his own."""

    def __init__(self, folder, environment):
        self.top = folder
        self.folder = folder
        self.environment = environment

    def run(self, command, expected):
        wanted = re.search(r"\s# exit (\d+)$", command)
        where = self.top / ".cwd"
        done = subprocess.run(
            ["bash", "-c", f'{command}\ncode=$?; pwd > "{where}"; exit $code'],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        printed = done.stdout.decode(errors="replace")
        if done.returncode != (int(wanted[1]) if wanted else 0):
            raise Failed(f"$ {command}\nended with {done.returncode}:\n{printed}")
        if expected and not matches(expected, printed):
            lines = "\n".join(expected)
            raise Failed(f"$ {command}\nshould print\n{lines}\nand printed\n{printed}")
        self.folder = pathlib.Path(where.read_text().strip())

    def block(self, block):
        kind, text = block["kind"], block["text"]
        if block["file"]:
            (self.folder / block["file"]).write_text(text + "\n")
        elif kind == "console":
            for command, expected in commands(text):
                while expected and not expected[-1].strip():
                    expected.pop()
                self.run(command, expected)
        elif kind == "diff":
            patch = ["patch", "--quiet", "-p1"]
            done = subprocess.run(
                patch, cwd=self.folder, input=text + "\n", text=True, capture_output=True
            )
            if done.returncode:
                raise Failed(f"the change does not apply:\n{text}\n{done.stdout}{done.stderr}")
        else:
            raise Failed(f"a transcript of {kind}?")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runwatch", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="this transcript alone")
    parser.add_argument("documents", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()

    transcripts = {}
    for document in arguments.documents:
        for block in BLOCK.finditer(document.read_text()):
            for name in block["name"].split(","):
                transcripts.setdefault((document.name, name), []).append(block)

    passed = failed = 0
    with tempfile.TemporaryDirectory() as shared:
        program = arguments.runwatch.resolve()
        tools = pathlib.Path(shared, "bin")
        tools.mkdir()
        (tools / "runwatch").symlink_to(program)
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": f"{shared}/cache",
            "XDG_STATE_HOME": f"{shared}/state",
            "XDG_CONFIG_HOME": f"{shared}/config",
        }
        for (document, name), blocks in transcripts.items():
            if arguments.only not in (None, name):
                continue
            folder = pathlib.Path(shared, name)
            folder.mkdir()
            session = Session(folder, environment)
            began = time.monotonic()
            try:
                for block in blocks:
                    session.block(block)
                passed += 1
                verdict = "ok"
            except (Failed, subprocess.TimeoutExpired) as problem:
                print(problem)
                failed += 1
                verdict = "FAILED"
            print(f"transcript {document} {name} ... {verdict} ({time.monotonic() - began:.0f} s)")
    word = "FAILED" if failed else "ok"
    print(f"test result: {word}. {passed} passed; {failed} failed;")
    sys.exit(bool(failed) or not passed)


main()
