"""A tiny GPT-2 under Hugging Face's Trainer, or TRL's, in which something goes wrong.

    python hf.py none|lr|nan|hang [--steps N] [--at STEP] [--deaf] [--trl]

`--deaf` leaves the callback out that listens to runwatch; the signals still end it.
"""

import argparse

import torch
from fault import cause, hang
from hf_trainer import RunwatchHalt
from tiny import Tokens, gpt2
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

parser = argparse.ArgumentParser()
parser.add_argument("fault", choices=["none", "lr", "nan", "hang"])
parser.add_argument("--steps", type=int, default=100_000)
parser.add_argument("--at", type=int, default=60)
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--trl", action="store_true")
options = parser.parse_args()


class Fault(TrainerCallback):
    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step != options.at:
            return
        if options.fault == "nan":
            cause()
            model.transformer.ln_f.weight.data[0] = torch.nan
        elif options.fault == "hang":
            hang()


def schedule(step):
    """A mistake that many schedules have made: it restarts, and far too high."""
    if options.fault != "lr" or step < options.at:
        return 1.0
    if step == options.at:
        cause()
    return 400.0


def trainer(model, **arguments):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    common = dict(
        model=model,
        optimizers=(optimizer, LambdaLR(optimizer, schedule)),
        callbacks=[Fault()] if options.deaf else [Fault(), RunwatchHalt()],
    )
    if not options.trl:
        return Trainer(args=TrainingArguments(**arguments), train_dataset=Tokens(1 << 20), **common)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_list([{"input_ids": Tokens(4096)[row]["input_ids"].tolist()} for row in range(4096)])
    return SFTTrainer(args=SFTConfig(**arguments), train_dataset=rows, processing_class=tokenizer(), **common)


def tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"t{number}": number for number in range(64)}
    made = Tokenizer(models.WordLevel(words, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="t0", eos_token="t1", unk_token="t0")


set_seed(7)
torch.set_num_threads(1)
trainer(
    gpt2(),
    output_dir="checkpoints",
    max_steps=options.steps,
    per_device_train_batch_size=16,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
).train()
