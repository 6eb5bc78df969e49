"""Lightning: stops and saves when runwatch asks."""

import lightning

from runwatch_halt import runwatch_halt


class RunwatchHalt(lightning.Callback):
    def __init__(self, path="halted.ckpt"):
        self.path = path

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        # If any rank sees it, all stop, and at the same step.
        if trainer.strategy.reduce_boolean_decision(runwatch_halt() is not None, all=False):
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def trainer(**arguments):
    return lightning.Trainer(callbacks=[RunwatchHalt()], **arguments)


if __name__ == "__main__":
    import sys

    import torch
    from tiny import batch, linear

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = linear()

        def training_step(self, batch, _):
            inputs, targets = batch
            loss = torch.nn.functional.mse_loss(self.model(inputs), targets)
            print(f"step: {self.global_step} loss: {loss.item():.4f}", flush=True)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    steps = int(sys.argv[1])
    data = torch.utils.data.TensorDataset(*batch(16 * steps))
    trainer(max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False).fit(
        Module(), torch.utils.data.DataLoader(data, batch_size=16))
