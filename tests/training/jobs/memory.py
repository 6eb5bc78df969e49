"""A plain loop that keeps every tensor from step 60 on, until memory runs out."""

import torch
from fault import cause
from plain_loop import train
from tiny import linear, training_step

kept = []
done = 0


def leaking_step(model, optimizer):
    global done
    done += 1
    if done == 60:
        cause()
    if done >= 60:
        kept.append(torch.ones(8 << 20))  # 32 MiB
    return training_step(model, optimizer)


model = linear()
train(model, torch.optim.SGD(model.parameters(), lr=0.01), leaking_step, 100_000)
