"""Writes models.safetensors: the losses of five steps of SGD of PyTorch twins (twins.py) of nn/models, in f64.

    pip install torch safetensors numpy
    python tests/nn/golden/generate_models.py

The test reads the file; it needs no Python. Weights and batches are not in the file: both sides make them of their
names (number()). Of each model: <model>.losses, and in the metadata under <model> the names and shapes of parameters.
Beside them gpt2.safetensors: a GPT-2 with the names and the transposed weights of Hugging Face, tokens, and logits.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import twins
from safetensors.torch import save_file
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(2026)
golden, names = {}, {"torch": torch.__version__}


def bits(name, count):
    """`count` numbers of 64 bits: FNV-1a of the name, then SplitMix64."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def number(name, *shape):
    """Numbers from -0.5 to 0.5."""
    count = int(np.prod(shape))
    values = (bits(name, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5
    return torch.from_numpy(values).reshape(shape)


def index(name, below, *shape):
    return torch.from_numpy((bits(name, int(np.prod(shape))) % np.uint64(below)).astype(np.int64)).reshape(shape)


def fill(module):
    with torch.no_grad():
        for name, p in module.named_parameters():
            values = number(name, *p.shape)
            if p.dim() >= 2:
                p.copy_(values * (12 * p.shape[0] / p.numel()) ** 0.5)
            else:
                p.copy_(values * 0.2 + (1 if name.endswith("weight") else 0))


def shapes(module):
    lines = sorted(f"{name} ({', '.join(map(str, p.shape))})" for name, p in module.named_parameters())
    return "\n".join(lines)


def follow(name, module, loss, lr=0.05):
    """Five steps of SGD with momentum: the loss before each."""
    fill(module)
    names[name] = shapes(module)
    optimizer, losses = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9), []
    for _ in range(5):
        optimizer.zero_grad()
        value = loss(module)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert all(np.isfinite(losses)), (name, losses)
    print(f"{name:20}", *(f"{value:.6f}" for value in losses))
    golden[f"{name}.losses"] = torch.tensor(losses)


def images(name, module, size, classes=5, lr=0.05):
    x, y = number(name + ".x", 4, 3, size, size) * 4, index(name + ".y", classes, 4)
    follow(name, module, lambda m: F.cross_entropy(m(x), y), lr)


def texts(name, module, vocabulary):
    x, y = index(name + ".x", vocabulary, 3, 5), index(name + ".y", vocabulary, 15)
    follow(name, module, lambda m: F.cross_entropy(m(x).flatten(0, 1), y))


# ---- images
images("resnet18", twins.ResNet(twins.BasicBlock, (2, 2, 2, 2), 4, 5, True), 32)
images("resnet_bottleneck", twins.ResNet(twins.Bottleneck, (2, 1, 1, 1), 4, 5, False), 96, lr=0.01)
images("resnet20", twins.CifarResNet(3, 4, 5), 16)
images("vgg11", twins.VGG((1, 1, 2, 2, 2), 2, 8, 5, False, 1), 32)
images("vgg16_bn", twins.VGG((2, 2, 3, 3, 3), 2, 8, 5, True, 2), 64)
images("mobilenet_v2", twins.MobileNetV2((8, 8, 8, 8, 16, 24, 40, 80), 1280, 5, 1), 32, lr=0.005)
images("vit", twins.ViT(8, 4, 2, 2, 8, 16, 5), 8)
x, y = number("unet.x", 2, 3, 34, 36) * 4, index("unet.y", 3, 2, 34, 36)
follow("unet", twins.UNet(2, 3), lambda m: F.cross_entropy(m(x), y))

# ---- texts
texts("gpt", twins.GPT(11, 6, 2, 2, 8), 11)
texts("gpt_tanh", twins.GPT(11, 6, 1, 4, 8, "tanh"), 11)
texts("lstm_lm", twins.RNNModel(11, 6, 8, 2, False), 11)
texts("lstm_lm_tied", twins.RNNModel(11, 8, 8, 1, True), 11)
tokens, types, labels = index("bert.x", 13, 3, 5), index("bert.types", 2, 3, 5), index("bert.y", 4, 3)
padding = torch.arange(5) >= torch.tensor([[5], [3], [1]])
follow("bert", twins.BertClassifier(4, 13, 8, 2, 2, 16, 7, 2),
       lambda m: F.cross_entropy(m(tokens, types, padding), labels))


# ---- tables
def rows(name, numbers, words):
    columns = [index(f"{name}.word{i}", n + 1, 6, 1).double() for i, n in enumerate(words)]
    return torch.cat([number(name + ".numbers", 6, numbers) * 4, *columns], 1)


x1, y1 = rows("dlrm", 3, (4, 2, 6)), index("dlrm.y", 2, 6, 1).double()
follow("dlrm", twins.DLRM(3, (4, 2, 6), 4, (8,), (8, 5), 1),
       lambda m: F.binary_cross_entropy_with_logits(m(x1), y1))
x2, y2 = rows("dlrm_words", 0, (4, 2)), index("dlrm_words.y", 3, 6)
follow("dlrm_words", twins.DLRM(0, (4, 2), 4, (), (), 3), lambda m: F.cross_entropy(m(x2), y2))
x3, y3 = rows("tab_transformer", 2, (3, 5)), index("tab_transformer.y", 3, 6)
follow("tab_transformer", twins.TabTransformer(2, (3, 5), 8, 2, 2, (8,), 3), lambda m: F.cross_entropy(m(x3), y3))

# ---- generators
x4, noise = number("vae.x", 4, 12) + 0.5, number("vae.noise", 4, 3) * 3


def vae_loss(m):
    reconstruction, mu, logvar = m(x4, noise)
    divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return F.binary_cross_entropy(reconstruction, x4, reduction="sum") + divergence


follow("vae", twins.VAE(12, 8, 3), vae_loss, lr=0.01)

generator, discriminator = twins.Generator(4, 2, 1), twins.Discriminator(2, 1)
for name, module in (("dcgan_generator", generator), ("dcgan_discriminator", discriminator)):
    fill(module)
    names[name] = shapes(module)
real, z = number("dcgan.x", 4, 1, 64, 64) * 2, number("dcgan.z", 4, 4, 1, 1) * 4
optimizers = [torch.optim.SGD(m.parameters(), lr=0.02) for m in (generator, discriminator)]
losses = []
for _ in range(5):
    judged = F.binary_cross_entropy_with_logits
    fake = generator(z)
    optimizers[1].zero_grad()
    d_loss = judged(discriminator(real), torch.ones(4)) + judged(discriminator(fake.detach()), torch.zeros(4))
    d_loss.backward()
    optimizers[1].step()
    optimizers[0].zero_grad()
    g_loss = judged(discriminator(fake), torch.ones(4))
    g_loss.backward()
    optimizers[0].step()
    losses += [d_loss.item(), g_loss.item()]
print("dcgan", losses)
golden["dcgan.losses"] = torch.tensor(losses)

# Both networks in one step: the generator's gradient goes to the generator alone.
both = twins.DCGAN(3, 2, 2)
fill(both)
names["dcgan_both"] = shapes(both)
real, z = number("dcgan_both.x", 4, 2, 28, 28) * 2, number("dcgan_both.z", 4, 3, 1, 1) * 4
optimizer = torch.optim.SGD(both.parameters(), lr=0.02, momentum=0.9)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    fake = both.generator(z)
    d_loss = judged(both.discriminator(real), torch.ones(4)) + judged(both.discriminator(fake.detach()), torch.zeros(4))
    g_loss = judged(both.discriminator(fake), torch.ones(4))
    d_loss.backward()
    gradients = [p.grad.clone() for p in both.discriminator.parameters()]
    g_loss.backward()
    for p, gradient in zip(both.discriminator.parameters(), gradients):
        p.grad = gradient
    optimizer.step()
    losses.append((d_loss + g_loss).item())
print("dcgan_both", losses)
golden["dcgan_both.losses"] = torch.tensor(losses)

folder = pathlib.Path(__file__).parent
save_file(golden, folder / "models.safetensors", metadata=names)

# ---- Hugging Face's GPT-2: Conv1D weights are (in, out), and there are masks
model = twins.GPT(11, 6, 2, 2, 8, "tanh")
fill(model)
tokens = index("gpt2.x", 11, 2, 6)
theirs = {"gpt2.tokens": tokens, "gpt2.logits": model(tokens).detach()}
for name, p in model.state_dict().items():
    if name == "lm_head.weight":
        continue
    turns = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    theirs[name.removeprefix("transformer.")] = (p.T if turns else p).contiguous().clone()
for i in range(2):
    theirs[f"h.{i}.attn.bias"] = torch.ones(1, 1, 6, 6).tril()
save_file(theirs, folder / "gpt2.safetensors")
