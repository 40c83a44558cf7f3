"""LibTorch's first example: a small convolutional network for MNIST. The digits are stripes here: no download."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from data import stripes
from twin import Twin


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.drop = nn.Dropout()
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):  # (N, 1, 28, 28)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # (N, 10, 12, 12)
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))  # (N, 20, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(self.drop(x)), 1)  # (N, 10)


twin = Twin("mnist")
images, labels = stripes(320, 28)
images = images.to(twin.dtype)
loader = DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=not twin.compares)

net = Net()
twin.start(net)
sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.5)
for epoch in range(1 if twin.compares else 6):
    net.train(not twin.compares)  # the two draw other dropout masks, so they are compared without
    for x, y in loader:
        sgd.zero_grad()
        loss = F.nll_loss(net(x), y)
        loss.backward()
        sgd.step()
        twin.losses(loss.item())

net.eval()
with torch.no_grad():
    x, y = stripes(200, 28, first=1000)
    accuracy = (net(x.to(twin.dtype)).argmax(1) == y).double().mean().item()
print(f"accuracy on new images: {accuracy:.3f}")
twin.finish()
