"""DLRM (Naumov et al., 2019): a click model of numbers, categories, and the products of all pairs of their vectors."""

import torch
from torch import nn

from twin import Twin

WORDS, NUMBERS, WIDTH, BATCH = [7, 11, 5], 4, 8, 32


class DLRM(nn.Module):
    def __init__(self):
        super().__init__()
        vectors = len(WORDS) + 1
        self.emb_l = nn.ModuleList([nn.Embedding(words, WIDTH) for words in WORDS])
        self.bot_l = nn.Sequential(nn.Linear(NUMBERS, 16), nn.ReLU(), nn.Linear(16, WIDTH), nn.ReLU())
        self.top_l = nn.Sequential(
            nn.Linear(WIDTH + vectors * (vectors - 1) // 2, 16), nn.ReLU(), nn.Linear(16, 1)
        )
        self.pairs = torch.tril_indices(vectors, vectors, -1)  # each pair once

    def forward(self, numbers, words):  # (N, NUMBERS), (N, categories) -> (N)
        x = self.bot_l(numbers)
        vectors = torch.stack([x] + [table(words[:, c]) for c, table in enumerate(self.emb_l)], 1)
        products = vectors @ vectors.transpose(1, 2)  # (N, vectors, vectors)
        pairs = products[:, self.pairs[0], self.pairs[1]]
        return self.top_l(torch.cat([x, pairs], 1)).squeeze(1)


def clicks(n, first):
    """Row i by formula: numbers, words, and whether somebody clicked."""
    i = torch.arange(first, first + n)
    numbers = torch.stack([torch.sin(i.double() * (0.7 * k + 0.3) + k) for k in range(NUMBERS)], 1)
    words = torch.stack([(i * (3 * c + 2) + i * i % 7) % WORDS[c] for c in range(len(WORDS))], 1)
    score = numbers[:, 0] + numbers[:, 1] * (words[:, 0] - 3) + (words[:, 1] % 3 - 1)
    return numbers.to(twin.dtype), words, (score > 0).to(twin.dtype)


twin = Twin("dlrm")
net = DLRM()
twin.start(net)
adagrad = torch.optim.Adagrad(net.parameters(), lr=0.1)
bce = nn.BCEWithLogitsLoss()
for step in range(20 if twin.compares else 100):
    numbers, words, clicked = clicks(BATCH, first=step * BATCH)
    adagrad.zero_grad()
    loss = bce(net(numbers, words), clicked)
    loss.backward()
    adagrad.step()
    twin.losses(loss.item())

with torch.no_grad():
    numbers, words, clicked = clicks(1000, first=10000)
    hits = (net(numbers, words) > 0) == (clicked == 1)
print(f"accuracy on new rows: {hits.double().mean().item():.3f}")
twin.finish()
