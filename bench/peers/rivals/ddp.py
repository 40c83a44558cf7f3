"""PyTorch DistributedDataParallel over Gloo: the models one after the other, each on all processes.

A batch is that of one process, as everybody runs it: a step has two batches' rows, so an epoch has half the steps.
"""
import os
import subprocess
import sys


def start(path):
    """A process for each rank; this one only waits. Imports nothing, so it costs nothing."""
    import json
    import socket
    with open(path) as file:
        ranks = json.load(file)["processes"]
    with socket.socket() as probe:  # a free port
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = dict(os.environ, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(ranks), GLOO_SOCKET_IFNAME="lo")
    processes = [subprocess.Popen([sys.executable, *sys.argv], env=dict(common, RANK=str(rank))) for rank in range(ranks)]
    sys.exit(max(process.wait() for process in processes))


def work(path):
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    import job as jobs
    job = jobs.read(path)
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    accuracies = [jobs.train(job, config, rank, ranks, DistributedDataParallel) for config in job["grid"]]
    distributed.barrier()
    if rank == 0:
        jobs.tell(f"PyTorch {torch.__version__.split('+')[0]} DDP, Gloo", accuracies)
    distributed.destroy_process_group()


if __name__ == "__main__":
    work(sys.argv[1]) if "RANK" in os.environ else start(sys.argv[1])
