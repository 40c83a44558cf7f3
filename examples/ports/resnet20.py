"""ResNet-20 (He et al., 2016) with a quarter of its channels, and the usual augmentation: shifted crops, mirrored."""

import torch
import torch.nn.functional as F
from torch import nn

from data import stripes
from twin import Twin

BATCH, SIZE = 16, 16


def conv3x3(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.stride, self.more = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:  # the shortcut has no parameters: every second pixel, and channels of zeros
            x = F.pad(x[..., ::2, ::2], (0, 0, 0, 0, self.more, self.more))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(3, width), nn.BatchNorm2d(width)
        self.layer1 = self.stage(width, width, 1)
        self.layer2 = self.stage(width, 2 * width, 2)
        self.layer3 = self.stage(2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, classes)

    def stage(self, inputs, outputs, stride):
        return nn.Sequential(
            BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1), BasicBlock(outputs, outputs, 1)
        )

    def forward(self, x):  # (N, 3, H, W)
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.linear(y.mean((2, 3)))  # (N, classes)


def augment(x, down, right, mirrored):
    """Crops image i of x (N, C, H, W) from itself with 2 pixels of padding, at its own place; mirrors it if asked."""
    line = torch.arange(x.size(-1))
    rows = down[:, None] + line
    columns = right[:, None] + torch.where(mirrored[:, None] == 1, x.size(-1) - 1 - line, line)
    image = torch.arange(x.size(0))[:, None, None]
    cropped = F.pad(x, (2, 2, 2, 2))[image, :, rows[:, :, None], columns[:, None, :]]  # (N, H, W, C)
    return cropped.permute(0, 3, 1, 2)


def pictures(n, first):
    x, label = stripes(n, SIZE, first)
    return torch.cat([x, x * x, torch.sin(3 * x)], 1).to(twin.dtype), label


twin = Twin("resnet20")
net = ResNet(4, 10)
twin.start(net)
steps = 20 if twin.compares else 60
sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.MultiStepLR(sgd, milestones=[steps // 2, 3 * steps // 4])
for step in range(steps):
    x, y = pictures(BATCH, first=step * BATCH)
    down, right = twin.randint(0, 5, (BATCH,)), twin.randint(0, 5, (BATCH,))
    x = augment(x, down, right, twin.randint(0, 2, (BATCH,)))
    sgd.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    sgd.step()
    scheduler.step()
    twin.losses(loss.item())

net.eval()
with torch.no_grad():
    x, y = pictures(200, first=5000)
    print(f"accuracy on new images: {(net(x).argmax(1) == y).double().mean().item():.3f}")
twin.finish()
