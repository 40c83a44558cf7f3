"""The job of all rivals: a grid of small MLPs on images in IDX files, as `hop_bench` writes it into one JSON file.

    {"rows": FOLDER, "processes": 2, "epochs": 3, "seed": 1, "grid": [{"hidden": 128, "lr": 0.001, "batch": 32}, ..]}

FOLDER has MNIST's four files. Each rival is called with this file, prints what it likes, and last one line of JSON:

    {"system": its name and version, "accuracies": [of each model of the grid, on the test rows, 0 to 1]}

Time, memory and bytes are measured from outside (bench/watched.h), for all in the same way.
"""
import json
import pathlib
import struct
import sys
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def read(path):
    return json.loads(pathlib.Path(path).read_text())


def idx(path):
    """The array of an IDX file of bytes: two zeros, the type, the number of dimensions, their sizes, the values."""
    content = pathlib.Path(path).read_bytes()
    dimensions = content[3]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(struct.unpack_from(f">{dimensions}I", content, 4))


@lru_cache(maxsize=None)
def rows(folder, part):
    """Images (N, 784) f32 in [0, 1] and classes (N) i64; read once per process."""
    images = idx(f"{folder}/{part}-images-idx3-ubyte")
    classes = idx(f"{folder}/{part}-labels-idx1-ubyte")
    return torch.from_numpy(images.reshape(len(images), -1) / np.float32(255)), torch.from_numpy(classes.astype(np.int64))


def make_net(config, seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 10))


def make_optimizer(net, config):
    return torch.optim.Adam(net.parameters(), lr=config["lr"], fused=True)


def train(job, config, rank=0, ranks=1, wrap=lambda net: net, wrap_optimizer=lambda optimizer, net: optimizer):
    """The accuracy of one model. Of `ranks` processes this one takes each `ranks`-th row of an epoch's permutation, and
    all take the same number: the first rows again where the division leaves a rest, as DistributedSampler does it."""
    x, y = rows(job["rows"], "train")
    net = make_net(config, job["seed"])
    model, optimizer = wrap(net), wrap_optimizer(make_optimizer(net, config), net)
    for epoch in range(job["epochs"]):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(job["seed"] + epoch))
        mine = torch.cat([order, order[:-len(order) % ranks]])[rank::ranks]
        for batch in mine.split(config["batch"]):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    x, y = rows(job["rows"], "test")
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def tell(system, accuracies):
    print(json.dumps({"system": system, "accuracies": accuracies}), flush=True)


def path_of_job():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} JOB.json")
    return sys.argv[1]
