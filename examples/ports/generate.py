"""Writes golden/*.safetensors anew and prints the table of README.md.

    pip install torch safetensors
    python examples/ports/generate.py

The tests read the files; they need no Python.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PORTS = {
    "mnist": "LibTorch's first example",
    "dcgan": "LibTorch's second example, DCGAN",
    "char_gpt": "a character GPT",
    "lstm_lm": "an LSTM language model",
    "resnet20": "ResNet-20 with augmentation",
    "dlrm": "a DLRM click model",
    "vae": "a VAE",
    "continued_checkpoint": "a PyTorch checkpoint, trained on",
    "own_search": "a search over a model of one's own",
}


def code_lines(path):
    """Lines with code: no empty ones, comments or docstrings."""
    count, inside = 0, False
    for line in (line.strip() for line in path.read_text().splitlines()):
        quotes = line.count('"""')
        is_code = line and not inside and not quotes and not line.startswith(("#!", "# ", "//"))
        count, inside = count + bool(is_code), inside ^ (quotes == 1)
    return count


def run(name, mode):
    process = subprocess.run([sys.executable, HERE / f"{name}.py", mode], check=True, capture_output=True, text=True)
    return process.stdout.splitlines()[-1]


if __name__ == "__main__":
    print("| port | what | lines of PyTorch | lines of C++ | f32 and f64 differ by (PyTorch) |\n" + "| --- " * 5 + "|")
    for port, what in PORTS.items():
        run(port, "--golden")
        distance = run(port, "--check").split()[-1]
        lines = code_lines(HERE / f"{port}.py"), code_lines(HERE / f"{port}.cpp")
        print(f"| `{port}` | {what} | {lines[0]} | {lines[1]} | {distance} |", flush=True)
