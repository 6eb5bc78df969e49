#!/usr/bin/env python3
"""Writes detectors/NAME/example.log: a short log in which the detector finds
something. The runner shows its alert in the reference of the detectors
(`runwatch detector docs`), and a test holds that there is one.

    python3 detectors/examples.py
"""
import json
import math
import pathlib
import random

HERE = pathlib.Path(__file__).parent
T0 = 1_700_000_000


def lines(rows):
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def series(n, first=0, stride=1, **metrics):
    """Rows of metrics, each a function of the row's number."""
    return [
        {"step": first + i * stride, **{name: value(i) for name, value in metrics.items()}}
        for i in range(n)
    ]


def noisy(level, share, seed):
    rng = random.Random(seed)
    return lambda i: round((level(i) if callable(level) else level) * (1 + share * rng.gauss(0, 1)), 5)


def upto(n, before, after):
    return lambda i: before(i) if i < n else after(i)


def const(value):
    return lambda i: value


def ranked(n, ranks, **metrics):
    rows = []
    for i in range(n):
        for rank in range(ranks):
            row = {"step": i, "rank": rank, "ts": T0 + 10 * i}
            row.update({name: value(i, rank) for name, value in metrics.items()})
            rows.append(row)
    return rows


EXAMPLES = {
    "non-finite": series(12, loss=upto(9, noisy(2.3, 0.01, 1), const(math.nan))),
    "loss-spike": series(90, loss=upto(84, noisy(2.2, 0.01, 2), lambda i: [2.6, 4.1, 5.1, 4.4, 3.9, 3.2][i - 84])),
    "divergence": series(520, loss=noisy(lambda i: 2.0 if i < 300 else 2.0 + (i - 300) * 0.006, 0.01, 3)),
    "loss-flatline": series(80, loss=upto(40, noisy(2.0, 0.05, 5), const(1.9312))),
    "overfit": [
        row
        for e in range(12)
        for row in series(10, first=e * 100, stride=10, loss=lambda i, e=e: round(2.0 - 0.12 * e - 0.01 * i, 4))
        + [{"step": e * 100 + 95, "eval_loss": round(2.1 - 0.1 * e if e < 6 else 1.6 + 0.09 * (e - 6), 4)}]
    ],
    "lr-schedule": series(60, loss=noisy(2.0, 0.02, 6), lr=upto(50, const(0.0003), const(0.03))),
    "grad-norm": series(90, grad_norm=upto(84, noisy(0.25, 0.05, 7), lambda i: [0.95, 2.4, 15.9, 145.0, 960.0, 31.0][i - 84])),
    "throughput": series(40, throughput=upto(34, noisy(5200, 0.01, 8), const(0.0))),
    "data-stall": series(120, step_time=const(1.0), data_time=upto(70, noisy(0.03, 0.2, 9), noisy(0.72, 0.02, 10))),
    "heartbeat": [
        {"step": i, "ts": T0 + 10 * i + (1200 if i >= 60 else 0), "loss": 2.0} for i in range(62)
    ],
    "straggler": ranked(60, 4, step_time=lambda i, rank: round(1.0 + 0.001 * ((i * 7 + rank * 3) % 5) + (0.4 if rank == 2 and i >= 20 else 0), 4)),
    "entropy-collapse": series(60, entropy=upto(20, noisy(2.2, 0.02, 11), noisy(0.05, 0.02, 12)), reward_mean=upto(20, noisy(0.5, 0.05, 13), noisy(0.2, 0.05, 14))),
    "kl-explosion": series(130, kl=upto(110, noisy(0.004, 0.2, 15), noisy(1.6, 0.1, 16))),
    "reward-hacking": series(
        420,
        reward_mean=noisy(lambda i: 0.4 if i < 200 else 0.4 + (i - 200) * 0.004, 0.04, 17),
        kl=noisy(lambda i: 0.02 if i < 200 else 0.02 + (i - 200) * 0.006, 0.1, 18),
        response_length=noisy(lambda i: 300 if i < 200 else 300 + (i - 200) * 6, 0.03, 19),
    ),
    "reward-collapse": series(200, reward_mean=noisy(lambda i: min(i, 100) * 0.01 if i < 120 else max(0.05, 1 - (i - 120) * 0.05), 0.03, 20)),
    "reward-drift": series(900, reward_mean=noisy(lambda i: 1.0 if i < 400 else 1.0 - (i - 400) * 0.002, 0.05, 21)),
    "advantage-variance": series(120, advantage_std=upto(90, noisy(1.0, 0.05, 22), noisy(9.0, 0.05, 23))),
    "clip-fraction": series(60, clip_fraction=upto(30, noisy(0.08, 0.2, 24), noisy(0.72, 0.05, 25))),
    "length-explosion": series(160, response_length=noisy(lambda i: 300 if i < 60 else 300 + 12 * (i - 60), 0.02, 26), clipped_ratio=lambda i: 0.01 if i < 60 else min(1.0, round(0.01 * (i - 60), 3))),
    "gate-collapse": series(60, loss=noisy(2.0, 0.01, 27), gate_entropy_mean=upto(30, noisy(1.2, 0.03, 28), noisy(0.05, 0.03, 29)), gate_max_gate=upto(30, noisy(0.5, 0.02, 30), const(0.98)), gate_collapse_frac=upto(30, const(0.05), const(0.85))),
    "fallback": [
        {"session_id": "s-17", "step": i, "provider": "anthropic" if i < 5 else "openrouter", "model": "opus" if i < 5 else "free-small"}
        for i in range(8)
    ],
}

TEXTS = {
    "exception": """{'loss': 2.31, 'step': 118}
{'loss': 2.29, 'step': 119}
[rank0]: Traceback (most recent call last):
[rank0]:   File "train.py", line 88, in <module>
[rank0]:     main()
[rank0]:   File "train.py", line 61, in main
[rank0]:     model.load_state_dict(torch.load("last.pt"))
[rank0]: RuntimeError: Error(s) in loading state_dict for GPT: size mismatch for lm_head.weight
[rank1]: Traceback (most recent call last):
[rank1]:   File "train.py", line 88, in <module>
[rank1]:     main()
[rank1]:   File "train.py", line 61, in main
[rank1]:     model.load_state_dict(torch.load("last.pt"))
[rank1]: RuntimeError: Error(s) in loading state_dict for GPT: size mismatch for lm_head.weight
""",
    "out-of-memory": """{'loss': 2.31, 'step': 118}
Traceback (most recent call last):
  File "train.py", line 61, in main
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.12 GiB is free. Process 811 has 78.02 GiB memory in use. Of the allocated memory 70.11 GiB is allocated by PyTorch, and 6.90 GiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.
""",
    "killed": """{'loss': 2.31, 'step': 118}
slurmstepd: error: *** JOB 4242 ON node7 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***
""",
}


def main():
    for name, rows in EXAMPLES.items():
        (HERE / name / "example.log").write_text(lines(rows))
    for name, text in TEXTS.items():
        (HERE / name / "example.log").write_text(text)


if __name__ == "__main__":
    main()
