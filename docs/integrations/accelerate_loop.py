"""A loop with Accelerate: stops and saves when runwatch asks."""

from accelerate import Accelerator

from runwatch_halt import runwatch_halt


def train(accelerator, model, optimizer, training_step, steps):
    model, optimizer = accelerator.prepare(model, optimizer)
    for step in range(1, steps + 1):
        loss = training_step(accelerator, model, optimizer)  # your own, with accelerator.backward(loss)
        accelerator.print(f"step: {step} loss: {loss:.4f}", flush=True)
        if runwatch_halt():
            accelerator.set_trigger()
        if accelerator.check_trigger():  # true on all processes, at the same step
            accelerator.save_state("checkpoint")
            return


if __name__ == "__main__":
    import sys

    import torch
    from tiny import batch, linear

    def training_step(accelerator, model, optimizer):
        inputs, targets = batch()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        return loss.item()

    model = linear()
    train(Accelerator(cpu=True), model, torch.optim.SGD(model.parameters(), lr=0.01), training_step, int(sys.argv[1]))
