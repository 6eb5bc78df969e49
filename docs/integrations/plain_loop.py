"""A plain PyTorch loop that stops when runwatch asks, and goes on where it stopped."""

import os

import torch

from runwatch_halt import runwatch_halt

CHECKPOINT = "checkpoint.pt"


def train(model, optimizer, training_step, steps):
    step = load(model, optimizer)
    while step < steps:
        loss = training_step(model, optimizer)  # your batch, forward, backward and optimizer.step()
        step += 1
        print(f"step: {step} loss: {loss:.4f}", flush=True)
        if reason := runwatch_halt():
            save(model, optimizer, step)
            print(f"stopped after step {step}: {reason}", flush=True)
            return


def save(model, optimizer, step):
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, CHECKPOINT + ".new")
    os.replace(CHECKPOINT + ".new", CHECKPOINT)  # whole, or not at all


def load(model, optimizer):
    if not os.path.exists(CHECKPOINT):
        return 0
    state = torch.load(CHECKPOINT)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


if __name__ == "__main__":
    import sys

    from tiny import linear, training_step

    model = linear()
    train(model, torch.optim.SGD(model.parameters(), lr=0.01), training_step, steps=int(sys.argv[1]))
