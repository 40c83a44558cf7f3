"""PyTorch's all_reduce over Gloo: the sum of gradients over several processes and its division, step after step. Speaks
the protocol of bench/serve.h.

DistributedDataParallel does the same with each bucket of gradients, by the same C++ call, and copies them besides; it
begins during backward, which no row here has. So this is the fastest that it can be.
"""
import datetime
import os

import numpy as np
import torch
from torch import distributed

from pytorch import name_of_pytorch, serve, uniform

FIRST_STREAM, SAMPLES = 10, 1000


def backend(rank, ranks, address):
    """The process group of this process. All ranks come here at the same time, with the same address."""
    if not distributed.is_initialized():
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        distributed.init_process_group("gloo", init_method=address.replace("tcp:", "tcp://"), rank=rank, world_size=ranks,
                                       timeout=datetime.timedelta(seconds=60))
    # distributed.all_reduce() takes 5 microseconds more, for Python around this call.
    return distributed.group.WORLD._get_backend(torch.device("cpu"))


def sample_of(gradients):
    """bench/ours_exchange.cpp: by it the sides agree."""
    x = gradients.numpy()[::gradients.numel() // SAMPLES + 1].astype(np.float64)
    return float((np.arange(1, len(x) + 1) * x * x).sum())


def exchange(way, rank, size, *addresses):
    """The work of one rank on `size` bytes of f32 gradients. `addresses`: one for each rank; the ranks meet at the first."""
    if way != "gloo":
        raise ValueError(f"expected gloo, got {way}")
    rank, ranks = int(rank), len(addresses)
    gradients = uniform(FIRST_STREAM + rank, (int(size) // 4,))

    def run(repetitions):
        group = backend(rank, ranks, addresses[0])
        for _ in range(repetitions):
            group.allreduce([gradients]).wait()
            gradients.div_(ranks)
        return sample_of(gradients)
    return run


if __name__ == "__main__":
    serve(f"{name_of_pytorch()} Gloo", {"exchange": exchange})
    if distributed.is_initialized():
        distributed.destroy_process_group()
