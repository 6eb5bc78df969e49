"""What goes wrong in a real training, who must notice, and how the job must end."""

from dataclasses import dataclass, field

LISTENS = "stopped by the halt file, with a checkpoint"
TERM = "ended by SIGTERM"
KILL = "ended by SIGKILL"
ITSELF = "ended by itself, with an exit code that is passed on"
GOES_ON = "runs to its end"


@dataclass
class Scenario:
    name: str
    job: list[str]
    """The script in jobs/, and its arguments."""
    detectors: set[str]
    """One of them must notice; empty: nothing critical may be said."""
    end: str
    checkpoint: str = ""
    """A pattern in the job's folder; it must be there after a halt."""
    ranks: int = 1
    halt: str = "critical"
    memory: int = 0
    """The limit of the job's cgroup in bytes; 0 is none."""
    settings: dict = field(default_factory=dict)
    """Of `[halt]`, over the ones below."""
    by_pipe: bool = True
    """Whether its output says enough for `job | runwatch`."""


# Short, so that the test is.
HALT = {"file-timeout": "20s", "term-timeout": "10s"}
AT_ONCE = {"file-timeout": "0s"}
# Only where a hang is waited for: the end of a Python with torch takes seconds on a loaded machine.
SILENCE = {"silence": 5, "grace": 5, "interval-factor": 0, "longest-factor": 0, "critical-after": 1}

LOSS = {"non-finite", "loss-spike", "grad-norm", "divergence"}
HF_CHECKPOINT = "checkpoints/checkpoint-*/model.safetensors"

ALL = [
    Scenario("healthy", ["hf.py", "none", "--steps", "150"], set(), GOES_ON),
    Scenario("lr", ["hf.py", "lr", "--at", "150"], LOSS, LISTENS, HF_CHECKPOINT),
    Scenario("nan", ["hf.py", "nan"], {"non-finite"}, LISTENS, HF_CHECKPOINT),
    Scenario("nan-trl", ["hf.py", "nan", "--trl"], {"non-finite"}, LISTENS, HF_CHECKPOINT),
    Scenario("nan-deaf", ["hf.py", "nan", "--deaf"], {"non-finite"}, TERM, settings=AT_ONCE),
    Scenario("nan-dry-run", ["hf.py", "nan", "--steps", "150"], {"non-finite"}, GOES_ON, halt="dry-run"),
    Scenario("hang", ["hf.py", "hang"], {"heartbeat"}, TERM, settings={"file-timeout": "1s"}),
    Scenario("hang-stuck", ["stuck.py"], {"heartbeat"}, KILL, settings={"file-timeout": "1s", "term-timeout": "2s"}),
    Scenario("ranks-nan", ["ranks.py", "nan"], {"non-finite"}, LISTENS, "checkpoint.pt", ranks=2),
    Scenario("ranks-hang", ["ranks.py", "hang"], {"heartbeat"}, TERM, ranks=2, settings={"file-timeout": "1s"}),
    Scenario("ranks-exception", ["ranks.py", "exception"], {"exception", "killed", "runwatch"}, ITSELF, ranks=2),
    Scenario("memory", ["memory.py"], {"out-of-memory", "killed", "runwatch"}, ITSELF, memory=1 << 30, by_pipe=False),
]
