"""The scripts of docs/integrations for schedulers and containers, with what can be had of these here."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from running import Running
from snippets import EXAMPLES, MANY


class Skipped(Exception):
    """This machine lacks what is needed."""


def environment(runwatch, python, cache, work):
    """With `runwatch` and `python` in the path, and a `train.py` that acts after each step."""
    programs = Path(work, "bin")
    programs.mkdir()
    script(programs / "runwatch", f'exec {shlex.quote(runwatch)} "$@"')
    script(programs / "python", f'exec {shlex.quote(python)} "$@"')
    shutil.copy(EXAMPLES / "signals.py", Path(work, "train.py"))
    shutil.copy(EXAMPLES / "runwatch_halt.py", work)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RUNWATCH_", "SLURM_"))}
    return kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(work),
        "XDG_CACHE_HOME": str(cache),
        "XDG_STATE_HOME": str(Path(work, "state")),
        "XDG_CONFIG_HOME": str(Path(work, "no-config")),
    }


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def slurm(runwatch, python, cache, work):
    """With an `srun` that starts one task here, and an `scontrol` that writes down what it is asked."""
    around = environment(runwatch, python, cache, work)
    script(Path(work, "bin", "srun"), 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"')
    script(Path(work, "bin", "scontrol"), 'echo "$@" > scontrol-said')
    around |= {"SLURM_JOB_ID": "17", "SLURM_JOB_NAME": "gpt2-base", "SLURM_SUBMIT_DIR": str(work)}
    with Running(["bash", str(EXAMPLES / "train.sbatch"), MANY], work, around) as batch:
        batch.wait_for_losses()
        batch.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert batch.end() == 0, batch.text[-3000:]
    took = time.monotonic() - asked
    assert Path(work, "checkpoint.txt").exists(), "no checkpoint"
    assert Path(work, "scontrol-said").read_text() == "requeue 17\n"
    return took


def docker(runwatch, python, cache, work):
    """As process 1 of a namespace of processes, which is what matters of a container."""
    namespace = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        raise Skipped("no namespace can be made here")
    around = environment(runwatch, python, cache, work)
    lines = (EXAMPLES / "Dockerfile").read_text().splitlines()
    entry, command = (next(line for line in lines if line.startswith(word)) for word in ("ENTRYPOINT", "CMD"))
    command = [*array(entry), *array(command), MANY]
    with Running([*namespace, *command], work, around) as container:
        container.wait_for_losses()
        children = Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text()
        os.kill(int(children.split()[0]), signal.SIGTERM)
        asked = time.monotonic()
        assert container.end() == 0, container.text[-3000:]
    took = time.monotonic() - asked
    assert Path(work, "checkpoint.txt").exists(), "no checkpoint"
    return took


def array(line):
    return [word.strip('[]", ') for word in line.split(" ", 1)[1].split(",")]


FAILING = """
import itertools, time
from runwatch_halt import runwatch_halt
for step in itertools.count(1):
    print(f"step: {step} loss: {1 / step if step < 100 else float('nan'):.4f}", flush=True)
    if reason := runwatch_halt():
        print("stopped:", reason, flush=True)
        break
    time.sleep(0.02)
"""


def kubernetes(runwatch, python, cache, work):
    """The two commands of the pod with a folder that they share; the trainer's loss becomes NaN."""
    around = environment(runwatch, python, cache, work)
    if subprocess.run([runwatch, "watch", "--help"], env=around, capture_output=True, check=False).returncode:
        raise Skipped("this runwatch watches no folders")
    shared = Path(work, "shared")
    shared.mkdir()
    Path(work, "train.py").write_text(FAILING)
    pod = (EXAMPLES / "pod.yaml").read_text().replace("/run/train", str(shared))
    sidecar, trainer = re.findall(r"command: \[(.*)\]", pod)
    trainer = trainer.removeprefix("bash, -c, ").strip('"')
    with Running(sidecar.split(", "), work, around) as beside:
        beside.wait_for("start", lambda: "watching" in beside.text)
        with Running(["bash", "-c", trainer], work, around | {"RUNWATCH_DIR": str(shared)}) as training:
            training.wait_for("NaN", lambda: "nan" in training.text)
            asked = time.monotonic()
            assert training.end() == 0, training.text[-3000:]
        took = time.monotonic() - asked
        assert "stopped: " in training.text, training.text[-3000:]
    return took


def systemd(runwatch, python, cache, work):
    """The unit is one that systemd understands."""
    if not shutil.which("systemd-analyze"):
        raise Skipped("no systemd-analyze")
    text = (EXAMPLES / "train.service").read_text()
    unit = Path(work, "train.service")
    unit.write_text(text.replace("/usr/local/bin/runwatch", runwatch).replace("/srv/train", str(work), 1))
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "train.service" not in ran.stderr, ran.stderr
    return None


def tmux(runwatch, python, cache, work):
    """The job has the terminal that tmux gives it."""
    if not shutil.which("tmux"):
        raise Skipped("no tmux")
    around = environment(runwatch, python, cache, work) | {"TMUX_TMPDIR": str(work)}
    server = ["tmux", "-f", "/dev/null", "new-session", "-d", "-s", "train"]
    told = "import os, sys; print(sys.stdout.isatty(), *os.get_terminal_size(), file=open('told', 'w'))"
    job = f"runwatch exec --run gpt2-base --halt critical -- python -c {shlex.quote(told)}"
    size = ["-x", "91", "-y", "33"]
    subprocess.run([*server, *size, job], cwd=work, env=around, check=True)
    deadline = time.monotonic() + 60
    while not Path(work, "told").exists() or not Path(work, "told").read_text():
        assert time.monotonic() < deadline, "the job did not run"
        time.sleep(0.05)
    shown = Path(work, "told").read_text().split()
    assert shown[:2] == ["True", "91"], shown
    return None


ALL = [slurm, docker, kubernetes, systemd, tmux]
