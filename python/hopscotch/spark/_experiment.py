"""run: an experiment file over a DataFrame."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from .._follow import OnEvent
from .._run import sections_of
from ..errors import ConfigError
from ..result import Result
from ._cluster import cluster_of
from ._rows import Columns, Plan, prepare
from ._run import Settings, train


def run(
    spark: Any,
    df: Any,
    experiment: Any,
    *,
    features: Union[str, Sequence[str]] = "features",
    label: str = "label",
    weight: Optional[str] = None,
    validation: Union[str, float] = 0.1,
    workers: Optional[int] = None,
    run_dir: Optional[str] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    progress: bool = True,
    on_event: Optional[OnEvent] = None,
    input_shape: Optional[Sequence[int]] = None,
    handle_invalid: str = "error",
    start_timeout: float = 120,
    return_timeout: float = 600,
    coordinator_port: int = 0,
    worker_ports: str = "",
) -> Result:
    """Trains all models of an experiment over the rows of a DataFrame, on the executors of its session.

    ``experiment``: a file, a dictionary with the keys of one, or an Experiment. Of its [data] section, ``partitions``
    is read (default 8); the rows are those of ``df``. ``features``: a column of vectors, arrays or bytes, or several
    columns of numbers. ``label``: classes 0, 1, .. for the loss cross_entropy, numbers for the others. ``weight``: how
    much a row counts. ``validation``: a boolean column, or a share of the rows. ``workers``: tasks that train at once,
    in place of run.workers. ``run_dir``: on the driver's machine. The rest as in hopscotch.run.

    Ctrl-C lets the units in flight end and raises Interrupted. Raises ConfigError, DataError, RunFailed.
    """
    cluster_of(spark)  # refuses before a row is read
    sections = sections_of(experiment, overrides)
    data = dict(sections.pop("data", {}))
    unknown = sorted(set(data) - {"partitions"})
    if unknown:
        raise ConfigError(
            f"[data] {unknown[0]}: expected partitions alone, since the rows come from a DataFrame; say label, "
            "features, weight and validation to run()"
        )
    if handle_invalid not in ("error", "skip"):
        raise ConfigError(f'[handle_invalid] expected "error" or "skip", got {handle_invalid!r}')
    settings = Settings(
        workers=int(workers or sections.get("run", {}).get("workers", 2)),
        run_dir=run_dir,
        progress=progress,
        start_timeout=start_timeout,
        return_timeout=return_timeout,
        coordinator_port=coordinator_port,
        worker_ports=worker_ports,
    )
    loss = str(sections.get("model", {}).get("loss", "cross_entropy"))
    plan = Plan(
        is_class=loss.split()[0] == "cross_entropy",
        partitions=int(data.get("partitions", max(8, settings.workers))),
        workers=settings.workers,
        seed=int(sections.get("seed", 0)),
        shape=None if input_shape is None else tuple(int(size) for size in input_shape),
        skip_invalid=handle_invalid == "skip",
        name=str(sections.get("name", "rows")),
    )
    by_column = isinstance(validation, str)
    columns = Columns(
        features=features if isinstance(features, str) else tuple(features),
        label=label,
        weight=weight,
        validation=validation if by_column else None,
        fraction=0.0 if by_column else float(validation),
    )
    return train(spark, prepare(df, columns, plan), sections, settings, on_event)


__all__ = ["run"]
