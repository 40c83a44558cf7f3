"""PyTorch twins of nn/models, with the names of parameters of torchvision, nanoGPT, Hugging Face and PyTorch's examples.

Long because it is a collection: one model after the other. They are written for tests: no dropout, and only the
options that generate_models.py needs.
"""

import torch
import torch.nn.functional as F
from torch import nn


def named(**parts):
    return nn.ModuleDict(parts)


# ---- images


def conv(i, o, kernel, stride=1, padding=0, groups=1):
    return nn.Conv2d(i, o, kernel, stride, padding, groups=groups, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride, 1), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv(o, o, 3, 1, 1), nn.BatchNorm2d(o)
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 1), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv(o, o, 3, stride, 1), nn.BatchNorm2d(o)
        self.conv3, self.bn3 = conv(o, 4 * o, 1), nn.BatchNorm2d(4 * o)
        self.downsample = None
        if stride != 1 or i != 4 * o:
            self.downsample = nn.Sequential(conv(i, 4 * o, 1, stride), nn.BatchNorm2d(4 * o))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        y = self.bn3(self.conv3(y))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self, block, layers, width, classes, small):
        super().__init__()
        self.small = small
        self.conv1 = conv(3, width, 3, 1, 1) if small else conv(3, width, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(width)
        i = width
        for k, count in enumerate(layers):
            o = width * 2**k
            blocks = []
            for b in range(count):
                blocks.append(block(i, o, 2 if b == 0 and k > 0 else 1))
                i = o * block.expansion
            setattr(self, f"layer{k + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(i, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        if not self.small:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


class CifarBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride, 1), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv(o, o, 3, 1, 1), nn.BatchNorm2d(o)
        self.stride, self.new = stride, o - i

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new // 2))
        return (y + shortcut).relu()


class CifarResNet(nn.Module):
    def __init__(self, blocks, width, classes):
        super().__init__()
        self.conv1, self.bn1 = conv(3, width, 3, 1, 1), nn.BatchNorm2d(width)
        i = width
        for k in range(3):
            o, stage = width * 2**k, []
            for b in range(blocks):
                stage.append(CifarBlock(i, o, 2 if b == 0 and k > 0 else 1))
                i = o
            setattr(self, f"layer{k + 1}", nn.Sequential(*stage))
        self.linear = nn.Linear(i, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class VGG(nn.Module):
    def __init__(self, stages, width, hidden, classes, norm, pool):
        super().__init__()
        layers, i = [], 3
        for count, factor in zip(stages, (1, 2, 4, 8, 8)):
            for _ in range(count):
                o = width * factor
                layers += [nn.Conv2d(i, o, 3, padding=1)] + ([nn.BatchNorm2d(o)] if norm else []) + [nn.ReLU()]
                i = o
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(i * pool**2, hidden), nn.ReLU(), nn.Dropout(0),
                                        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0), nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def conv_norm(i, o, kernel, stride=1, groups=1):
    return nn.Sequential(conv(i, o, kernel, stride, kernel // 2, groups), nn.BatchNorm2d(o), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, i, o, stride, expansion):
        super().__init__()
        wide = i * expansion
        layers = [conv_norm(i, wide, 1)] if expansion != 1 else []
        layers += [conv_norm(wide, wide, 3, stride, wide), conv(wide, o, 1), nn.BatchNorm2d(o)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and i == o

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """`widths` are the channels of the stem and of the stages, after the factor."""

    def __init__(self, widths, last, classes, stride):
        super().__init__()
        layers, i = [conv_norm(3, widths[0], 3, stride)], widths[0]
        stages = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))
        for o, (expansion, count, first) in zip(widths[1:], stages):
            for b in range(count):
                layers.append(InvertedResidual(i, o, first if b == 0 else 1, expansion))
                i = o
        self.features = nn.Sequential(*layers, conv_norm(i, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(0), nn.Linear(last, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class DoubleConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.double_conv = nn.Sequential(conv(i, o, 3, 1, 1), nn.BatchNorm2d(o), nn.ReLU(), conv(o, o, 3, 1, 1),
                                         nn.BatchNorm2d(o), nn.ReLU())

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(i, o))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(i, i // 2, 2, 2), DoubleConv(i, o)

    def forward(self, x, skip):
        x = self.up(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return self.conv(torch.cat([skip, x], 1))


class OutConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        w = width
        self.inc = DoubleConv(3, w)
        self.down1, self.down2, self.down3, self.down4 = (Down(w * f, 2 * w * f) for f in (1, 2, 4, 8))
        self.up1, self.up2, self.up3, self.up4 = (Up(2 * w * f, w * f) for f in (8, 4, 2, 1))
        self.outc = OutConv(w, classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        return self.outc(self.up4(self.up3(self.up2(self.up1(self.down4(x4), x4), x3), x2), x1))


class ViTBlock(nn.Module):
    def __init__(self, dim, heads, mlp):
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp), nn.GELU(), nn.Dropout(0), nn.Linear(mlp, dim), nn.Dropout(0))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class ViTEncoder(nn.Module):
    def __init__(self, positions, layers, dim, heads, mlp):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, positions, dim))
        self.layers = named(**{f"encoder_layer_{i}": ViTBlock(dim, heads, mlp) for i in range(layers)})
        self.ln = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x):
        x = x + self.pos_embedding
        for layer in self.layers.values():
            x = layer(x)
        return self.ln(x)


class ViT(nn.Module):
    def __init__(self, image, patch, layers, heads, dim, mlp, classes):
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        self.conv_proj = nn.Conv2d(3, dim, patch, patch)
        self.encoder = ViTEncoder((image // patch) ** 2 + 1, layers, dim, heads, mlp)
        self.heads = named(head=nn.Linear(dim, classes))

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = self.encoder(torch.cat([self.class_token.expand(len(x), -1, -1), x], 1))
        return self.heads["head"](x[:, 0])


# ---- texts


class CausalSelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads = heads

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (part.view(n, t, self.heads, c // self.heads).transpose(1, 2)
                   for part in self.c_attn(x).split(c, dim=2))
        scores = q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -torch.inf)
        return self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))


class GPTFeedForward(nn.Module):
    def __init__(self, width, approximate):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.approximate = approximate

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate=self.approximate))


class GPTBlock(nn.Module):
    def __init__(self, width, heads, approximate):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), CausalSelfAttention(width, heads)
        self.ln_2, self.mlp = nn.LayerNorm(width), GPTFeedForward(width, approximate)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab, block, layers, heads, width, approximate="none"):
        super().__init__()
        self.transformer = named(wte=nn.Embedding(vocab, width), wpe=nn.Embedding(block, width),
                                 h=nn.ModuleList(GPTBlock(width, heads, approximate) for _ in range(layers)),
                                 ln_f=nn.LayerNorm(width))
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens):
        x = self.transformer.wte(tokens) + self.transformer.wpe(torch.arange(tokens.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


class Dense(nn.Module):
    def __init__(self, i, o, norm=None):
        super().__init__()
        self.dense = nn.Linear(i, o)
        if norm is not None:
            self.LayerNorm = nn.LayerNorm(o, eps=norm)


class BertLayer(nn.Module):
    def __init__(self, width, heads, wide):
        super().__init__()
        attention = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": attention, "output": Dense(width, width, 1e-12)})
        self.intermediate, self.output, self.heads = Dense(width, wide), Dense(wide, width, 1e-12), heads

    def forward(self, x, padding):
        n, t, c = x.shape
        q, k, v = (self.attention["self"][name](x).view(n, t, self.heads, c // self.heads).transpose(1, 2)
                   for name in ("query", "key", "value"))
        scores = (q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5).masked_fill(padding[:, None, None], -torch.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c)
        out = self.attention["output"]
        x = out.LayerNorm(out.dense(mixed) + x)
        return self.output.LayerNorm(self.output.dense(F.gelu(self.intermediate.dense(x))) + x)


class Bert(nn.Module):
    def __init__(self, vocab, width, layers, heads, wide, positions, types):
        super().__init__()
        self.embeddings = named(word_embeddings=nn.Embedding(vocab, width),
                                position_embeddings=nn.Embedding(positions, width),
                                token_type_embeddings=nn.Embedding(types, width),
                                LayerNorm=nn.LayerNorm(width, eps=1e-12))
        self.encoder = named(layer=nn.ModuleList(BertLayer(width, heads, wide) for _ in range(layers)))
        self.pooler = Dense(width, width)

    def forward(self, tokens, types, padding):
        e = self.embeddings
        x = e.word_embeddings(tokens) + e.token_type_embeddings(types)
        x = e.LayerNorm(x + e.position_embeddings(torch.arange(tokens.shape[1])))
        for layer in self.encoder.layer:
            x = layer(x, padding)
        return self.pooler.dense(x[:, 0]).tanh()


class BertClassifier(nn.Module):
    def __init__(self, classes, vocab, width, layers, heads, wide, positions, types):
        super().__init__()
        self.bert = Bert(vocab, width, layers, heads, wide, positions, types)
        self.classifier = nn.Linear(width, classes)

    def forward(self, tokens, types, padding):
        return self.classifier(self.bert(tokens, types, padding))


class RNNModel(nn.Module):
    def __init__(self, vocab, embedding, hidden, layers, tied):
        super().__init__()
        self.encoder = nn.Embedding(vocab, embedding)
        self.rnn = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.decoder = nn.Linear(hidden, vocab)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, tokens):
        return self.decoder(self.rnn(self.encoder(tokens))[0])


# ---- tables


def network(widths, ends_with_relu):
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(a, b))
        if ends_with_relu or i + 2 < len(widths):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class DLRM(nn.Module):
    def __init__(self, numbers, words, embedding, bottom, top, outputs):
        super().__init__()
        self.emb_l = nn.ModuleList(nn.EmbeddingBag(n + 1, embedding, mode="sum") for n in words)
        if numbers:
            self.bot_l = network([numbers, *bottom, embedding], True)
        vectors = len(words) + (numbers > 0)
        pairs = vectors * (vectors - 1) // 2 + (embedding if numbers else 0)
        self.top_l, self.numbers = network([pairs, *top, outputs], False), numbers

    def forward(self, x):
        numbers, words = x[:, : self.numbers], x[:, self.numbers :].long()
        dense = [self.bot_l(numbers)] if self.numbers else []
        vectors = torch.stack(dense + [bag(words[:, i : i + 1]) for i, bag in enumerate(self.emb_l)], 1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))
        rows, columns = torch.tril_indices(vectors.shape[1], vectors.shape[1], -1)
        return self.top_l(torch.cat(dense + [products[:, rows, columns]], 1))


class TabTransformer(nn.Module):
    def __init__(self, numbers, words, embedding, heads, layers, hidden, outputs):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n + 1, embedding) for n in words)
        layer = nn.TransformerEncoderLayer(embedding, heads, 4 * embedding, 0, "gelu", batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm, self.numbers = nn.LayerNorm(numbers), numbers
        self.mlp = network([numbers + len(words) * embedding, *hidden, outputs], False)

    def forward(self, x):
        numbers, words = x[:, : self.numbers], x[:, self.numbers :].long()
        vectors = torch.stack([table(words[:, i]) for i, table in enumerate(self.embeddings)], 1)
        return self.mlp(torch.cat([self.transformer(vectors).flatten(1), self.norm(numbers)], 1))


# ---- generators


class VAE(nn.Module):
    def __init__(self, inputs, hidden, latent):
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc21, self.fc22 = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.fc3, self.fc4 = nn.Linear(latent, hidden), nn.Linear(hidden, inputs)

    def forward(self, x, noise):
        h = self.fc1(x).relu()
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + noise * (0.5 * logvar).exp()
        return self.fc4(self.fc3(z).relu()).sigmoid(), mu, logvar


class Generator(nn.Module):
    def __init__(self, latent, width, channels, sides=(4, 8, 16, 32, 64)):
        super().__init__()
        layers, i = [], latent
        for n, side in enumerate(sides[:-1]):
            o = width * 2 ** (len(sides) - 2 - n)
            layers += [grow(i, o, sides[n - 1] if n else 1, side), nn.BatchNorm2d(o), nn.ReLU()]
            i = o
        self.main = nn.Sequential(*layers, grow(i, channels, sides[-2], sides[-1]), nn.Tanh())

    def forward(self, x):
        return self.main(x)


def grow(i, o, side, larger):
    """Of images of one pixel, or of nearly half the side."""
    if side == 1:
        return nn.ConvTranspose2d(i, o, larger, bias=False)
    return nn.ConvTranspose2d(i, o, 4 - larger % 2, 2, 1, bias=False)


class Discriminator(nn.Module):
    def __init__(self, width, channels, sides=(64, 32, 16, 8, 4)):
        super().__init__()
        layers, i = [], channels
        for n in range(len(sides) - 1):
            o = width * 2**n
            layers += [conv(i, o, 4, 2, 1)] + ([nn.BatchNorm2d(o)] if n > 0 else []) + [nn.LeakyReLU(0.2)]
            i = o
        self.main = nn.Sequential(*layers, conv(i, 1, sides[-1], 1, 0))

    def forward(self, x):
        return self.main(x).flatten()


class DCGAN(nn.Module):
    """Both networks, for images of 28 x 28."""

    def __init__(self, latent, width, channels):
        super().__init__()
        self.generator = Generator(latent, width, channels, (4, 7, 14, 28))
        self.discriminator = Discriminator(width, channels, (28, 14, 7, 3))
