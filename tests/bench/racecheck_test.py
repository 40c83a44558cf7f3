"""Racecheck of bench/gpu/check looks at every kernel that shares memory: python3 tests/bench/racecheck_test.py."""
import fnmatch
import importlib.machinery
import importlib.util
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KERNELS = ROOT / "kernels/cuda"
sys.dont_write_bytecode = True


def load_check():
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(ROOT / "bench/gpu/check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


def without_comments(path):
    return re.sub(r"//.*", "", path.read_text())


# What makes threads share memory. The headers that define the last two are not searched: a kernel may include them for
# something else.
MARKS = re.compile(r"__shared__|\bdynamic_shared<|\bblock_reduce<")
DEFINITIONS = ("language.h", "reduce_device.h")


def shares_memory(path, seen):
    """Whether a source, or a header of kernels/cuda that it includes, shares memory."""
    if path in seen or path.name in DEFINITIONS:
        return False
    seen.add(path)
    text = without_comments(path)
    headers = [ROOT / name for name in re.findall(r'#include "(kernels/cuda/[^"]+)"', text)]
    return bool(MARKS.search(text)) or any(shares_memory(header, seen) for header in headers)


def sharing_sources():
    paths = {str(path.relative_to(KERNELS).with_suffix("")): path for path in KERNELS.rglob("*.cu")}
    return sorted(name for name, path in paths.items() if shares_memory(path, set()))


def test_names():
    """The full names of the tests on a device: "CudaCopy.X", "Cases/CudaConv.X/0"."""
    names = []
    for path in (ROOT / "tests/cuda").glob("*_test.c*"):
        text = without_comments(path)
        prefixes = {suite: name for name, suite in re.findall(r"INSTANTIATE_TEST_SUITE_P\(\s*(\w+),\s*(\w+)", text)}
        for macro, suite, name in re.findall(r"\b(TEST|TEST_F|TEST_P)\(\s*(\w+),\s*(\w+)\)", text):
            names.append(f"{prefixes[suite]}/{suite}.{name}/0" if macro == "TEST_P" else f"{suite}.{name}")
    return names


class Racecheck(unittest.TestCase):
    def test_has_tests_for_every_kernel_that_shares_memory_and_for_no_other(self):
        self.assertEqual(sorted(load_check().SHARING), sharing_sources())

    def test_names_only_tests_that_there_are(self):
        check, names = load_check(), test_names()
        self.assertGreater(len(names), 100)
        for source, patterns in check.SHARING.items():
            self.assertTrue(patterns, source)
            for pattern in patterns:
                self.assertTrue(fnmatch.filter(names, pattern), f"{source}: no test is called {pattern}")
                self.assertIn(pattern, check.RACECHECKED.split(":"))


if __name__ == "__main__":
    unittest.main()
