"""`generalization-gap`: the model learns its training data by heart.

The evaluation loss need not rise for that. It may just stay where it is while
the training loss falls on: what is learned then is of no use to anyone. This
rule reads both metrics, and compares their distance with the distance at the
best evaluation of the run.
"""

import json
from dataclasses import asdict, dataclass, field
from math import isfinite

from runwatch_detector import Batch, Detector, Finding, Findings, Interest, Parameter, Point, number


@dataclass
class Training:
    """The training loss of one rank since the last evaluation."""

    total: float = 0.0
    count: int = 0
    evaluated: bool = False

    def push(self, loss: float) -> None:
        # Kept until there is a newer one: two evaluations may come in a row.
        if self.evaluated:
            self.total, self.count, self.evaluated = 0.0, 0, False
        self.total += loss
        self.count += 1

    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass
class Evaluation:
    """One evaluation loss of one rank."""

    best: float | None = None
    """The lowest so far."""
    gap: float = 0.0
    """How far the training loss was below it then."""
    wide: int = 0
    """Evaluations in a row with a gap that is too wide."""
    reported: bool = False


@dataclass
class State:
    training: dict[int, Training] = field(default_factory=dict)
    evaluations: dict[tuple[int, int], Evaluation] = field(default_factory=dict)


class GeneralizationGap(Detector):
    """The gap is the evaluation loss minus the mean training loss since the last
    evaluation. Fires when it is wider than at the run's best evaluation by more
    than `margin` of that evaluation's loss, `times` evaluations in a row.
    Resolved by an evaluation with a gap below that.

    Looks at `loss` and `eval_loss`. Before the first training loss there is no
    gap; values that are not finite are left out.
    """

    name = "generalization-gap"
    version = "0.1.0"
    summary = "The training loss falls on and the evaluation loss does not follow"
    parameters = [
        Parameter.number(
            "margin",
            0.1,
            unit="ratio",
            min=0.001,
            max=10,
            doc="How much wider the gap may get, as a share of the best evaluation loss.",
        ),
        Parameter.integer(
            "times",
            3,
            unit="evaluations",
            min=1,
            max=100,
            doc="How many evaluations in a row must show it.",
        ),
    ]

    def __init__(self, run: dict[str, str], parameters: dict) -> None:
        self.margin: float = parameters["margin"]
        self.times: int = parameters["times"]
        self.state = State()

    def interests(self) -> list[Interest]:
        return [Interest.metric("loss"), Interest.metric("eval_loss")]

    def observe(self, batch: Batch) -> Findings:
        for point in batch.points():
            if not isfinite(point.value):
                continue
            if point.name == "loss":
                self.state.training.setdefault(point.rank, Training()).push(point.value)
            else:
                yield from self.evaluated(point, batch.series[point.series].source)

    def evaluated(self, point: Point, source: str) -> Findings:
        training = self.state.training.get(point.rank)
        mean = training.mean() if training else None
        if training is None or mean is None:
            return
        training.evaluated = True
        gap = point.value - mean
        evaluation = self.state.evaluations.setdefault((point.series, point.rank), Evaluation())
        if evaluation.best is None or point.value < evaluation.best:
            evaluation.best, evaluation.gap = point.value, gap
        widened = gap - evaluation.gap
        is_wide = widened > self.margin * abs(evaluation.best)
        evaluation.wide = evaluation.wide + 1 if is_wide else 0
        # Two evaluation sets are two troubles.
        key = f"gap {source}"[:100]
        if evaluation.wide >= self.times and not evaluation.reported:
            evaluation.reported = True
            yield Finding.warning(
                key,
                point.row,
                title="Generalization gap widens",
                message=f"{source} is {short(point.value)} at step {point.step} and the training "
                f"loss {short(mean)}: the gap of {short(gap)} was {short(evaluation.gap)} at the "
                f"best evaluation ({short(evaluation.best)}).",
                recommendation="The model learns its training data by heart. Stop and keep the "
                "best checkpoint, or go on with more data, stronger regularization or fewer "
                "epochs.",
                values={"eval_loss": point.value, "loss": mean, "gap": gap},
            )
        elif not is_wide and evaluation.reported:
            evaluation.reported = False
            yield Finding.resolved(
                key,
                point.row,
                title="Generalization gap is narrow again",
                message=f"The gap is {short(gap)} at step {point.step}.",
                values={"gap": gap},
            )

    def save(self) -> bytes:
        state = {
            "training": [[rank, asdict(it)] for rank, it in self.state.training.items()],
            "evaluations": [[*key, asdict(it)] for key, it in self.state.evaluations.items()],
        }
        return json.dumps(state).encode()

    def restore(self, state: bytes) -> None:
        saved = json.loads(state)
        self.state = State(
            {rank: Training(**it) for rank, it in saved["training"]},
            {(series, rank): Evaluation(**it) for series, rank, it in saved["evaluations"]},
        )


def short(value: float) -> str:
    """Four significant digits are enough to read."""
    return number(float(f"{value:.4g}"))
