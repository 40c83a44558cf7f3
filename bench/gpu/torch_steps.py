"""PyTorch's training steps on this card: the nets, weights and batches of bench/peers/pytorch.py (copied beside this
file as pytorch.py), in the ways that people run them. Prints a line of JSON that says which PyTorch this is, then one for each row, like gpu_bench's.

  eager     as everybody writes it, optimizer in one kernel (fused=True)
  compile   torch.compile of forward and loss, fused optimizer
  reduce    torch.compile(mode="reduce-overhead"): CUDA graphs made by PyTorch
  graph     the whole step in one torch.cuda.CUDAGraph

Each in three precisions of the factors of products and convolutions, as ours: strict (f32), tf32, bf16 (autocast).
PyTorch's own default is strict for products and tf32 for convolutions.

usage: torch_steps.py SECONDS         everything, as far as the time allows
       torch_steps.py --compile NET   only compiles what the ways compile and reduce need of one net: a later call finds
                                      it in TORCHINDUCTOR_CACHE_DIR, so several such calls can do that work at once
"""
import contextlib
import json
import statistics
import sys
import time

import torch
import torch._dynamo
from torch.nn import functional as F

import pytorch as peer

NETS = (("mlp", "adam"), ("tabular", "adam"), ("lenet", "sgd"), ("resnet20", "sgd"))
PRECISIONS = ("strict", "tf32", "bf16")
# What takes long to compile comes last: time may run out.
PLAN = [(way, precision) for ways in (("eager", "graph"), ("reduce", "compile"))
        for precision in PRECISIONS for way in ways]


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision != "strict"
    torch.backends.cudnn.allow_tf32 = precision != "strict"


def make_step(name, optimizer_name, batch, way, precision):
    set_precision(precision)
    torch._dynamo.reset()  # its limit of recompilations counts all nets together, for all have one forward()
    net, shape = peer.make_net(name, batch)
    peer.fill_parameters(net)
    net = net.cuda()
    x = peer.uniform(1, shape).cuda()
    if name == "tabular":
        target, loss_function = peer.uniform(2, (batch, 1)).cuda(), F.mse_loss
    else:
        labels = peer.mixed(3, batch) % peer.np.uint32(10)
        target, loss_function = torch.from_numpy(labels.astype(peer.np.int64)).cuda(), F.cross_entropy
    if optimizer_name == "adam":
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True, capturable=way == "graph")
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def forward():
        # Weights are cast anew in each step, as ours are: a cache of casts must not outlive a recorded graph.
        autocast = torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
        with autocast if precision == "bf16" else contextlib.nullcontext():
            return loss_function(net(x), target)

    if way == "compile":
        forward = torch.compile(forward)
    if way == "reduce":
        forward = torch.compile(forward, mode="reduce-overhead")

    def step():
        optimizer.zero_grad(set_to_none=way != "graph")
        forward().backward()
        optimizer.step()

    if way != "graph":
        return step
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def microseconds(step):
    def timed(repetitions):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repetitions):
            step()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / repetitions

    for _ in range(5):
        step()
    repetitions = max(3, min(2000, int(3e-3 / max(timed(10), 1e-7))))
    samples = sorted(timed(repetitions) for _ in range(11))
    return statistics.median(samples) * 1e6, (samples[8] - samples[2]) / 2 * 1e6


def compile_only(name):
    """Both ways share one compilation; the shapes of the batch are part of it."""
    for precision in PRECISIONS:
        for batch in (32, 128, 512):
            make_step(name, dict(NETS)[name], batch, "compile", precision)()


def main():
    if sys.argv[1] == "--compile":
        return compile_only(sys.argv[2])
    deadline = time.monotonic() + float(sys.argv[1])
    print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda}), flush=True)
    for way, precision in PLAN:
        for name, optimizer_name in NETS:
            for batch in (32, 128, 512):
                row = {"section": "torch", "name": f"{name} {optimizer_name} batch {batch} {precision} {way}", "unit": "us"}
                if time.monotonic() > deadline:
                    return
                try:
                    row["value"], row["spread"] = microseconds(make_step(name, optimizer_name, batch, way, precision))
                except Exception as error:  # whatever it is: this way cannot do it
                    row.update(value=0, unit="error", note=" ".join(str(error).split())[:300])
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
