"""PyTorch's side: the same nets, name by name, the same numbers, one thread. Speaks the protocol of bench/serve.h.

Long because it has every net once, beside its batch.

Variants of a step. The fastest one is the peer that counts:
  eager            as everybody writes it
  fused            the optimizer in one kernel (fused=True)
  channels_last    fused, with images and filters in NHWC order (nets with convolutions)
  compile          torch.compile of forward and loss, and with it of backward; fused optimizer
  compile_channels_last
"""
import sys
import time

import numpy as np
import torch
import torch._dynamo
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Mlp(nn.Module):
    def __init__(self, inputs, first, second, outputs):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(inputs, first), nn.Linear(first, second), nn.Linear(second, outputs)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 5), nn.Conv2d(16, 32, 5)
        self.fc1, self.fc2 = nn.Linear(512, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


def conv3x3(inputs, outputs, stride):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs, 1), nn.BatchNorm2d(outputs)
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = conv3x3(3, 16, 1), nn.BatchNorm2d(16)
        blocks, inputs = [], 16
        for outputs in (16, 32, 64):
            for _ in range(3):
                blocks.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
                inputs = outputs
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


class Sequences(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.fc = layer(32, 128, num_layers=2, batch_first=True), nn.Linear(128, 10)

    def forward(self, x):
        return self.fc(self.layer(x)[0][:, -1])


TOKENS, HEADS = 65, 4


class GptBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ln1, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ln2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (y.view(n, t, HEADS, c // HEADS).transpose(1, 2) for y in self.qkv(self.ln1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self, width, context):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(TOKENS, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(GptBlock(width) for _ in range(4)))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, TOKENS)

    def forward(self, x):
        return self.head(self.ln(self.blocks(self.wte(x) + self.wpe.weight))).view(-1, TOKENS)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs, 1), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """torchvision's, with the usual stem for images of 32 x 32."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(3, 64, 1), nn.BatchNorm2d(64)
        stages, inputs = [], 64
        for outputs in (64, 128, 256, 512):
            first = BasicBlock(inputs, outputs, 1 if outputs == 64 else 2)
            stages.append(nn.Sequential(first, BasicBlock(outputs, outputs, 1)))
            inputs = outputs
        self.layers, self.fc = nn.Sequential(*stages), nn.Linear(512, 10)

    def forward(self, x):
        return self.fc(self.layers(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


class VAE(nn.Module):
    """PyTorch's example, with given noise: the logits, the means and the logarithms of the variances."""

    def __init__(self, batch):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)
        self.noise = uniform(4, (batch, 20))

    def forward(self, x):
        h = F.relu(self.fc1(x))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + self.noise * torch.exp(0.5 * logvar)
        return self.fc4(F.relu(self.fc3(z))), mu, logvar


def vae_loss(made, x):
    logits, mu, logvar = made
    divergence = -0.5 * torch.sum(1 + logvar - mu * mu - logvar.exp())
    return (F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + divergence) / x.shape[0]


NUMBERS, CATEGORIES, WORDS = 13, 26, 1000


class DLRM(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb_l = nn.ModuleList(nn.Embedding(WORDS + 1, 16) for _ in range(CATEGORIES))
        self.bot_l = nn.Sequential(nn.Linear(NUMBERS, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU())
        vectors = CATEGORIES + 1
        self.top_l = nn.Sequential(nn.Linear(vectors * (vectors - 1) // 2 + 16, 64), nn.ReLU(), nn.Linear(64, 1))
        self.pairs = torch.tril_indices(vectors, vectors, -1)

    def forward(self, batch):
        numbers, words = batch
        x = self.bot_l(numbers)
        vectors = torch.stack([x] + [table(words[:, c]) for c, table in enumerate(self.emb_l)], 1)
        products = vectors @ vectors.transpose(1, 2)
        return self.top_l(torch.cat([x, products[:, self.pairs[0], self.pairs[1]]], 1))


def adversaries():
    """LibTorch's tutorial: a generator and a discriminator of images of 28 x 28."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(100, 256, 4, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 128, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1, bias=False), nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(0.2),
        nn.Conv2d(256, 1, 3, bias=False), nn.Flatten(0),
    )
    return generator, discriminator


def mixed(stream, count):
    """fill.h: 32 well-mixed bits per element."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    x += np.uint32((stream * 40503 + 12345) % 2**32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def uniform(stream, shape):
    count = int(np.prod(shape))
    values = (mixed(stream, count) >> np.uint32(8)).astype(np.float32) / np.float32(8388608) - np.float32(1)
    return torch.from_numpy(values.reshape(shape))


def fill_parameters(net):
    with torch.no_grad():
        for index, (name, p) in enumerate(net.named_parameters()):
            if p.dim() >= 2:
                bound = np.float32(1 / np.sqrt(p.numel() // p.shape[0]))
                p.copy_(uniform(100 + index, tuple(p.shape)) * bound)
            else:
                p.fill_(0 if name.endswith("bias") else 1)


def make_net(name, batch):
    """The net and the shape of its input."""
    if name == "mlp":
        return Mlp(784, 512, 256, 10), (batch, 784)
    if name == "tabular":
        return Mlp(128, 1000, 500, 1), (batch, 128)
    if name == "lenet":
        return LeNet(), (batch, 1, 28, 28)
    if name == "resnet20":
        return ResNet20(), (batch, 3, 32, 32)
    if name in ("lstm", "gru"):
        return Sequences(nn.LSTM if name == "lstm" else nn.GRU), (batch, 64, 32)
    if name in ("gpt", "gpt-wide"):
        width, context = (128, 64) if name == "gpt" else (256, 256)
        return Gpt(width, context), (batch, context)
    if name == "resnet18":
        return ResNet18(), (batch, 3, 32, 32)
    if name == "vae":
        return VAE(batch), (batch, 784)
    if name == "dlrm":
        return DLRM(), (batch, NUMBERS)
    if name == "conv-f64":
        net = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
        return net.double(), (batch, 8, 28, 28)
    raise ValueError(f"no net {name}")


def labels(shape, classes):
    count = int(np.prod(shape))
    return torch.from_numpy((mixed(3, count) % np.uint32(classes)).astype(np.int64).reshape(shape))


def make_batch(name, batch, shape):
    """The input, the target and the loss."""
    if name == "tabular":
        return uniform(1, shape), uniform(2, (batch, 1)), F.mse_loss
    if name.startswith("gpt"):
        return labels(shape, TOKENS), labels((batch * shape[1],), TOKENS), F.cross_entropy
    if name == "vae":
        x = uniform(1, shape) * 0.5 + 0.5
        return x, x, vae_loss
    if name == "dlrm":
        words = torch.from_numpy((mixed(5, batch * CATEGORIES) % np.uint32(WORDS) + np.uint32(1)).astype(np.int64))
        clicks = torch.from_numpy((mixed(3, batch) % np.uint32(2)).astype(np.float32)).reshape(batch, 1)
        return (uniform(1, shape), words.reshape(batch, CATEGORIES)), clicks, F.binary_cross_entropy_with_logits
    if name == "conv-f64":
        return uniform(1, shape).double(), torch.zeros(batch, 16, 28, 28, dtype=torch.float64), F.mse_loss
    return uniform(1, shape), labels((batch,), 10), F.cross_entropy


def make_optimizer(name, net, variant):
    fused = None if variant == "eager" else True
    if name == "adam":
        return torch.optim.Adam(net.parameters(), lr=1e-4, fused=fused)
    return torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=fused)


def start_again(net, optimizer):
    """The first weights and slots."""
    fill_parameters(net)
    for p in net.parameters():
        for slot in optimizer.state.get(p, {}).values():
            if slot is not None:
                slot.zero_()


def adversarial_training(optimizer_name, batch, variant):
    """Two nets that take turns. The loss is the sum of theirs."""
    generator, discriminator = adversaries()
    nets = (generator, discriminator)
    for net in nets:
        fill_parameters(net)
    noise, images = uniform(1, (batch, 100, 1, 1)), uniform(2, (batch, 1, 28, 28))
    if variant.endswith("channels_last"):
        nets = (generator, discriminator) = tuple(net.to(memory_format=torch.channels_last) for net in nets)
        noise, images = (x.to(memory_format=torch.channels_last) for x in (noise, images))
    optimizers = [make_optimizer(optimizer_name, net, variant) for net in nets]
    ones, zeros = torch.ones(batch), torch.zeros(batch)

    def loss_of(images, labels):
        return F.binary_cross_entropy_with_logits(discriminator(images), labels)

    generate = generator
    if variant.startswith("compile"):
        generate, loss_of = torch.compile(generator), torch.compile(loss_of)

    def run(repetitions):
        for _ in range(repetitions):
            fakes = generate(noise)
            optimizers[1].zero_grad()
            of_both = loss_of(images, ones) + loss_of(fakes.detach(), zeros)
            of_both.backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            of_generator = loss_of(fakes, ones)
            of_generator.backward()
            optimizers[0].step()
            value = (of_both + of_generator).item()
        return value

    run(1)
    for net, optimizer in zip(nets, optimizers):
        start_again(net, optimizer)
    return run


def training(name, optimizer_name, batch, variant):
    batch = int(batch)
    # Its limit of recompilations counts all nets together, because all share one forward(): later ones would run eager.
    torch._dynamo.reset()
    if name == "dcgan":
        return adversarial_training(optimizer_name, batch, variant)
    net, shape = make_net(name, batch)
    fill_parameters(net)
    x, target, loss_function = make_batch(name, batch, shape)
    if variant.endswith("channels_last"):
        if len(shape) != 4:
            raise ValueError("channels_last needs images")
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(optimizer_name, net, variant)

    def forward(x, target):
        return loss_function(net(x), target)

    if variant.startswith("compile"):
        forward = torch.compile(forward)

    def run(repetitions):
        for _ in range(repetitions):
            optimizer.zero_grad()
            loss = forward(x, target)
            loss.backward()
            optimizer.step()
            value = loss.item()
        return value

    run(1)  # compiles; and steps once, so that the weights are made anew
    start_again(net, optimizer)
    return run


def status_bytes(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field + ":"))


def peak_memory(*what):
    """memory.h: how far the process grows above its size before the net was made."""
    training("lenet", "adam", 1, "eager")(2)
    before = status_bytes("VmRSS")
    training(*what)(3)
    grown = status_bytes("VmHWM") - before
    return lambda repetitions: grown


def timed(work, repetitions):
    work(1)
    cpu, start = time.process_time(), time.perf_counter()
    value = work(repetitions)
    seconds = time.perf_counter() - start
    return f"{seconds:.9f} {time.process_time() - cpu:.9f} {value:.9g}"


def answer(words, workshop, works):
    slot = int(words[1])
    if words[0] == "load":
        if words[2] not in workshop:
            raise ValueError(f"expected {' or '.join(workshop)}, got {words[2]}")
        works[slot] = workshop[words[2]](*words[3:])
    elif words[0] == "run":
        return timed(works[slot], int(words[2]))
    else:
        works.pop(slot, None)
    return "ok"


def name_of_pytorch():
    return f"PyTorch {torch.__version__.split('+')[0]}"


def serve(name, workshop):
    """Serves standard input until it ends. `workshop`: from the first word of a work to the function that prepares it."""
    print(name, flush=True)
    works = {}
    for line in sys.stdin:
        try:
            text = answer(line.split(), workshop, works)
        except Exception as error:  # whatever it is: this side cannot do it
            text = "no " + " ".join(str(error).split())[:300]
        print(text, flush=True)


if __name__ == "__main__":
    serve(name_of_pytorch(), {"train": training, "memory": peak_memory})
