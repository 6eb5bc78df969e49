"""Hugging Face's Trainer, and TRL's: stops and saves when runwatch asks."""

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from runwatch_halt import runwatch_halt


class RunwatchHalt(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if on_any_rank(runwatch_halt(), args.device):
            control.should_save = True
            control.should_training_stop = True
        return control


def on_any_rank(reason, device):
    """Ranks look at slightly different moments; they must stop at the same step."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return reason is not None
    halt = torch.tensor(int(reason is not None), device=device)
    torch.distributed.all_reduce(halt, op=torch.distributed.ReduceOp.MAX)
    return bool(halt)


def trainer(model, data, **arguments):
    return Trainer(
        model=model,
        args=TrainingArguments(output_dir="checkpoints", **arguments),
        train_dataset=data,
        callbacks=[RunwatchHalt()],  # this line is what you add, to SFTTrainer and GRPOTrainer as well
    )


if __name__ == "__main__":
    import sys

    from tiny import Tokens, gpt2

    steps = int(sys.argv[1])
    trainer(gpt2(), Tokens(64 * steps), max_steps=steps, logging_steps=1, save_strategy="no", report_to="none",
            use_cpu=True).train()
