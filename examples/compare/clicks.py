"""Writes a table of clicks with the shape of Criteo's: python examples/compare/clicks.py FILE.csv [ROWS]

13 numbers, 26 categories of 4 to 2,000 words, the k-th of them drawn 1 / k as often as the first one; 3 % of the rows are
clicks, drawn from a logistic model of half of the columns. Always the same rows. Needs nothing but Python.
"""
import csv
import itertools
import math
import random
import sys

NUMBERS, CATEGORIES = 13, 26
WORDS = [round(4 * 500 ** (i / (CATEGORIES - 1))) for i in range(CATEGORIES)]
SHARE = 0.03  # of clicks


def made(count, seed=39):
    draw = random.Random(seed)
    slopes = [draw.gauss(0, 0.5) if i % 2 == 0 else 0.0 for i in range(NUMBERS)]
    effects = [[draw.gauss(0, 0.6) if i % 2 == 0 else 0.0 for _ in range(words)] for i, words in enumerate(WORDS)]
    heights = [list(itertools.accumulate(1 / (k + 1) for k in range(words))) for words in WORDS]
    rows, odds = [], []
    for _ in range(count):
        numbers = [draw.gauss(0, 1) for _ in range(NUMBERS)]
        words = [draw.choices(range(len(height)), cum_weights=height)[0] for height in heights]
        odds.append(sum(s * x for s, x in zip(slopes, numbers)) + sum(effect[w] for effect, w in zip(effects, words)))
        rows.append((numbers, words))
    low, high = -50.0, 50.0  # the offset at which the expected share of clicks is right
    while high - low > 1e-9:
        offset = (low + high) / 2
        expected = sum(1 / (1 + math.exp(-(offset + z))) for z in odds) / count
        low, high = (offset, high) if expected < SHARE else (low, offset)
    for (numbers, words), z in zip(rows, odds):
        click = draw.random() < 1 / (1 + math.exp(-(offset + z)))
        yield [int(click), *(f"{x:.4f}" for x in numbers), *(f"w{word}" for word in words)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    header = ["click", *(f"n{i + 1}" for i in range(NUMBERS)), *(f"c{i + 1}" for i in range(CATEGORIES))]
    with open(sys.argv[1], "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *made(int(sys.argv[2]) if len(sys.argv) > 2 else 40_000)])


if __name__ == "__main__":
    main()
