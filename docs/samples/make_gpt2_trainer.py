"""Makes gpt2-trainer.log: a run of Hugging Face's Trainer that goes wrong.

A tiny GPT-2 with random weights learns to predict a noisy walk over its 64
tokens. The learning-rate schedule has a mistake in it: at step 1000 it restarts
at 400 times its peak. Nothing is downloaded; it takes half a minute on a CPU.

    pip install torch transformers accelerate
    python make_gpt2_trainer.py > gpt2-trainer.log 2>&1
"""

import sys
import tempfile

import torch
import transformers
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

STEPS = 1200
LOGGING_STEPS = 10
RESTART = 1000
TOKENS = 64
LENGTH = 32


class Walks(Dataset):
    """Each token is the one before plus 1, 2 or 3."""

    def __len__(self):
        return STEPS * 16

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(index)
        strides = torch.randint(1, 4, (LENGTH,), generator=random)
        ids = (torch.randint(0, TOKENS, (1,), generator=random) + strides.cumsum(0)) % TOKENS
        return {"input_ids": ids, "labels": ids}


def schedule(step):
    """Linear warm-up, then a linear fall; the mistake is in the restart."""
    if step < 50:
        return step / 50
    if RESTART <= step < RESTART + 100:
        return 400.0
    return max(0.0, (STEPS - step) / STEPS)


def main():
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, Python {sys.version.split()[0]}")
    transformers.set_seed(7)
    torch.set_num_threads(1)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=TOKENS, n_positions=LENGTH, n_embd=32, n_layer=2, n_head=2,
                   bos_token_id=0, eos_token_id=0, loss_type="ForCausalLMLoss")
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=STEPS,
            per_device_train_batch_size=16,
            logging_steps=LOGGING_STEPS,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=Walks(),
            optimizers=(optimizer, LambdaLR(optimizer, schedule)),
        )
        trainer.train()


if __name__ == "__main__":
    main()
