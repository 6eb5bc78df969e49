"""The examples of docs/integrations: each stops when it is asked, saves, and minds nobody else's halt."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from running import Running

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "integrations"
MANY = "100000"


class Example(Running):
    """A running example, under no runwatch: the test plays its part."""

    def __init__(self, python, name, work, *arguments, token="this-start", launcher=()):
        self.control = Path(work, "control")
        self.control.mkdir(exist_ok=True)
        environment = os.environ | {
            "RUNWATCH_DIR": str(self.control),
            "KERAS_BACKEND": "torch",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(EXAMPLES),
        }
        environment.pop("RUNWATCH_TOKEN", None)
        if token:
            environment["RUNWATCH_TOKEN"] = token
        super().__init__([python, "-u", *launcher, str(EXAMPLES / f"{name}.py"), *arguments], work, environment)

    def halt(self, **lines):
        """As runwatch writes it: whole, or not at all."""
        text = "halt: nan_loss\n" + "".join(f"{key}: {value}\n" for key, value in lines.items())
        new = self.control / ".runwatch-new"
        new.write_text(text)
        new.rename(self.control / ".HALT")


def stops_and_saves(python, work, name, checkpoint, launcher=()):
    """It goes on past the halt of another start, and stops at its own; seconds from the halt to the end."""
    with Example(python, name, work, MANY, launcher=launcher) as example:
        example.halt(token="another-start", reason="not meant for this one")
        example.wait_for_losses()
        example.halt(run="a run", token="this-start", reason="loss is NaN at step 4: for ever")
        asked = time.monotonic()
        assert example.end() == 0, example.text[-3000:]
        took = time.monotonic() - asked
    assert list(Path(work).glob(checkpoint)), f"no {checkpoint}"
    return took, example


def plain_loop(python, work):
    took, example = stops_and_saves(python, work, "plain_loop", "checkpoint.pt")
    stopped = int(re.search(r"stopped after step (\d+): loss is NaN at step 4: for ever", example.text)[1])
    with Example(python, "plain_loop", work, str(stopped + 3), token="next-start") as example:
        assert example.end() == 0, example.text[-3000:]
    assert example.text.startswith(f"step: {stopped + 1} "), "it did not go on where it stopped"
    return took


def plain_loop_without_a_token(python, work):
    """A sidecar cannot pass a token to a job that runs already: then the time decides."""
    control = Path(work, "control")
    control.mkdir()
    (control / ".HALT").write_text("halt: zero_grad\n")
    os.utime(control / ".HALT", (1e9, 1e9))
    with Example(python, "plain_loop", work, MANY, token=None) as example:
        example.wait_for_losses()
        example.halt()
        asked = time.monotonic()
        assert example.end() == 0, example.text[-3000:]
    assert ": nan_loss" in example.text, example.text[-3000:]
    return time.monotonic() - asked


def hf_trainer(python, work):
    return stops_and_saves(python, work, "hf_trainer", "checkpoints/checkpoint-*/model.safetensors")[0]


def lightning_callback(python, work):
    return stops_and_saves(python, work, "lightning_callback", "halted.ckpt")[0]


def keras_callback(python, work):
    return stops_and_saves(python, work, "keras_callback", "halted.keras")[0]


def accelerate_loop(python, work):
    return stops_and_saves(python, work, "accelerate_loop", "checkpoint/model.safetensors")[0]


TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2")


def torchrun_ranks(python, work):
    took, example = stops_and_saves(python, work, "torchrun_ranks", "checkpoint.pt", TORCHRUN)
    stops = re.findall(r"rank \d stopped after step (\d+)", example.text)
    assert len(stops) == 2 and len(set(stops)) == 1, f"the ranks stopped after steps {stops}"
    return took


def hf_trainer_on_two_ranks(python, work):
    return stops_and_saves(python, work, "hf_trainer", "checkpoints/checkpoint-*/model.safetensors", TORCHRUN)[0]


def accelerate_on_two_ranks(python, work):
    return stops_and_saves(python, work, "accelerate_loop", "checkpoint/model.safetensors", TORCHRUN)[0]


def signals(python, work):
    checkpoint = Path(work, "checkpoint.txt")
    with Example(python, "signals", work, MANY) as example:
        example.wait_for_losses()
        example.process.send_signal(signal.SIGUSR1)
        example.wait_for("checkpoint", checkpoint.exists)
        saved = int(checkpoint.read_text())
        example.wait_for_losses()
        example.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert example.end() == 0, example.text[-3000:]
    assert int(checkpoint.read_text()) > saved, "SIGTERM saved nothing"
    return time.monotonic() - asked


def stacks(python, work):
    with Example(python, "stacks", work) as example:
        example.wait_for_losses(1)
        asked = time.monotonic()
        example.process.send_signal(signal.SIGUSR1)
        example.wait_for("stack", lambda: re.search(r'\(most recent call first\):\n  File ".*stacks.py"', example.text))
        assert example.process.poll() is None, "it ended"
    return time.monotonic() - asked


ODD = [b"", b"\n", b": \n", b"halt: \n", b"reason: \ntoken: t\n", b"\xff\xfe\0", b"halt", b"a: b: c\r\ntoken: t"]


def odd_files(python, work):
    """Whatever stands in the file, looking at it does no harm."""
    code = "from runwatch_halt import runwatch_halt; print(runwatch_halt())"
    for token, expected in (("t", 2), (None, len(ODD))):
        meant = 0
        for text in ODD:
            Path(work, ".HALT").write_bytes(text)
            os.utime(Path(work, ".HALT"), (4e9, 4e9))
            meant += look(code, work, token) != "None"
        assert meant == expected, f"{meant} of {len(ODD)} files counted with the token {token}"
    Path(work, ".HALT").unlink()
    Path(work, ".HALT").mkdir()
    assert look(code, work, None) == "None"
    assert look(code, None, None) == "None"
    return None


def look(code, folder, token):
    """What this code prints beside the helper."""
    names = {"RUNWATCH_DIR": folder, "RUNWATCH_TOKEN": token}
    environment = {key: value for key, value in os.environ.items() if key not in names} | {"PYTHONPATH": str(EXAMPLES)}
    environment |= {key: str(value) for key, value in names.items() if value}
    ran = subprocess.run(["python3", "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def cost(folder):
    """Microseconds that one look takes, where there is nothing to be seen."""
    setup = "from runwatch_halt import runwatch_halt"
    code = f"import timeit; print(min(timeit.repeat('runwatch_halt()', {setup!r}, number=10000, repeat=7)) * 100)"
    return float(look(code, folder, "t"))


ALL = [
    odd_files, plain_loop, plain_loop_without_a_token, hf_trainer, hf_trainer_on_two_ranks, lightning_callback,
    keras_callback, accelerate_loop, accelerate_on_two_ranks, torchrun_ranks, signals, stacks,
]
