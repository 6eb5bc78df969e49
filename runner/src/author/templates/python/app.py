"""`{{name}}`: the evaluation loss goes up again and again.

This is the example that every new project begins with. Change what it is
(`name`, `summary`, `parameters`), what it wants to be told (`interests`) and
what it looks for (`observe`).
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from math import isfinite

from runwatch_detector import Batch, Detector, Finding, Findings, Interest, Parameter, number


@dataclass
class Watch:
    """One series of one rank."""

    last: float | None = None
    rises: int = 0
    reported: bool = False


class Rule(Detector):
    """Fires when the evaluation loss rises several evaluations in a row, and
    resolves when it falls again.
    """

    name = "{{name}}"
    version = "0.1.0"
    summary = "The evaluation loss goes up again and again"
    parameters = [
        Parameter.integer(
            "times",
            3,
            unit="evaluations",
            min=1,
            max=100,
            doc="How many rises in a row are too many.",
        ),
    ]

    def __init__(self, run: dict[str, str], parameters: dict) -> None:
        # The host has checked the value against what is said above.
        self.times: int = parameters["times"]
        # All state belongs in here: one program watches many runs.
        self.watches: dict[tuple[int, int], Watch] = defaultdict(Watch)

    def interests(self) -> list[Interest]:
        # Canonical names: it may be printed as `eval/loss` or `val_loss`.
        return [Interest.metric("eval_loss")]

    def observe(self, batch: Batch) -> Findings:
        for point in batch.points():
            # NaN is data, but it is the business of another detector, and
            # nothing can be compared with it.
            if not isfinite(point.value):
                continue
            watch = self.watches[point.series, point.rank]
            rose = watch.last is not None and point.value > watch.last
            watch.rises = watch.rises + 1 if rose else 0
            watch.last = point.value
            if watch.rises >= self.times and not watch.reported:
                # Reported once per episode: cooldown is runwatch's business.
                watch.reported = True
                yield Finding.warning(
                    "rising",
                    point.row,
                    title="Evaluation loss keeps rising",
                    message=f"eval_loss has risen {watch.rises} times in a row, "
                    f"to {number(point.value)} at step {point.step}.",
                    recommendation="Compare with the training loss: if that still falls, "
                    "the model overfits. Stop here, or go back to the best checkpoint.",
                    values={"eval_loss": point.value, "rises": watch.rises},
                )
            elif not rose and watch.reported:
                watch.reported = False
                yield Finding.resolved(
                    "rising",
                    point.row,
                    title="Evaluation loss falls again",
                    message=f"eval_loss is {number(point.value)} at step {point.step}.",
                )

    # State is optional. With it, a restart goes on where it was.

    def save(self) -> bytes:
        watches = [[*key, asdict(watch)] for key, watch in self.watches.items()]
        return json.dumps(watches).encode()

    def restore(self, state: bytes) -> None:
        for series, rank, watch in json.loads(state):
            self.watches[series, rank] = Watch(**watch)
