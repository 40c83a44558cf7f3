"""Models and data sets through the library."""

import pickle
import warnings

import numpy as np
import pytest

import hopscotch
from conftest import columns, experiment, points


@pytest.fixture
def result(folder):
    wanted = experiment(data={"columns": {"id": "drop"}}, search={"epochs": 2})
    return hopscotch.run(wanted, data=columns(200), label="y", progress=False)


def test_tables_lists_and_arrays_of_text_answer_alike(result):
    table = {"age": [50.25, None, 30], "city": ["Kiel", "Bonn", ""]}
    by_columns = result.predict_proba(table)
    rows = [dict(zip(table, row)) for row in zip(*table.values())]
    assert np.array_equal(by_columns, result.predict_proba(rows))
    text = np.array([["50.25", "Kiel"], ["", "Bonn"], ["30", ""]])
    assert np.array_equal(by_columns, result.predict_proba(text))
    assert np.array_equal(by_columns, result.predict_proba({**table, "more": [1, 2, 3]}))


def test_many_rows_are_answered_as_few_are(result):
    many = columns(20_000)
    answers = result.predict(many)
    few = {name: cells[-50:] for name, cells in many.items()}
    assert answers.shape == (20_000,)
    assert list(answers[-50:]) == list(result.predict(few))


def test_words_that_no_training_row_has_are_told(result):
    with pytest.warns(UserWarning, match='"Rome"'):
        result.predict({"age": [40, 41], "city": ["Rome", "Kiel"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result.predict({"age": [40], "city": ["Kiel"]})


def test_rows_that_cannot_be_read_are_named(result):
    with pytest.raises(hopscotch.DataError, match='none named "city"'):
        result.predict({"age": [40]})
    with pytest.raises(hopscotch.DataError, match='column "age"') as error:
        result.predict({"age": [40, "old"], "city": ["Kiel", "Kiel"]})
    assert "row 1" in str(error.value)


def test_a_model_can_be_pickled(result):
    again = pickle.loads(pickle.dumps(result.best))
    assert repr(again) == repr(result.best)
    assert np.array_equal(again.predict_proba(columns(5)), result.predict_proba(columns(5)))


def test_a_writer_takes_batches_and_its_bytes_depend_on_the_rows_alone(folder):
    x, y = points(100)
    options = dict(shape=(2,), classes=2, partitions=3, seed=5)
    with hopscotch.DatasetWriter("a", **options) as writer:
        for first in range(0, 100, 30):
            writer.append(x[first : first + 30], y[first : first + 30])
    assert writer.digest == hopscotch.write_dataset("b", x, y, partitions=3, seed=5)
    names = sorted(file.name for file in (folder / "a").iterdir())
    assert names == ["manifest.json", "part-00000.hopd", "part-00001.hopd", "part-00002.hopd", "valid.hopd"]
    for name in names[1:]:
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    assert writer.digest != hopscotch.write_dataset("c", x, y, partitions=3, seed=6)


def test_a_writer_after_an_exception_leaves_nothing(folder):
    x, y = points(10)
    with pytest.raises(ZeroDivisionError):
        with hopscotch.DatasetWriter("a", shape=(2,), classes=2) as writer:
            writer.append(x, y)
            raise ZeroDivisionError
    assert list(folder.iterdir()) == []


def test_a_writer_says_what_is_wrong_with_rows(folder):
    x, y = points(10)
    with hopscotch.DatasetWriter("a", shape=(2,), classes=2, partitions=2) as writer:
        writer.append(x, y)
        with pytest.raises(hopscotch.DataError, match=r"got 2 \(row 13\)"):
            writer.append(x, np.array([0, 1, 1, 2, 0, 0, 0, 0, 0, 0]))
        with pytest.raises(hopscotch.DataError, match=r"features \(n, 2\), got \(5, 4\)"):
            writer.append(x.reshape(5, 4), y[:5])
        with pytest.raises(hopscotch.DataError, match="expected 10 labels"):
            writer.append(x, y[:9])
        with pytest.raises(hopscotch.DataError, match="whole numbers as labels"):
            writer.append(x, y + 0.5)
        writer.append(x, y)
    with pytest.raises(hopscotch.DataError, match="new or empty folder"):
        hopscotch.DatasetWriter("a", shape=(2,), classes=2)
    with pytest.raises(hopscotch.ConfigError, match="dtype"):
        hopscotch.DatasetWriter("b", shape=(2,), classes=2, dtype="f16")


def test_numbers_and_weights_are_written(folder):
    x, _ = points(60)
    hopscotch.write_dataset("n", x, x[:, 0] * 3, weights=np.arange(60) % 3, partitions=2)
    result = hopscotch.run(
        experiment(model={"layers": ["linear $outputs"], "loss": "mse"}), data="n", progress=False
    )
    assert result.best.kind == "number"
    assert result.predict(x).shape == (60,)


def test_the_library_has_the_version_of_the_program(folder):
    from hopscotch import _program

    assert _program.call(["--version"]).split()[1] == hopscotch.version()
