"""A checkpoint of PyTorch trained on: weights (bf16, as they are published) and AdamW's state, from safetensors files.

With --golden it first trains the checkpoint: golden/gpt.safetensors and golden/gpt_adamw.safetensors.
"""

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from char_gpt import BLOCK, GPT, language_loss
from data import sums
from twin import GOLDEN, Twin

WEIGHTS, ADAMW, BATCH = GOLDEN / "gpt.safetensors", GOLDEN / "gpt_adamw.safetensors", 8
CHECKPOINT_STEPS = 20


def adamw_of(net, lr):
    return torch.optim.AdamW(net.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)


def save_checkpoint():
    net = GPT(len(characters)).double()  # in f64 and few steps, so that rounding does not show in the file
    adamw = adamw_of(net, 5e-3)
    for step in range(CHECKPOINT_STEPS):
        adamw.zero_grad()
        language_loss(net, tokens, torch.randint(0, len(tokens) - BLOCK, (BATCH,))).backward()
        adamw.step()
    save_file({name: p.to(torch.bfloat16).clone() for name, p in net.state_dict().items()}, WEIGHTS)
    state = {"step": torch.tensor(CHECKPOINT_STEPS)}  # by name, as Hopscotch has it: "exp_avg.transformer.wte.weight"
    for name, p in net.named_parameters():
        for slot in ("exp_avg", "exp_avg_sq"):
            state[f"{slot}.{name}"] = adamw.state[p][slot].float()
    save_file(state, ADAMW, {"lr": "0.005"})


twin = Twin("continued_checkpoint")
tokens, characters = sums(340)
if twin.mode == "--golden":
    save_checkpoint()

net = GPT(len(characters)).to(twin.dtype)
net.load_state_dict(load_file(WEIGHTS))
state = load_file(ADAMW)
with safe_open(ADAMW, "pt") as file:
    adamw = adamw_of(net, float(file.metadata()["lr"]))
for name, p in net.named_parameters():
    slots = {slot: state[f"{slot}.{name}"].to(twin.dtype) for slot in ("exp_avg", "exp_avg_sq")}
    adamw.state[p] = {"step": state["step"].float(), **slots}

for step in range(20 if twin.compares else 60):
    adamw.zero_grad()
    loss = language_loss(net, tokens, twin.randint(0, len(tokens) - BLOCK, (BATCH,)))
    loss.backward()
    adamw.step()
    twin.losses(loss.item())

twin.finish(**{f"last.{name}": p.detach().clone() for name, p in net.state_dict().items()})
