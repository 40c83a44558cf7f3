"""The PyTorch side of the ports: NAME.py is the twin of NAME.cpp.

    python mnist.py             trains in f32, with weights and random numbers of its own
    python mnist.py --golden    in f64, and writes golden/mnist.safetensors: first weights, random numbers, losses
    python mnist.py --check     in f32, from the weights and random numbers of that file; prints how far the losses are
"""

import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path(__file__).parent / "golden"


class Twin:
    def __init__(self, name):
        self.path, self.mode = GOLDEN / f"{name}.safetensors", sys.argv[1] if len(sys.argv) > 1 else ""
        self.compares = self.mode in ("--golden", "--check")
        self.dtype = torch.float64 if self.mode == "--golden" else torch.float32
        self.golden = load_file(self.path) if self.mode == "--check" else {}
        self.values, self.draws, self.steps = [], 0, 0
        torch.manual_seed(2026)
        torch.set_num_threads(1)

    def start(self, net, name="net"):
        """Remembers (or takes) the first weights. They are those of f32, so that both dtypes start from one value."""
        state = net.state_dict()
        for key, value in state.items():
            if self.mode == "--golden":
                self.golden[f"{name}.{key}"] = value.clone()
            elif self.mode == "--check":
                value.copy_(self.golden[f"{name}.{key}"])
        net.to(self.dtype)

    def randn(self, *shape):
        return self.draw(lambda: torch.randn(*shape)).to(self.dtype)

    def randint(self, low, high, shape):
        return self.draw(lambda: torch.randint(low, high, shape))

    def draw(self, make):
        key = f"draw.{self.draws}"
        self.draws += 1
        if self.mode == "--check":
            return self.golden[key]
        value = make()
        if self.mode == "--golden":
            self.golden[key] = value
        return value

    def losses(self, *values):
        print(f"step {self.steps:3}  loss", *(f"{value:.6f}" for value in values))
        self.steps += 1
        self.values += values

    def finish(self, **tensors):
        """Writes the file with these tensors beside the losses, or compares the losses."""
        losses = torch.tensor(self.values, dtype=torch.float64)
        if self.mode == "--golden":
            save_file({**self.golden, "losses": losses, **tensors}, self.path)
        elif self.mode == "--check":
            distances = ((losses - self.golden["losses"]) / self.golden["losses"]).abs().view(self.steps, -1).amax(1)
            far = (distances > 1e-5).nonzero()
            close = far[0].item() if len(far) else self.steps
            print(f"of {self.steps} steps, f32 is within 1e-5 for {close}, and within {distances.max():.1e} for all")
        elif not all(math.isfinite(value) for value in self.values):
            sys.exit("a loss is not finite")
