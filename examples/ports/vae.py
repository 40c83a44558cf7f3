"""A variational autoencoder (Kingma & Welling, 2014), in the manner of PyTorch's example."""

import torch
import torch.nn.functional as F
from torch import nn

from data import stripes
from twin import Twin

SIZE, HIDDEN, LATENT, BATCH = 12, 32, 4, 16


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(SIZE * SIZE, HIDDEN)
        self.fc21 = nn.Linear(HIDDEN, LATENT)
        self.fc22 = nn.Linear(HIDDEN, LATENT)
        self.fc3 = nn.Linear(LATENT, HIDDEN)
        self.fc4 = nn.Linear(HIDDEN, SIZE * SIZE)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):  # (N, SIZE SIZE)
        mu, logvar = self.encode(x)
        z = mu + twin.randn(x.size(0), LATENT) * torch.exp(0.5 * logvar)
        return self.decode(z), mu, logvar


def vae_loss(reconstruction, x, mu, logvar):
    """Reconstruction and divergence, summed over all pixels and variables: () per image."""
    bce = F.binary_cross_entropy(reconstruction, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + logvar - mu * mu - logvar.exp())
    return (bce + divergence) / x.size(0)


twin = Twin("vae")
net = VAE()
twin.start(net)
adam = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(20 if twin.compares else 150):
    images = stripes(BATCH, SIZE, first=step * BATCH)[0]
    x = (images.flatten(1) * 0.5 + 0.5).to(twin.dtype)  # from 0 to 1
    adam.zero_grad()
    reconstruction, mu, logvar = net(x)
    loss = vae_loss(reconstruction, x, mu, logvar)
    loss.backward()
    adam.step()
    twin.losses(loss.item())

twin.finish()
