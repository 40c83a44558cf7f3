#!/usr/bin/env python3
"""Writes golden/*.safetensors and the table of README.md.

    pip install torch safetensors
    python examples/ports/generate.py            # both, anew
    python examples/ports/generate.py --lines    # only the numbers of lines in the table; needs no package
    python examples/ports/generate.py --check    # fails if --lines would change the table; a test of the suite

The tests of the ports read the files; they need no Python.
"""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
README = HERE / "README.md"
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
HEAD = [
    "| port | what | lines of PyTorch | lines of C++ | steps with f32 within 1e-5 of f64 (PyTorch) | all steps within |",
    "| --- " * 6 + "|",
]


def code_lines(path):
    """Lines with code: no empty ones, comments or docstrings."""
    count, inside = 0, False
    for line in (line.strip() for line in path.read_text().splitlines()):
        quotes = line.count('"""')
        is_code = line and not inside and not quotes and not line.startswith(("#!", "# ", "//"))
        count, inside = count + bool(is_code), inside ^ (quotes == 1)
    return count


def row(port, rounding):
    lines = code_lines(HERE / f"{port}.py"), code_lines(HERE / f"{port}.cpp")
    return f"| `{port}` | {PORTS[port]} | {lines[0]} | {lines[1]} | {rounding} |"


def total():
    lines = [sum(code_lines(HERE / f"{port}.{end}") for port in PORTS) for end in ("py", "cpp")]
    return f"| all | | {lines[0]} | {lines[1]} | | |"


def measured(port):
    """The last two columns; writes the golden file."""
    for mode in ("--golden", "--check"):
        process = subprocess.run([sys.executable, HERE / f"{port}.py", mode], check=True, capture_output=True, text=True)
    last = process.stdout.splitlines()[-1]
    steps, close, largest = re.fullmatch(r"of (\d+) steps, .* for (\d+), and within (.*) for all", last).groups()
    return f"{close} of {steps} | {largest}"


def kept(port, text):
    """The last two columns as they stand in the table."""
    return re.search(rf"^\| `{port}` \|.*\| ([^|]+ \| [^|]+) \|$", text, re.MULTILINE).group(1)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    sources = {path.stem for path in HERE.glob("*.cpp")}
    if sources != set(PORTS):
        sys.exit(f"PORTS of generate.py and the sources differ: {sorted(sources ^ set(PORTS))}")
    text = README.read_text()
    rows = [row(port, kept(port, text) if mode else measured(port)) for port in PORTS]
    table = "\n".join([*HEAD, *rows, total(), ""])
    new = re.sub(r"^\| port \|.*\n(\|.*\n)+", lambda _: table, text, count=1, flags=re.MULTILINE)
    if mode == "--check":
        return "examples/ports/README.md: run examples/ports/generate.py --lines" if new != text else None
    README.write_text(new)
    return None


if __name__ == "__main__":
    sys.exit(main())
