"""Small data by formula, the same as in data.h."""

import torch


def stripes(n, size, first=0):
    """Image i shows stripes of the direction i mod 10: (n, 1, size, size) from -1 to 1, f64, and the labels."""
    number = torch.arange(first, first + n)
    label = number % 10
    angle, phase = label.double().view(n, 1, 1) * 0.314, number.double().view(n, 1, 1) * 0.37
    line = torch.arange(size, dtype=torch.float64)
    x = torch.sin((angle.cos() * line.view(size, 1) + angle.sin() * line) * 0.7 + phase)
    return x.unsqueeze(1), label


def sums(n):
    """n lines "7+11=18" as tokens, and their characters in order: token t is characters[t]."""
    text = "".join(f"{a}+{b}={a + b}\n" for a, b in ((7 * i % 20, 11 * i % 17) for i in range(n)))
    characters = sorted(set(text))
    return torch.tensor([characters.index(c) for c in text]), characters
