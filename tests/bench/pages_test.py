"""What the scripts of bench/ conclude from measurements: python3 tests/bench/pages_test.py."""
import importlib
import json
import math
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.argv = sys.argv[:1]  # bench/papers.py reads its arguments when it is imported
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/peers/rivals"), str(ROOT / "examples/compare")]
import clicks  # noqa: E402
import compare_pages  # noqa: E402
import crossing  # noqa: E402

try:
    import torch
except ImportError:
    torch = None


def cell(workers, models, strategy, gbit, seconds):
    return {"workers": workers, "models": models, "strategy": strategy, "gbit": gbit, "seconds": seconds}


class Crossings(unittest.TestCase):
    def test_lies_between_the_rates_whose_ratios_differ_in_sign(self):
        cells = [cell(4, 2, "hopping", gbit, 10) for gbit in (0.1, 1, 10)]
        cells += [cell(4, 2, "allreduce", gbit, seconds) for gbit, seconds in ((0.1, 1000), (1, 40), (10, 2.5))]
        # From 4 to 1/4 between 1 and 10 Gbit/s: on a line of logarithms the middle.
        self.assertAlmostEqual(crossing.measured_crossings(cells)[4, 2], math.sqrt(10))

    def test_stands_beside_the_simulated_one(self):
        lines = [{"workers": 4, "overlap": overlap, "rates": [1.0, 2.5 / (1 + overlap), None, None]} for overlap in (0, 2 / 3)]
        rows = crossing.crossing_table(lines, {(4, 2): 2.0, (4, 3): 7.0}).splitlines()[2:]
        self.assertEqual(rows, ["| 4 | 2 | 2 | 2.5 | +25 % |", "| 4 | 3 | 7 | - |  |"])

    def test_the_comparison_of_the_papers_is_one_with_hopping(self):
        like = {"workers": 8, "models": 16, "gbit": 1, "gradient_bytes": 0, "data_bytes": 0, "data_bytes_per_worker": 1e6, "peak_rss_bytes": 2e6,
                "valid_accuracy": 0.9, "load": 1, "hop_bytes": 0, "seconds": 2, "state_sha256": ["a"]}
        cells = [{**like, "strategy": "hopping", "hop_bytes": 1e6},
                 {**like, "strategy": "allreduce", "seconds": 9, "gradient_bytes": 5e8, "state_sha256": ["b"]}]
        page = crossing.shape_of({"title": "a net on rows", "machine": "a machine", "job": {"epochs": 1}, "cells": cells})
        self.assertIn("| `allreduce` | 9 | 4.5 | 500 | 500 | 1 | 2 | 0.9000 | other ones |", page)
        self.assertIn("### A net on rows, workers of one core\n", page)
        self.assertIn("1 epoch; batches of 32 rows, which all replicas of `allreduce` share.", page)
        apart = crossing.shape_of({"title": "a net on rows", "machine": "a machine", "job": {"epochs": 1},
                                   "cells": [{**cells[0], "cores": 2}]})
        self.assertIn("### A net on rows, workers of two cores, of which one trains\n", apart)
        self.assertIn("batches of 32 rows. a machine", apart)

    def test_hopping_beyond_its_computation_is_that_of_the_quickest_links(self):
        job = {"epochs": 2, "models": [{"epoch_seconds": 3.0}]}
        cells = [cell(4, 1, "hopping", 1, 9), cell(4, 1, "hopping", 10, 6.5), cell(4, 8, "hopping", 10, 12.25), cell(4, 1, "allreduce", 10, 99)]
        self.assertEqual(crossing.beyond_computation({"job": job, "cells": cells}), "0.25 to 0.5")

    def test_is_absent_where_hopping_always_wins_or_a_strategy_was_not_measured(self):
        cells = [cell(8, 8, "hopping", gbit, 10) for gbit in (1, 10)] + [cell(8, 8, "allreduce", gbit, 20) for gbit in (1, 10)]
        cells += [cell(4, 1, "hopping", gbit, 10) for gbit in (1, 10)]
        self.assertEqual(crossing.measured_crossings(cells), {})

    def test_job_files_say_each_number_once(self):
        text = crossing.toml_of({"rows": 10, "network": "1Gbit,0.1ms", "models": [{"name": "a", "count": 2}]})
        self.assertEqual(text, '[job]\nrows = 10\nnetwork = "1Gbit,0.1ms"\n[[job.models]]\nname = "a"\ncount = 2\n')

    def test_bisection_finds_the_rate_of_the_formula(self):
        class Formula(crossing.Simulator):
            def seconds(self, job, gbit, *strategies):
                return [{"hopping": 60.0, "allreduce": 2 * (60 / 4 + 3 / gbit)}[name] for name in strategies]
        # 60 = 2 (15 + 3 / rate): 0.2 Gbit/s.
        found = Formula("unused").crossing({"network": "1Gbit,0.1ms"})
        self.assertLess(abs(math.log(found / 0.2)), math.log(crossing.EXACT))


def trial(strategy, score, **more):
    numbers = dict.fromkeys(("wall_seconds", "cpu_seconds", "hop_bytes", "gradient_bytes",
                             "data_bytes_per_worker", "data_bytes_stored", "peak_rss_bytes"), 1e6)
    return {"strategy": strategy, "variant": "", "best_score": score, "state_sha256": [strategy], "score_over_time": [[1, score]],
            **numbers, "gradient_bytes": 0, "data_bytes": 0, **more}


def result(*trials, load=1.0):
    return {"objective": "valid_accuracy", "higher_is_better": True, "load": load, "cores": 2, "date": "a day",
            "machine": "a machine", "trials": list(trials)}


class Pages(unittest.TestCase):
    def test_what_is_checked_in_can_be_drawn_anew(self):
        for file in sorted((compare_pages.ROOT / "docs/compare").glob("*.json")):
            result = compare_pages.read(file)
            self.assertIn(compare_pages.table(result).splitlines()[2], (compare_pages.ROOT / "docs/compare.md").read_text())
            compare_pages.picture(result, file.stem)
        for file in sorted((compare_pages.ROOT / "docs").glob("papers_shape*.json")):
            crossing.shape_of(json.loads(file.read_text()))


class Findings(unittest.TestCase):
    def test_a_rival_that_scores_better_is_said_to_win(self):
        text = compare_pages.findings(result(trial("hopping", 0.9), trial("allreduce", 0.95)))
        self.assertIn("**A rival wins the score:** allreduce reaches 0.9500, hopping 0.9000.", text)

    def test_less_is_better_where_the_objective_is_a_loss(self):
        losses = result(trial("hopping", 0.2), trial("averaging", 0.4))
        losses["higher_is_better"] = False
        self.assertIn("No rival scores better than hopping", compare_pages.findings(losses))
        self.assertIn("averaging 0.4000", compare_pages.findings(losses))

    def test_a_rival_that_needs_less_time_is_said_to(self):
        group = trial("allreduce", 0.8, wall_seconds=1, gradient_bytes=5e6)
        self.assertIn("**Less time than hopping** (9 s): allreduce 1.", compare_pages.findings(result(trial("hopping", 0.9, wall_seconds=9), group)))

    def test_a_prediction_stands_beside_the_run(self):
        text = compare_pages.findings(result(trial("hopping", 0.9, wall_seconds=2.0, predicted_seconds=1.9)))
        self.assertIn("hopping 1.9 s, -5.0 %", text)

    def test_times_of_a_busy_machine_are_not_compared(self):
        text = compare_pages.findings(result(trial("hopping", 0.9, wall_seconds=9), trial("task_parallel", 0.9, wall_seconds=1), load=30))
        self.assertNotIn("Less time", text)
        self.assertIn("The machine was busy (load 30 on 2 cores)", text)

    def test_states_and_gradients_are_sent_between_workers(self):
        rows = compare_pages.table(result(trial("hopping", 0.9), trial("allreduce", 0.8, hop_bytes=1e6, gradient_bytes=2e6, data_bytes=2e6)))
        self.assertIn("| 5 |", rows)
        self.assertIn("| the same |", rows.splitlines()[2])

    def test_strategies_that_only_others_ran_are_named(self):
        whole, part = result(trial("hopping", 0.9), trial("averaging", 0.8)), result(trial("hopping", 0.9))
        self.assertEqual(compare_pages.missing(part, {"a": whole, "b": part}), "- Not run here: averaging.\n")
        self.assertEqual(compare_pages.missing(whole, {"a": whole, "b": part}), "")


class Clicks(unittest.TestCase):
    def test_has_the_share_of_clicks_and_the_same_rows_each_time(self):
        rows = list(clicks.made(4000))
        self.assertEqual(rows[:50], list(clicks.made(4000))[:50])
        self.assertEqual({len(row) for row in rows}, {1 + clicks.NUMBERS + clicks.CATEGORIES})
        # 3 % of 4,000 rows, within four standard deviations.
        self.assertLess(abs(sum(row[0] for row in rows) - 120), 4 * math.sqrt(4000 * 0.03 * 0.97))


@unittest.skipIf(torch is None, "no torch")
class RivalJob(unittest.TestCase):
    def write(self, folder, part, images, classes):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, len(images), 28, 28) + b"".join(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, len(classes)) + bytes(classes))

    def test_ranks_share_all_rows_and_learn_them(self):
        job = importlib.import_module("job")
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            images = [bytes([255 if column // 14 == i % 2 else 0 for column in range(28)] * 28) for i in range(41)]
            for part in ("train", "test"):
                self.write(folder, part, images, [i % 2 for i in range(41)])
            x, y = job.rows(name, "train")
            self.assertEqual((tuple(x.shape), x.max().item(), y[:3].tolist()), ((41, 784), 1.0, [0, 1, 0]))
            seen = []

            def noted(net):
                net.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])) if net.training and torch.is_grad_enabled() else None)
                return net
            settings = {"rows": name, "epochs": 2, "seed": 1}
            config = {"hidden": 8, "lr": 0.01, "batch": 4}
            accuracies = [job.train(settings, config, rank, 2, noted) for rank in (0, 1)]
            self.assertEqual(accuracies, [1.0, 1.0])
            # 41 rows on two ranks: 21 each, so steps of 4, 4, 4, 4, 4 and 1.
            self.assertEqual(seen, [4, 4, 4, 4, 4, 1] * 4)


class Side:
    """A process that speaks the protocol of bench/serve.h."""

    def __init__(self, script):
        self.process = subprocess.Popen([sys.executable, ROOT / "bench/peers" / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        self.name = self.answer()

    def tell(self, question):
        print(question, file=self.process.stdin, flush=True)

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, question):
        self.tell(question)
        return self.answer()

    def end(self):
        self.process.communicate(timeout=60)
        return self.process.returncode


def element(stream, i):
    """Of a stream of bench/fill.h."""
    x = (i * 2654435761 + stream * 40503 + 12345) % 2**32
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ x >> shift) * factor % 2**32
    return ((x ^ x >> 16) >> 8) / 8388608 - 1


@unittest.skipIf(torch is None, "no torch")
class Gloo(unittest.TestCase):
    def test_ranks_have_the_mean_of_all_after_each_step(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"tcp:127.0.0.1:{probe.getsockname()[1]}"
        sides = [Side("gloo.py") for _ in range(2)]
        for rank, side in enumerate(sides):
            self.assertRegex(side.name, "^PyTorch .* Gloo$")
            self.assertEqual(side.ask(f"load 1 exchange gloo {rank} 8192 {address} {address}"), "ok")
        # Of 2048 gradients each third one is looked at.
        expected = sum((k + 1) * ((element(10, 3 * k) + element(11, 3 * k)) / 2)**2 for k in range(683))
        for steps in (1, 4):
            for side in sides:
                side.tell(f"run 1 {steps}")
            for side in sides:
                self.assertAlmostEqual(float(side.answer().split()[2]) / expected, 1, places=6)
        self.assertEqual(sides[0].ask("load 2 train mlp adam 32 eager"), "no expected exchange, got train")
        self.assertEqual([side.end() for side in sides], [0, 0])


if __name__ == "__main__":
    unittest.main()
