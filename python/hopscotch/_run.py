"""run, resume and load: the verbs of the package."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

from . import _data, _toml
from ._follow import OnEvent, follow
from ._program import call
from ._tables import is_table, table_of, write_csv
from .errors import ConfigError, RunError
from .experiment import Experiment
from .model import Model
from .result import Result

_Path = Union[str, "os.PathLike[str]"]


def run(
    experiment: Union[None, _Path, Mapping[str, Any], Experiment] = None,
    data: Any = None,
    label: Any = None,
    *,
    workers: Optional[int] = None,
    run_dir: Optional[_Path] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    progress: bool = True,
    on_event: Optional[OnEvent] = None,
) -> Result:
    """Trains all models of an experiment over partitioned data on this machine, and returns what came of it.

    ``experiment``: an experiment file, a dictionary with its keys, or an Experiment. None: ``hop init`` looks at the
    table and proposes one.

    ``data``: in place of the experiment's source. A table (pandas DataFrame, pyarrow Table, dictionary of columns, list
    of dictionaries), whose columns mean what they would mean in a CSV file, and where columns of words are categories
    unless the experiment says otherwise; arrays as ``(x, y)`` or ``{"x": x, "y": y, "x_test": .., "y_test": ..}``; or a
    path: a CSV file, a folder of raw files, a data set of DatasetWriter.

    ``label``: the column of the label by name or place, or several; or the labels themselves, beside a table or an
    array.

    ``workers``: processes that train, in place of run.workers. ``run_dir``: where the run's files go, a new folder;
    otherwise runs/NAME-N. ``overrides``: keys of the experiment, ``{"search.epochs": 3}``. ``progress``: a bar.
    ``on_event``: hears each event of the run, a dictionary (docs/events.md).

    Ctrl-C lets the units in flight end and raises Interrupted; ``resume`` goes on. A second Ctrl-C stops at once.
    Raises ConfigError, DataError, RunFailed, Interrupted.
    """
    scratch = Path(tempfile.mkdtemp(prefix="hopscotch-"))
    directory: Optional[Path] = None
    is_needed = False
    try:
        words = ["run", _file_of(experiment, data, label, scratch)]
        words += [] if run_dir is None else ["--run-dir", os.fspath(run_dir)]
        words += [] if workers is None else ["--workers", str(int(workers))]
        for key, value in (overrides or {}).items():
            words += ["--set", f"{key}={_toml.value(value)}"]
        directory = follow(words, progress, on_event)
        return Result(directory)
    except RunError as error:
        is_needed = error.resumable and not _data.has_own_copy(error.run_directory)  # the data were being prepared
        raise
    finally:
        if not is_needed:
            shutil.rmtree(scratch, ignore_errors=True)


def resume(
    run_dir: _Path,
    *,
    epochs: Optional[int] = None,
    retry: bool = False,
    progress: bool = True,
    on_event: Optional[OnEvent] = None,
) -> Result:
    """Goes on with a run that was interrupted, by whatever: the models are the same, bit for bit, as without the
    interruption. Of a run that has ended, returns the result.

    ``epochs``: train the models on, to so many in all. ``retry``: bring models back that were set aside. Raises as
    ``run``."""
    words: List[str] = ["resume", os.fspath(run_dir)]
    words += [] if epochs is None else ["--epochs", str(int(epochs))]
    words += ["--retry"] if retry else []
    return Result(follow(words, progress, on_event))


def load(path: _Path) -> Union[Result, Model]:
    """A run directory as a Result; a ``.safetensors`` file, or a model's file in a run directory, as a Model. Both
    predict. Raises ConfigError, StateError."""
    return Result(path) if Path(path).is_dir() else Model(path)


def init(data: Any, label: Any = None) -> Experiment:
    """A first experiment for a table, as ``hop init`` proposes it: look it over, change it, run it. Needs Python 3.11
    or the package tomli."""
    folder = Path(tempfile.mkdtemp(prefix="hopscotch-"))
    try:
        experiment = Experiment.from_file(_proposal(data, label, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not isinstance(data, (str, os.PathLike)):
        experiment.data.pop("source", None)
    return experiment


def _file_of(experiment: Any, data: Any, label: Any, scratch: Path) -> str:
    """The experiment file for ``hop run``."""
    if experiment is None:
        return _proposal(data, label, scratch)
    is_file = isinstance(experiment, (str, os.PathLike))
    if is_file and data is None and label is None:
        return os.fspath(experiment)
    sections = _sections(experiment)
    _data.put(data, label, sections, scratch)
    file = scratch / "experiment.toml"
    file.write_text(_toml.dumps(sections), encoding="utf-8")
    return str(file)


def _sections(experiment: Any) -> Dict[str, Any]:
    if isinstance(experiment, Experiment):
        return experiment.to_dict()
    if isinstance(experiment, Mapping):
        return copy.deepcopy(dict(experiment))
    if isinstance(experiment, (str, os.PathLike)):
        return _toml.load(Path(experiment))
    raise ConfigError(
        f"[run] expected an experiment: a path, a dictionary or an Experiment, got {type(experiment).__name__}"
    )


def sections_of(experiment: Any, overrides: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """The keys of an experiment, with some of them changed: {"search.epochs": 3}."""
    sections = _sections(experiment)
    for key, value in (overrides or {}).items():
        *path, last = key.split(".")
        at = sections
        for name in path:
            at = at.setdefault(name, {})
        at[last] = value
    return sections


def _proposal(data: Any, label: Any, folder: Path) -> str:
    if isinstance(data, (str, os.PathLike)):
        source = os.path.abspath(os.fspath(data))
    elif is_table(data):
        source = str(folder / "rows.csv")
        write_csv(table_of(data), Path(source))
    else:
        raise ConfigError(
            "[run] expected an experiment, or a table or a CSV file for which one can be proposed, got "
            + ("neither" if data is None else type(data).__name__)
        )
    file = str(folder / "experiment.toml")
    call(["init", source, "--to", file, *([] if label is None else ["--label", str(label)])])
    return file
