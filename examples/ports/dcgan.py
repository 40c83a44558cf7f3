"""DCGAN, as in LibTorch's tutorial, with fewer channels: two networks and two optimizers that take turns."""

import torch
import torch.nn.functional as F
from torch import nn

from data import stripes
from twin import Twin

NOISE, BATCH = 16, 8

twin = Twin("dcgan")  # it seeds PyTorch, so it comes before the weights
generator = nn.Sequential(
    nn.ConvTranspose2d(NOISE, 32, 4, bias=False),  # (N, 32, 4, 4)
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, bias=False),  # (N, 16, 7, 7)
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, bias=False),  # (N, 8, 14, 14)
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1, bias=False),  # (N, 1, 28, 28)
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 8, 4, stride=2, padding=1, bias=False),  # (N, 8, 14, 14)
    nn.LeakyReLU(0.2),
    nn.Conv2d(8, 16, 4, stride=2, padding=1, bias=False),  # (N, 16, 7, 7)
    nn.BatchNorm2d(16),
    nn.LeakyReLU(0.2),
    nn.Conv2d(16, 32, 4, stride=2, padding=1, bias=False),  # (N, 32, 3, 3)
    nn.BatchNorm2d(32),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 1, 3, bias=False),  # (N, 1, 1, 1)
    nn.Flatten(0),
    nn.Sigmoid(),  # (N)
)

twin.start(generator, "generator")
twin.start(discriminator, "discriminator")
generator_adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
discriminator_adam = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
real_labels, fake_labels = torch.ones(BATCH, dtype=twin.dtype), torch.zeros(BATCH, dtype=twin.dtype)

for step in range(20 if twin.compares else 60):
    real_images = stripes(BATCH, 28, first=step * BATCH)[0].to(twin.dtype)
    fake_images = generator(twin.randn(BATCH, NOISE, 1, 1))

    # The discriminator learns to tell them apart ..
    discriminator_adam.zero_grad()
    d_loss_real = F.binary_cross_entropy(discriminator(real_images), real_labels)
    d_loss_real.backward()
    d_loss_fake = F.binary_cross_entropy(discriminator(fake_images.detach()), fake_labels)
    d_loss_fake.backward()
    discriminator_adam.step()

    # .. and the generator to deceive it.
    generator_adam.zero_grad()
    g_loss = F.binary_cross_entropy(discriminator(fake_images), real_labels)
    g_loss.backward()
    generator_adam.step()
    twin.losses(d_loss_real.item() + d_loss_fake.item(), g_loss.item())

twin.finish()
