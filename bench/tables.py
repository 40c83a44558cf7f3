"""Three tables, from a CSV file to predictions: hop init, run and predict beside scikit-learn, on the same split.

    python bench/tables.py build/cli/hop FOLDER [LETTER.data]

FOLDER receives the files. LETTER.data is UCI's letter-recognition.data; without it the two made tables remain. Needs
numpy and scikit-learn. All processes compute on two threads at most, and run one after the other.
"""
import csv
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_squared_error, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HOP = pathlib.Path(sys.argv[1]).resolve()
FOLDER = pathlib.Path(sys.argv[2]).resolve()


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def letter(source):
    """UCI Letter: 16 numbers, 26 classes; the last 4,000 rows are the test, as in the literature."""
    rows = [row for row in csv.reader(open(source)) if row and len(row[0]) == 1]
    header = ["letter"] + [f"x{i}" for i in range(16)]
    return header, rows[:16000], rows[16000:], "letter", None


def rents(seed=1, n=60_000, sigma=2.0):
    """Six numbers, one of them missing in a tenth of the rows, and two categories. The best possible error is sigma:
    what a missing number stands for is a constant of its own."""
    draw = random.Random(seed)
    cities = {f"city{i}": draw.gauss(0, 4) for i in range(12)}
    kinds = {kind: draw.gauss(0, 2) for kind in ("flat", "house", "loft", "room")}
    rows = []
    for _ in range(n):
        x = [draw.gauss(0, 1) for _ in range(6)]
        city, kind = draw.choice(list(cities)), draw.choice(list(kinds))
        missing = draw.random() < 0.1
        y = (3 * x[0] - 2 * x[1] + 2 * math.sin(2 * x[2]) + 1.5 * x[3] * x[0] + (4 if missing else 1.5 * x[4])
             + cities[city] + kinds[kind] + draw.gauss(0, sigma))
        rows.append([f"{v:.4f}" for v in x[:4]] + ["" if missing else f"{x[4]:.4f}", f"{x[5]:.4f}", city, kind, f"{y:.4f}"])
    header = ["area", "age", "floor", "rooms", "distance", "noise", "city", "kind", "rent"]
    return header, rows[:50_000], rows[50_000:], "rent", sigma


def clicks(seed=2, n=120_000):
    """Five numbers and three categories; about one row in a hundred is a click. The best possible AUC is that of the
    probabilities that the clicks were drawn with."""
    draw = random.Random(seed)
    sites, ads = ({f"{word}{i}": draw.gauss(0, 1) for i in range(count)} for word, count in (("site", 40), ("ad", 25)))
    devices = {"phone": 0.4, "tablet": 0.0, "desktop": -0.5}
    rows, odds = [], []
    for _ in range(n):
        x = [draw.gauss(0, 1) for _ in range(5)]
        site, ad, device = draw.choice(list(sites)), draw.choice(list(ads)), draw.choice(list(devices))
        z = -6.2 + sites[site] + ads[ad] + devices[device] + 0.9 * x[0] - 0.7 * x[1] + 0.6 * x[2] * x[3]
        odds.append(z)
        click = draw.random() < 1 / (1 + math.exp(-z))
        rows.append([f"{v:.4f}" for v in x] + [site, ad, device, "click" if click else "no"])
    cut = 100_000
    best = roc_auc_score([row[-1] == "click" for row in rows[cut:]], odds[cut:])
    header = [f"x{i}" for i in range(5)] + ["site", "ad", "device", "outcome"]
    return header, rows[:cut], rows[cut:], "outcome", best


def hop(*words, folder):
    done = subprocess.run([HOP, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"hop {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def ours(name, header, test, label, folder):
    """Seconds and the table of `hop predict`."""
    start = time.time()
    hop("init", f"{name}.csv", "--label", label, folder=folder)
    text = hop("run", f"{name}.toml", folder=folder)
    run = re.findall(r"runs/\S+", text)[-1].rstrip(".,:;")
    hop("predict", run, f"{name}-test.csv", "--to", f"{name}-answers.csv", folder=folder)
    with open(folder / f"{name}-answers.csv", newline="") as file:
        return time.time() - start, list(csv.DictReader(file))


def is_number(cell):
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell) is not None


def columns_of(header, rows, label):
    at = header.index(label)
    features = [i for i in range(len(header)) if i != at]
    numbers = [k for k, i in enumerate(features) if all(is_number(row[i]) or row[i] == "" for row in rows[:2000])]
    words = [k for k in range(len(features)) if k not in numbers]
    table = np.array([[float(row[i] or "nan") if k in numbers else row[i] for k, i in enumerate(features)] for row in rows],
                     dtype=object)
    return table, [row[at] for row in rows], numbers, words


def rivals(is_class, numbers, words):
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    dense = make_column_transformer((numeric, numbers), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words))
    if is_class:
        return {"LogisticRegression": make_pipeline(dense, LogisticRegression(max_iter=1000)),
                "MLPClassifier": make_pipeline(dense, MLPClassifier(hidden_layer_sizes=(128, 128), early_stopping=True, random_state=1)),
                "HistGradientBoosting": make_pipeline(dense, HistGradientBoostingClassifier(random_state=1))}
    return {"Ridge": make_pipeline(dense, Ridge()),
            "MLPRegressor": make_pipeline(dense, MLPRegressor(hidden_layer_sizes=(128, 128), early_stopping=True, random_state=1)),
            "HistGradientBoosting": make_pipeline(dense, HistGradientBoostingRegressor(random_state=1))}


def measure(name, truth, answers, scores):
    if name == "letter":
        return "accuracy", accuracy_score(truth, answers)
    if name == "rents":
        return "rmse", mean_squared_error([float(t) for t in truth], [float(a) for a in answers]) ** 0.5
    return "auc", roc_auc_score([t == "click" for t in truth], scores)


def compare(name, made):
    header, train, test, label, best = made
    write(FOLDER / f"{name}.csv", header, train)
    write(FOLDER / f"{name}-test.csv", header, test)
    truth = [row[header.index(label)] for row in test]
    seconds, answers = ours(name, header, test, label, FOLDER)
    is_class = name != "rents"
    told = [row["class" if is_class else label] for row in answers]
    metric, value = measure(name, truth, told, [float(row.get("p(click)", 0)) for row in answers])
    print(f"{name}: {len(train)} rows to train on, {len(test)} to test" + (f"; the best possible {metric} is {best:.4f}" if best else ""))
    print(f"  {'hop init, run, predict':28s} {metric} {value:.4f}  {seconds:7.1f} s", flush=True)
    x, y, numbers, words = columns_of(header, train, label)
    x_test = columns_of(header, test, label)[0]
    y = y if is_class else [float(v) for v in y]
    for rival, model in rivals(is_class, numbers, words).items():
        start = time.time()
        model.fit(x, y)
        told = model.predict(x_test)
        scores = model.predict_proba(x_test)[:, list(model.classes_).index("click")] if name == "clicks" else None
        value = measure(name, truth, told, scores)[1]
        print(f"  {rival:28s} {metric} {value:.4f}  {time.time() - start:7.1f} s", flush=True)


os.environ.setdefault("OMP_NUM_THREADS", "2")
FOLDER.mkdir(parents=True, exist_ok=True)
if len(sys.argv) > 3:
    compare("letter", letter(sys.argv[3]))
compare("rents", rents())
compare("clicks", clicks())
