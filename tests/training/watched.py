"""Runs one scenario under runwatch, and measures from its cause."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import cgroup
from scenarios import GOES_ON, HALT, ITSELF, KILL, LISTENS, SILENCE, TERM

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "docs" / "integrations"
START = 240.0  # seconds until the cause; imports are slow on a loaded machine
ALERT = 60.0  # from the cause to the alert
STOP = 90.0  # from the alert to the end
LOOK = 0.02


class Outcome:
    """What happened; times are in seconds from the cause."""

    def __init__(self):
        self.alert = self.stop = None
        self.caught_by = ""
        self.how = ""
        self.problems = []
        self.skipped = ""


class Watched:
    def __init__(self, scenario, runwatch, python, cache, pipe, work):
        self.scenario, self.pipe, self.work = scenario, pipe, Path(work)
        self.runwatch, self.python = runwatch, python
        self.cause, self.alerts, self.control = (self.work / name for name in ("cause", "alerts.jsonl", "control"))
        self.mark = f"RUNWATCH_TRAINING_TEST={uuid.uuid4().hex}"
        name, _, value = self.mark.partition("=")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNWATCH_")}
        self.environment = kept | {
            name: value,
            "CAUSE": str(self.cause),
            "HOME": str(self.work),
            "XDG_CACHE_HOME": str(cache),
            "XDG_STATE_HOME": str(self.work / "state"),
            "XDG_CONFIG_HOME": str(self.work / "no-config"),
            "PYTHONPATH": f"{EXAMPLES}:{HERE / 'jobs'}",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def command(self, folder):
        script, *arguments = self.scenario.job
        command = [self.python, "-u"]
        if self.scenario.ranks > 1:
            command += ["-m", "torch.distributed.run", "--nproc-per-node", str(self.scenario.ranks)]
        command += [str(HERE / "jobs" / script), *arguments]
        if folder:
            command = cgroup.within(folder, command)
        common = ["--config", str(self.configuration()), "--run", self.scenario.name]
        common += ["--ledger", str(self.work / "ledger.db")]
        for parameter, value in (SILENCE if "heartbeat" in self.scenario.detectors else {}).items():
            common += ["--set", f"heartbeat.{parameter}={value}"]
        if self.pipe:
            line = '"$@" 2>&1 | "$0" ' + " ".join(common)
            return ["bash", "-c", "set -o pipefail; " + line, self.runwatch, *command]
        return [self.runwatch, "exec", *common, "--halt", self.scenario.halt, "--dir", str(self.control), "--", *command]

    def configuration(self):
        file = self.work / "runwatch.toml"
        lines = ["[sinks.out]", 'type = "file"', f'path = "{self.alerts}"']
        if not self.pipe:
            lines += ["[halt]"]
            lines += [f'{name} = "{value}"' for name, value in (HALT | self.scenario.settings).items()]
        file.write_text("\n".join(lines) + "\n")
        return file

    def run(self):
        outcome = Outcome()
        with contextlib.ExitStack() as stack:
            folder = None
            if self.scenario.memory:
                folder = stack.enter_context(cgroup.limited(self.scenario.memory))
                if not folder:
                    outcome.skipped = "no cgroup can be made here"
                    return outcome
            log = stack.enter_context(open(self.work / "log", "wb"))
            process = subprocess.Popen(self.command(folder), cwd=self.work, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            try:
                self.follow(process, outcome)
            finally:
                self.end_all(process)
        self.judge(process.returncode, outcome)
        return outcome

    def follow(self, process, outcome):
        """Looks until the job is gone, or until it should have been."""
        deadline = time.monotonic() + START
        cause = None
        while time.monotonic() < deadline:
            now = time.time()
            if cause is None and self.cause.exists():
                cause = float(self.cause.read_text())
                deadline = time.monotonic() + ALERT
            if cause and outcome.alert is None and (alert := self.noticed()):
                outcome.alert, outcome.caught_by = now - cause, f"{alert['detector']} ({alert['severity']})"
                deadline = time.monotonic() + STOP
                if self.pipe:
                    return
            if process.poll() is not None or (cause and outcome.stop is None and not self.jobs_alive()):
                outcome.stop = outcome.stop or (now - cause if cause else None)
                deadline = min(deadline, time.monotonic() + 15)
                if process.poll() is not None:
                    break
            time.sleep(LOOK)
        # What was sent last is written when the ledger has drained, which is before the end.
        if cause and outcome.alert is None and (alert := self.noticed()):
            outcome.alert, outcome.caught_by = time.time() - cause, f"{alert['detector']} ({alert['severity']})"

    def told(self):
        """The alerts that were sent so far."""
        if not self.alerts.exists():
            return []
        return [json.loads(line) for line in self.alerts.read_text().splitlines() if line.endswith("}")]

    def noticed(self):
        wanted = self.scenario.detectors
        return next((it for it in self.told() if it["detector"] in wanted and it["severity"] == "critical"), None)

    def processes(self):
        """All processes that were started for this scenario: their numbers and programs."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                        yield int(folder.name), os.readlink(folder / "exe")

    def jobs_alive(self):
        return any("python" in Path(program).name for _, program in self.processes())

    def end_all(self, process):
        """Whatever happened, nothing of it is left behind."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1 if self.pipe else 0)
        for number, _ in self.processes():
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        process.wait()

    def judge(self, code, outcome):
        scenario, wrong = self.scenario, outcome.problems
        critical = [it["title"] for it in self.told() if it["severity"] == "critical"]
        if scenario.detectors and outcome.alert is None:
            wrong.append(f"not caught; the criticals are {critical}")
        if not scenario.detectors and critical:
            wrong.append(f"nothing was wrong, but: {critical}")
        if self.pipe:
            return
        halts = [it["key"] for it in self.told() if it["detector"] == "runwatch" and it["key"].startswith("halt")]
        if scenario.end in (LISTENS, TERM, KILL) and not halts:
            wrong.append("no alert says that the run was halted")
        if scenario.halt == "dry-run" and halts != ["halt-dry-run"]:
            wrong.append(f"a dry run should be told, and nothing else: {halts}")
        outcome.how = describe(code)
        expected = {
            LISTENS: code == 0,
            GOES_ON: code == 0,
            TERM: code in (-signal.SIGTERM, 128 + signal.SIGTERM) or scenario.ranks > 1 and code not in (0, None),
            KILL: code in (-signal.SIGKILL, 128 + signal.SIGKILL),
            ITSELF: code not in (0, None),
        }
        if not expected[scenario.end]:
            wrong.append(f"it should have been {scenario.end}, but {outcome.how}")
        if scenario.checkpoint and not list(self.work.glob(scenario.checkpoint)):
            wrong.append(f"there is no {scenario.checkpoint}")
        if left := [path.name for path in self.control.glob(".*")]:
            wrong.append(f"control files were left: {left}")

    def tail(self):
        text = (self.work / "log").read_bytes()[-4000:].decode(errors="replace")
        return re.sub(r"^", "    ", text, flags=re.MULTILINE)


def describe(code):
    if code is None:
        return "still there"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def watch(scenario, runwatch, python, cache, pipe):
    with tempfile.TemporaryDirectory(prefix=f"runwatch-{scenario.name}-") as work:
        watched = Watched(scenario, runwatch, python, cache, pipe, work)
        outcome = watched.run()
        if outcome.problems:
            outcome.problems.append("the end of what was printed:\n" + watched.tail())
        return outcome
