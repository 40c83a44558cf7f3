"""An LSTM language model in the manner of PyTorch's word_language_model: truncated backpropagation through time."""

import torch
import torch.nn.functional as F
from torch import nn

from data import sums
from twin import Twin

HIDDEN, LAYERS, BPTT, BATCH = 32, 2, 12, 8


class RNNModel(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(vocabulary, HIDDEN)
        self.rnn = nn.LSTM(HIDDEN, HIDDEN, LAYERS, dropout=0.2)
        self.decoder = nn.Linear(HIDDEN, vocabulary)

    def forward(self, tokens, state):  # (T, N) -> (T, N, vocabulary)
        output, state = self.rnn(self.drop(self.encoder(tokens)), state)
        return self.decoder(self.drop(output)), state


def detach(state):
    return tuple(part.detach() for part in state)


twin = Twin("lstm_lm")
tokens, characters = sums(340)
length = len(tokens) // BATCH
columns = tokens[: length * BATCH].view(BATCH, length).t()  # (length, BATCH): each column is a text

net = RNNModel(len(characters))
twin.start(net)
net.train(not twin.compares)  # the two draw other dropout masks, so they are compared without
sgd = torch.optim.SGD(net.parameters(), lr=2)
state = tuple(torch.zeros(LAYERS, BATCH, HIDDEN, dtype=twin.dtype) for _ in range(2))
for epoch in range(1 if twin.compares else 4):
    for start in range(0, 20 * BPTT, BPTT):
        data, targets = columns[start : start + BPTT], columns[start + 1 : start + 1 + BPTT]
        sgd.zero_grad()
        output, state = net(data, detach(state))
        loss = F.cross_entropy(output.flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.25)
        sgd.step()
        twin.losses(loss.item())

twin.finish()
