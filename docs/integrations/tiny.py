"""Models and data so small that the examples of this folder run in seconds, on any machine."""

import time

import torch


def linear():
    return torch.nn.Linear(8, 1)


def batch(size=16):
    inputs = torch.randn(size, 8)
    return inputs, inputs.sum(dim=1, keepdim=True)


def training_step(model, optimizer):
    inputs, targets = batch()
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    time.sleep(0.01)
    return loss.item()


class Tokens(torch.utils.data.Dataset):
    """Sequences in which each token is the one before plus 1, 2 or 3."""

    def __init__(self, size, vocabulary=64, length=16):
        self.size, self.vocabulary, self.length = size, vocabulary, length

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(index)
        strides = torch.randint(1, 4, (self.length,), generator=random)
        ids = (index + strides.cumsum(0)) % self.vocabulary
        return {"input_ids": ids, "labels": ids}


def gpt2(vocabulary=64, length=16):
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = dict(vocab_size=vocabulary, n_positions=length, n_embd=16, n_layer=1, n_head=2)
    return GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=0, eos_token_id=0, loss_type="ForCausalLMLoss"))
