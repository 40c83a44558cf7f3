"""A grid over a model of one's own: every model for 20 epochs, one after the other."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from data import stripes
from twin import Twin

ROWS, SIZE, EPOCHS = 256, 8, 20


class SineLinear(nn.Linear):
    """Starts with weights by formula."""

    def reset_parameters(self):
        with torch.no_grad():
            place = torch.arange(self.weight.numel(), dtype=torch.float64).view_as(self.weight)
            self.weight.copy_(torch.sin(place * place) * (2 / self.in_features) ** 0.5)
            self.bias.zero_()


class Gated(nn.Module):
    """A gated layer, (N, inputs) -> (N, classes)."""

    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.value = SineLinear(inputs, hidden)
        self.gate = SineLinear(inputs, hidden)
        self.out = SineLinear(hidden, classes)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x)))


twin = Twin("own_search")
torch.set_default_dtype(twin.dtype)
images, labels = stripes(ROWS, SIZE)
images = images.float().to(twin.dtype)  # as rows of a data set are
results = []
for hidden, lr in itertools.product([8, 16], [0.5, 0.1]):
    net = Gated(SIZE * SIZE, hidden, 10)
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    batches = [slice(0, ROWS)] if twin.compares else [slice(b, b + 32) for b in range(0, ROWS, 32)]
    for epoch in range(EPOCHS):
        for batch in batches:
            sgd.zero_grad()
            loss = F.cross_entropy(net(images[batch]), labels[batch])
            loss.backward()
            sgd.step()
            twin.losses(loss.item())
    results.append((loss.item(), hidden, lr))

for loss, hidden, lr in sorted(results):
    print(f"hidden={hidden} lr={lr}: {loss:.4f}")
twin.finish()
