"""A character GPT in the manner of nanoGPT, which learns to add: "7+11=18"."""

import torch
import torch.nn.functional as F
from torch import nn

from data import sums
from twin import Twin

WIDTH, HEADS, LAYERS, BLOCK, BATCH = 32, 2, 2, 24, 8


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):  # (N, T, WIDTH)
        n, t, _ = x.shape
        q, k, v = (part.view(n, t, HEADS, -1).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(n, t, WIDTH))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.attn = CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.mlp = MLP()

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, WIDTH)
        self.wpe = nn.Embedding(BLOCK, WIDTH)
        self.h = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.ln_f = nn.LayerNorm(WIDTH)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.size(1)))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.transformer = Transformer(vocabulary)
        self.lm_head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.lm_head.weight = self.transformer.wte.weight  # tied
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens):  # (N, T) -> (N, T, vocabulary)
        return self.lm_head(self.transformer(tokens))


def language_loss(net, tokens, start):
    """The loss of the texts that begin at `start` (N)."""
    places = start[:, None] + torch.arange(BLOCK)
    logits = net(tokens[places])
    return F.cross_entropy(logits.flatten(0, 1), tokens[places + 1].flatten())


def main():
    twin = Twin("char_gpt")
    tokens, characters = sums(340)
    net = GPT(len(characters))
    twin.start(net)
    steps = 20 if twin.compares else 200
    adamw = torch.optim.AdamW(net.parameters(), lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(adamw, T_max=steps, eta_min=1e-3)
    for step in range(steps):
        adamw.zero_grad()
        loss = language_loss(net, tokens, twin.randint(0, len(tokens) - BLOCK, (BATCH,)))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adamw.step()
        scheduler.step()
        twin.losses(loss.item())

    text = "3+4="
    with torch.no_grad():
        for _ in range(6):
            logits = net(torch.tensor([[characters.index(c) for c in text]]))
            text += characters[logits[0, -1].argmax().item()]
    print(text)
    twin.finish()


if __name__ == "__main__":
    main()
