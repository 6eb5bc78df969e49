"""Two ranks under torchrun, gloo between them; rank 1 does something wrong.

    torchrun --nproc-per-node 2 ranks.py none|nan|hang|exception [--steps N] [--at STEP]
"""

import argparse
import math

import torch
import torch.distributed as dist
from fault import cause, hang
from tiny import linear, training_step
from torch.nn.parallel import DistributedDataParallel
from torchrun_ranks import train

parser = argparse.ArgumentParser()
parser.add_argument("fault", choices=["none", "nan", "hang", "exception"])
parser.add_argument("--steps", type=int, default=100_000)
parser.add_argument("--at", type=int, default=60)
options = parser.parse_args()
done = 0


def faulty_step(model, optimizer):
    """Rank 0 goes on, into a collective in which it waits for rank 1."""
    global done
    done += 1
    if done == options.at and dist.get_rank() == 1:
        if options.fault == "hang":
            hang()
        elif options.fault == "exception":
            cause()
            raise RuntimeError("shape '[16, 8]' is invalid for input of size 120")
        elif options.fault == "nan":
            cause()
    if options.fault == "nan" and done >= options.at:
        return math.nan
    return training_step(model, optimizer)


dist.init_process_group("gloo")
model = DistributedDataParallel(linear())
train(model, torch.optim.SGD(model.parameters(), lr=0.01), faulty_step, options.steps)
dist.destroy_process_group()
