"""Grow a GPT-2 in Hugging Face's Trainer, which saves and resumes it.

pip install "growsearch[trainer]" && python hf_trainer.py
"""

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from growsearch.data.text import python_help
from growsearch.integrations.transformers import GrowthCallback


class Text(Dataset[dict[str, Tensor]]):
    """Windows of bytes: the model itself compares each with the next one."""

    def __init__(self, text: str, length: int = 32) -> None:
        self.windows = torch.tensor(list(text.encode())).unfold(0, length, length // 4)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.windows[index], "labels": self.windows[index]}


def small_gpt() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=256,
            n_positions=32,
            n_embd=32,
            n_layer=1,
            n_head=2,
            use_cache=False,
            bos_token_id=0,
            eos_token_id=0,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )  # fmt: skip
    )


def growth() -> GrowthCallback:
    """The objective is the model's own loss; steps, batches and example inputs are the trainer's."""
    return GrowthCallback(
        when={"interval": {"every": 10, "count": 3}}, where="uniform", how="zero", budget={"width": 2.0}
    )


def train(folder: str = "hf_trainer") -> tuple[GrowthCallback, GrowthCallback]:
    data = Text(python_help()[:20_000])
    arguments = TrainingArguments(
        folder, max_steps=40, per_device_train_batch_size=8, gradient_accumulation_steps=2, learning_rate=3e-3,
        lr_scheduler_type="cosine", warmup_steps=4, save_steps=15, logging_steps=10, report_to=[], disable_tqdm=True,
    )  # fmt: skip

    first = growth()
    Trainer(small_gpt(), arguments, train_dataset=data, callbacks=[first]).train()
    for event in first.events:
        print(f"step {event.step}: {event.sites}, {event.parameters_after:,} parameters")

    second = growth()  # as after an interruption: a new, small model, made as large as the checkpoint before it goes on
    trainer = Trainer(small_gpt(), arguments, train_dataset=data, callbacks=[second])
    trainer.train(resume_from_checkpoint=f"{folder}/checkpoint-15")
    print(f"resumed: {len(second.events)} further events")
    return first, second


if __name__ == "__main__":
    train()
