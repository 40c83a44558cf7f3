"""Tables of every kind become the same cells."""

import datetime

import numpy as np
import pytest

from hopscotch import DataError
from hopscotch._data import _features
from hopscotch._tables import is_table, table_of, write_csv

NAMES = ["n", "w", "t"]
CELLS = [["1.5", "", "-3.0"], ["x", "", "y, z"], ["true", "false", "true"]]
KINDS = ["number", "category", "category"]


def test_a_dictionary_of_columns():
    table = table_of({"n": np.array([1.5, np.nan, -3]), "w": ["x", None, " y, z "], "t": [True, False, True]})
    assert (table.names, table.cells, table.kinds) == (NAMES, CELLS, KINDS)


def test_a_list_of_dictionaries():
    table = table_of([{"n": 1.5, "w": "x", "t": True}, {"t": False}, {"n": -3.0, "w": "y, z", "t": True}])
    assert (table.names, table.cells, table.kinds) == (NAMES, CELLS, KINDS)


def test_a_frame_of_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"n": [1.5, None, -3], "w": ["x", None, "y, z"], "t": [True, False, True]})
    table = table_of(frame)
    assert (table.names, table.cells, table.kinds) == (NAMES, CELLS, KINDS)
    whole, words = pd.array([1, None], dtype="Int64"), pd.Categorical([2, 1])
    more = table_of(pd.DataFrame({"i": whole, "c": words, 3: ["a", pd.NA]}))
    assert (more.names, more.cells) == (["i", "c", "3"], [["1", ""], ["2", "1"], ["a", ""]])
    assert more.kinds == ["number", "category", "category"]


def test_a_table_of_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = table_of(pa.table({"n": [1.5, None, -3.0], "w": ["x", None, "y, z"], "t": [True, False, True]}))
    assert (table.names, table.cells, table.kinds) == (NAMES, CELLS, KINDS)


def test_numbers_have_the_shortest_text_of_their_own_type():
    single, double = np.array([0.1, 1e-10, 3], np.float32), np.array([0.1, 1e300, 2])
    table = table_of({"f": single, "d": double, "i": np.array([1, -2, 3])})
    assert table.cells[0] == ["0.1", "1e-10", "3.0"]
    assert table.cells[1] == ["0.1", "1e+300", "2.0"]
    assert table.cells[2] == ["1", "-2", "3"]


@pytest.mark.parametrize(
    "data, words",
    [
        ({"a": [1], "b": [1, 2]}, 'columns of one length, got "a" with 1, "b" with 2'),
        ({"when": [datetime.date(2026, 1, 1)]}, 'column "when": expected numbers or words, got times'),
        ({"when": np.array(["2026-01-01"], "M8[D]")}, 'column "when": expected numbers or words, got times'),
        ({"odd": [[1, 2]]}, 'column "odd"'),
        ({"text": "abc"}, 'column "text": expected a list'),
        ({"x": np.zeros((2, 2))}, "got an array of shape"),
        ({1: [0], "1": [0]}, 'got "1" twice'),
    ],
)
def test_what_is_no_table_is_refused_by_name(data, words):
    with pytest.raises(DataError) as error:
        table_of(data)
    assert words in str(error.value)


def test_a_csv_file_has_cells_in_quotes_where_they_need_them(tmp_path):
    write_csv(table_of({"a": ["x", 'say "no"', None], "b,c": [1, 2, 3]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'a,"b,c"\nx,1\n"say ""no""",2\n,3\n'


def test_arrays_are_no_tables():
    for data in (np.zeros((2, 2)), [[1, 2], [3, 4]], (1, 2), []):
        assert not is_table(data)
    for data in ({"a": [1]}, [{"a": 1}]):
        assert is_table(data)


def test_integers_that_no_int64_holds_are_refused():
    small = np.array([[1, 2]], dtype=np.uint64)
    assert _features(small).dtype == np.int64 and _features(small).tolist() == [[1, 2]]
    with pytest.raises(DataError, match="give them as floats"):
        _features(np.array([[1, 2**63]], dtype=np.uint64))
