"""What PyTorch's DistributedDataParallel and its all_reduce make of the numbers of tests/hopper/gloo_test.cpp.

    python tests/hopper/golden/generate_gloo.py      (torch with Gloo, safetensors; writes gloo.safetensors beside this file)

Two processes train a linear layer whose gradients are single products, so that forward and backward round as any library
does, with steps of powers of two, so that updates do not round in their products. What is left is the mean. Four processes
sum gradients that are divided by four, as DistributedDataParallel does.
"""
import os
import pathlib
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import save_file

STEPS, INPUTS, OUTPUTS, MANY = 12, 24, 16, 4096


def numbers(rank, step, count):
    return torch.randn(count, generator=torch.Generator().manual_seed(1000 * rank + step))


def start(rank, world, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=world)


def train(rank, port, answer):
    start(rank, 2, port)
    layer = torch.nn.Linear(INPUTS, OUTPUTS, bias=False)
    with torch.no_grad():
        layer.weight.copy_(numbers(9, 0, INPUTS * OUTPUTS).view(OUTPUTS, INPUTS))
    model = torch.nn.parallel.DistributedDataParallel(layer)
    history = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.5)
    for step in range(STEPS):
        x, t = numbers(rank, step, INPUTS), numbers(rank, 500 + step, OUTPUTS)
        optimizer.zero_grad()
        (model(x.view(1, -1)) * t).sum().backward()
        optimizer.step()
        history.append(layer.weight.detach().clone())
    if rank == 0:
        answer.append([weights.tolist() for weights in history])
    dist.destroy_process_group()


def add(rank, port, answer):
    start(rank, 4, port)
    values = numbers(rank, 900, MANY) / 4
    dist.all_reduce(values)
    if rank == 0:
        answer.append(values.tolist())
    dist.destroy_process_group()


def of(processes, work):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mp.Manager() as manager:
        answer = manager.list()
        mp.spawn(work, args=(port, answer), nprocs=processes)
        return answer[0]


def main():
    golden = {
        "first": numbers(9, 0, INPUTS * OUTPUTS).view(OUTPUTS, INPUTS),
        "x": torch.stack([torch.stack([numbers(rank, step, INPUTS) for step in range(STEPS)]) for rank in range(2)]),
        "t": torch.stack([torch.stack([numbers(rank, 500 + step, OUTPUTS) for step in range(STEPS)]) for rank in range(2)]),
        "weights": torch.tensor(of(2, train)),
        "gradients": torch.stack([numbers(rank, 900, MANY) for rank in range(4)]),
        "mean": torch.tensor(of(4, add)),
    }
    save_file(golden, pathlib.Path(__file__).with_name("gloo.safetensors"), {"torch": torch.__version__.split("+")[0]})


if __name__ == "__main__":
    main()
