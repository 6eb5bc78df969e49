"""Several ranks under torchrun: all stop at the same step, and nobody waits for the others in vain."""

import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from runwatch_halt import runwatch_halt


def halt_agreed():
    """Whether runwatch asks to stop. The first rank of each node looks; what it sees holds for all."""
    looks = int(os.environ["LOCAL_RANK"]) == 0
    halt = torch.tensor(int(looks and runwatch_halt() is not None))  # with NCCL: device="cuda"
    dist.all_reduce(halt, op=dist.ReduceOp.MAX)
    return bool(halt)


def train(model, optimizer, training_step, steps):
    for step in range(1, steps + 1):
        loss = training_step(model, optimizer)  # your own
        if dist.get_rank() == 0:
            print(f"step: {step} loss: {loss:.4f}", flush=True)
        if halt_agreed():  # every rank calls it at every step
            if dist.get_rank() == 0:
                torch.save({"step": step, "model": model.module.state_dict()}, "checkpoint.pt")
            dist.barrier()
            print(f"rank {dist.get_rank()} stopped after step {step}", flush=True)
            return


if __name__ == "__main__":
    import sys

    from tiny import linear, training_step

    dist.init_process_group("gloo")
    model = DistributedDataParallel(linear())
    train(model, torch.optim.SGD(model.parameters(), lr=0.01), training_step, int(sys.argv[1]))
    dist.destroy_process_group()
