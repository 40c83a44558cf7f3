"""Runs: data of every kind, results, errors."""

import json

import numpy as np
import pytest

import hopscotch
from conftest import columns, experiment, points


def rows_of(board):
    """The leaderboard or the curves as dictionaries, with pandas and without."""
    return board if isinstance(board, list) else board.to_dict("records")


def manifest(result):
    return json.loads((result.run_directory / "data" / "manifest.json").read_text())


def accuracy(model, rows):
    table = columns(rows, first=1000)
    answers = model.predict({name: cells for name, cells in table.items() if name != "y"})
    return float(np.mean(answers == np.array(table["y"])))


WORDS = {"data": {"columns": {"id": "drop"}}}


def test_a_table_is_trained_and_answers_rows_by_name(folder):
    result = hopscotch.run(experiment(**WORDS), data=columns(400), label="y", progress=False)
    assert result.run_directory.parent == folder / "runs"
    assert result.best_id == 1
    assert accuracy(result, 150) > 0.95
    assert result.best.class_names == ["no", "yes"]
    assert result.best.columns == ["age", "city"]
    probabilities = result.predict_proba({"city": ["Kiel", "Bonn"], "age": [50, None]})
    assert probabilities.shape == (2, 2) and np.allclose(probabilities.sum(1), 1, atol=1e-5)

    board = rows_of(result.leaderboard)
    assert [row["model"] for row in board] == [1, 0]
    assert board[0]["lr"] == 0.02 and board[0]["status"] == "finished"
    curves = rows_of(result.curves)
    assert len(curves) == 12
    last = [row for row in curves if row["model"] == 1][-1]
    assert last["epoch"] == 6 and last["valid_accuracy"] == result.results["models"][1]["valid_accuracy"]


def test_a_table_means_what_the_same_csv_file_means(folder):
    table = columns(400)
    lines = ["id,age,city,y"]
    for i, age, city, y in zip(*table.values()):
        lines.append(f'{i},{"" if age is None else repr(age)},{chr(34) + city + chr(34)},{y}')
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    said = {"label": "y", "columns": {"id": "drop", "city": "category"}}
    by_file = hopscotch.run(experiment(data=said), data="rows.csv", progress=False)
    by_table = hopscotch.run(experiment(**WORDS), data=table, label="y", progress=False)
    a, b = manifest(by_file), manifest(by_table)
    for key in ("digest", "columns", "table", "class_names", "partitions"):
        assert a.get(key) == b.get(key)
    assert [m["state_sha256"] for m in by_file.results["models"]] == [
        m["state_sha256"] for m in by_table.results["models"]
    ]


def test_labels_may_stand_beside_the_table(folder):
    table = columns(200)
    labels = np.array(table.pop("y"))
    result = hopscotch.run(experiment(**WORDS), data=table, label=labels, progress=False)
    assert result.best.class_names == ["no", "yes"] and result.best.columns == ["age", "city"]
    with pytest.raises(hopscotch.DataError, match="expected 200 labels"):
        hopscotch.run(experiment(**WORDS), data=table, label=labels[:9], progress=False)
    with pytest.raises(hopscotch.DataError, match="that no column of the table has"):
        hopscotch.run(experiment(), data={"label": [1, 2]}, label=np.array([0, 1]), progress=False)


def test_a_frame_and_a_table_of_arrow_are_the_same_rows(folder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(columns(200))
    first = hopscotch.run(experiment(**WORDS), data=frame, label="y", progress=False)
    assert isinstance(first.leaderboard, pd.DataFrame) and isinstance(first.curves, pd.DataFrame)
    assert list(first.predict(frame.iloc[:3])) == list(first.predict(columns(3)))
    pa = pytest.importorskip("pyarrow")
    second = hopscotch.run(experiment(**WORDS), data=pa.table(columns(200)), label="y", progress=False)
    assert manifest(first)["digest"] == manifest(second)["digest"]


def test_numbers_are_answered_in_the_unit_of_the_label(folder):
    ages = [40 + i % 37 for i in range(400)]
    table = {"age": ages, "pay": [1000.5 + 20 * age for age in ages]}
    wanted = experiment(model={"layers": ["linear $outputs"], "loss": "mse"}, search={"epochs": 20})
    result = hopscotch.run(wanted, data=table, label="pay", progress=False)
    answers = result.predict({"age": [45, 60]})
    assert answers.dtype == np.float32 and answers.shape == (2,)
    assert np.allclose(answers, [1900.5, 2200.5], rtol=0.02)
    with pytest.raises(hopscotch.ConfigError, match="use predict"):
        result.predict_proba({"age": [45]})


def test_arrays_are_trained_and_answer_arrays(folder):
    x, y = points(400)
    result = hopscotch.run(experiment(), data=(x, y), progress=False)
    x_new, y_new = points(100, first=1000)
    assert np.mean(result.predict(x_new) == y_new) > 0.95
    assert np.array_equal(result.predict(x_new.astype(np.float64)), result.predict(np.asfortranarray(x_new)))
    assert result.predict(x_new[:0]).shape == (0,)
    with pytest.raises(hopscotch.DataError, match=r"expected rows of shape \(N, 2\), got \(100, 1\)"):
        result.predict(x_new[:, :1])


def test_pictures_with_test_rows(folder):
    y = np.arange(300) % 2
    x = np.zeros((300, 1, 4, 4), np.uint8)
    x[y == 1, :, :2] = 200
    x += (np.arange(300) % 17).astype(np.uint8)[:, None, None, None]
    data = {"x": x[:200], "y": y[:200], "x_test": x[200:], "y_test": y[200:]}
    result = hopscotch.run(experiment(), data=data, progress=False)
    assert manifest(result)["validation"]["rows"] == 100
    assert result.best.shape == (1, 4, 4)
    assert np.array_equal(result.predict(x), result.predict(x.reshape(300, 16)))
    assert np.mean(result.predict(x) == y) > 0.95


def test_labels_of_words_keep_their_names(folder):
    x, y = points(200)
    words = np.where(y == 1, "right", "left")
    result = hopscotch.run(experiment(), data=x, label=words, progress=False)
    assert result.best.class_names == ["left", "right"]
    assert set(result.predict(x)) <= {"left", "right"}
    assert np.mean(result.predict(x) == words) > 0.95
    with pytest.raises(hopscotch.DataError, match="numpy.unique"):
        hopscotch.run(experiment(), data={"x": x, "y": words, "x_test": x, "y_test": words}, progress=False)


def test_a_saved_model_answers_as_its_run(folder):
    x, y = points(200)
    result = hopscotch.run(experiment(), data=(x, y), run_dir="r", workers=1, progress=False)
    assert result.results["workers"] == 1
    file = result.save("m.safetensors")
    model = hopscotch.load(file)
    assert isinstance(model, hopscotch.Model) and model.id is None
    assert np.array_equal(model.predict_proba(x), result.predict_proba(x))
    again = hopscotch.load("r")
    assert isinstance(again, hopscotch.Result) and again.best_id == result.best_id
    other = result.model(0)
    assert other.id == 0 and other.config["lr"] == 0.00001
    assert not np.array_equal(other.predict_proba(x), model.predict_proba(x))
    with pytest.raises(hopscotch.ConfigError):
        result.model(9)
    with pytest.raises(hopscotch.StateError):
        hopscotch.load("none.safetensors")


def test_an_experiment_is_proposed_for_a_table(folder):
    pytest.importorskip("tomllib")
    proposed = hopscotch.init(columns(120), label="y")
    assert proposed.data["label"] == "y" and "source" not in proposed.data
    proposed.search["epochs"] = 2
    proposed.search["space"] = {"lr": [0.01], "hidden": [8], "batch_size": [16], "optimizer": "adam"}
    result = hopscotch.run(proposed, data=columns(120), label="y", progress=False)
    assert len(result.results["models"]) == 1


def test_overrides_and_a_file(folder):
    x, y = points(100)
    hopscotch.write_dataset("set", x, y, partitions=2, seed=3)
    hopscotch.Experiment.from_dict(experiment(data={"source": "set"})).save("e.toml")
    result = hopscotch.run("e.toml", overrides={"search.epochs": 1, "search.space.lr": [0.5]}, progress=False)
    assert result.results["epochs"] == 1
    assert [model["config"]["lr"] for model in result.results["models"]] == [0.5]


def test_errors_have_the_type_and_the_words_of_the_program(folder):
    x, y = points(60)
    with pytest.raises(hopscotch.ConfigError, match='did you mean "epochs"'):
        hopscotch.run(experiment(search={"epoch": 3}), data=(x, y), progress=False)
    x[7, 0] = np.nan
    with pytest.raises(hopscotch.DataError, match="row 7"):
        hopscotch.run(experiment(), data=(x, y), progress=False)
    with pytest.raises(hopscotch.ConfigError, match="expected label=COLUMN"):
        hopscotch.run(experiment(), data=columns(20), progress=False)
    with pytest.raises(hopscotch.ConfigError, match='got "z"'):
        hopscotch.run(experiment(), data=columns(20), label="z", progress=False)
    with pytest.raises(hopscotch.DataError, match="got int"):
        hopscotch.run(experiment(), data=3, progress=False)
    with pytest.raises(hopscotch.ConfigError, match="expected an experiment"):
        hopscotch.run(data=(x, y), progress=False)
    assert not (folder / "runs").exists() or not list((folder / "runs").iterdir())


def test_a_run_without_a_model_that_came_through_has_failed(folder):
    wanted = experiment(model={"loss": "mse"}, search={"space": {"lr": [1e30], "batch_size": [16], "optimizer": "sgd"}})
    x, _ = points(100)
    with pytest.raises(hopscotch.RunFailed, match="no model came through") as error:
        hopscotch.run(wanted, data=(x, x[:, 0]), progress=False)
    assert error.value.result.results["models"][0]["status"] == "diverged"
