"""From a DataFrame to the rows of each worker: which partition a row belongs to, and in which order it stands there.

Both are functions of the row alone, so they are the same for every number of workers and every version of Spark, and a
partition that is built again is the same partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from ..errors import ConfigError, DataError

Features = Union[str, Sequence[str]]

_SHARES = 1_000_000  # of a validation fraction
_BATCH_BYTES = 32 << 20  # of rows that a task holds at once


@dataclass(frozen=True)
class Columns:
    """The columns of a DataFrame that mean something."""

    features: Features  # a vector, an array, bytes, or several columns of numbers
    label: str
    weight: Optional[str] = None
    validation: Optional[str] = None  # true: the row measures models
    fraction: float = 0.1  # of rows that measure models, without such a column

    @property
    def title(self) -> str:
        return self.features if isinstance(self.features, str) else ", ".join(self.features)


@dataclass(frozen=True)
class Plan:
    """How rows become a data set."""

    is_class: bool
    partitions: int
    workers: int
    seed: int = 0
    shape: Optional[Tuple[int, ...]] = None  # of a row; None: as many numbers as it has
    classes: Optional[int] = None  # None: the greatest label says it
    skip_invalid: bool = False
    name: str = "rows"


@dataclass(frozen=True)
class Rows:
    """A DataFrame of q, x, y and perhaps w, with a partition for each worker, and the schema of the data set."""

    frame: Any
    schema: Dict[str, Any]
    title: str  # the features' name


def prepare(frame: Any, columns: Columns, plan: Plan) -> Rows:
    """Looks at all rows once, and says how they are dealt to the workers. Raises ConfigError, DataError."""
    from pyspark.sql import functions as F

    if not 1 <= plan.workers <= plan.partitions:
        raise ConfigError(
            f"[spark] expected 1 <= workers <= partitions, got {plan.workers} workers and {plan.partitions} partitions"
        )
    x, dtype = features_of(frame, columns.features)
    picked = [x.alias("x"), label_of(frame, columns.label).alias("y")]
    if columns.weight:
        picked.append(_number_of(frame, columns.weight, "weight").cast("float").alias("w"))
    if columns.validation:
        picked.append(_flag_of(frame, columns.validation).alias("v"))
    rows = frame.select(*picked)
    if plan.skip_invalid:
        rows = rows.filter(~_is_invalid(rows, dtype))
    schema = _schema(rows, frame, columns, plan, dtype)
    rows = rows.withColumn("y", F.col("y").cast("bigint" if plan.is_class else "float"))

    seen = [F.lit(plan.seed), F.col("x"), F.col("y")] + ([F.col("w")] if columns.weight else [])
    rows = rows.withColumn("h", F.xxhash64(*seen))
    if columns.validation:
        aside = F.col("v")
    else:
        aside = F.pmod(F.xxhash64(F.col("h"), F.lit("validation")), F.lit(_SHARES)) < round(_SHARES * columns.fraction)
    q = F.pmod(F.col("h"), F.lit(plan.partitions)).cast("int")
    owner = F.floor(q * plan.workers / plan.partitions).cast("int")  # as hop deals partitions to workers
    everybody = F.sequence(F.lit(0), F.lit(plan.workers - 1))  # each worker measures its models by itself
    rows = rows.select(
        F.when(aside, F.lit(-1)).otherwise(q).alias("q"),
        *[F.col(name) for name in ("h", "x", "y", "w") if name in rows.columns],
        F.explode(F.when(aside, everybody).otherwise(F.array(owner))).alias("slot"),
    )
    keys = F.array(*[F.lit(key) for key in _keys(frame.sparkSession, plan.workers)])
    order = [name for name in ("q", "h", "x", "y", "w") if name in rows.columns]
    # A shuffle keeps no order. Rows that are equal in all of these are equal.
    dealt = rows.repartition(plan.workers, F.element_at(keys, F.col("slot") + 1)).sortWithinPartitions(*order)
    return Rows(dealt.select(*[name for name in order if name != "h"]), schema, columns.title)


def features_of(frame: Any, features: Features) -> Tuple[Any, str]:
    """The features of a row as one column, and the dtype of the data set: array<float> and f32, or binary and u8.
    Raises ConfigError that names the column."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if not isinstance(features, str):
        return F.array(*[_number_of(frame, name, "features").cast("float") for name in features]), "f32"
    kind = _type_of(frame, features, "features")
    column = F.col(_quoted(features))
    if isinstance(kind, VectorUDT):
        return vector_to_array(column, "float32"), "f32"
    if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.NumericType):
        return column.cast("array<float>"), "f32"
    if isinstance(kind, T.BinaryType):
        return column, "u8"
    if isinstance(kind, T.NumericType):
        return F.array(column.cast("float")), "f32"
    raise ConfigError(
        f'[features] column "{features}": expected a vector, an array of numbers, binary or numbers, got '
        f"{kind.simpleString()}"
    )


def label_of(frame: Any, label: str) -> Any:
    return _number_of(frame, label, "label").cast("double")


def _type_of(frame: Any, name: str, role: str) -> Any:
    for field in frame.schema.fields:
        if field.name == name:
            return field.dataType
    raise ConfigError(f'[{role}] expected one of the columns {", ".join(frame.columns[:12])}, got "{name}"')


def _number_of(frame: Any, name: str, role: str) -> Any:
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    kind = _type_of(frame, name, role)
    if not isinstance(kind, (T.NumericType, T.BooleanType)):
        advice = ": StringIndexer makes numbers of words" if role == "label" else ""
        raise ConfigError(f'[{role}] column "{name}": expected numbers, got {kind.simpleString()}{advice}')
    return F.col(_quoted(name))


def _flag_of(frame: Any, name: str) -> Any:
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    kind = _type_of(frame, name, "validationIndicatorCol")
    if not isinstance(kind, T.BooleanType):
        raise ConfigError(f'[validationIndicatorCol] column "{name}": expected boolean, got {kind.simpleString()}')
    return F.coalesce(F.col(_quoted(name)), F.lit(False))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _is_invalid(rows: Any, dtype: str) -> Any:
    from pyspark.sql import functions as F

    def is_bad(value: Any) -> Any:
        number = value.cast("double")
        return value.isNull() | F.isnan(number) | (F.abs(number) == float("inf"))

    bad = F.col("x").isNull() | is_bad(F.col("y"))
    if dtype != "u8":
        bad = bad | F.exists(F.col("x"), is_bad)
    if "w" in rows.columns:
        bad = bad | is_bad(F.col("w")) | (F.col("w") < 0)
    return bad


def _schema(rows: Any, frame: Any, columns: Columns, plan: Plan, dtype: str) -> Dict[str, Any]:
    """One pass over the rows: how many there are, which are wrong, how long a row is, which labels there are."""
    from pyspark.sql import functions as F

    size = F.length("x") if dtype == "u8" else F.size("x")
    y = F.col("y")
    found = rows.agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum(_is_invalid(rows, dtype).cast("bigint")).alias("invalid"),
        F.min(size).alias("least"),
        F.max(size).alias("most"),
        F.min(y).alias("low"),
        F.max(y).alias("high"),
        F.sum((y != F.floor(y)).cast("bigint")).alias("broken"),
    ).first()
    if not found["rows"]:
        raise DataError("[rows] expected a DataFrame with rows, got none")
    if found["invalid"]:
        raise DataError(
            f"[rows] expected finite numbers in every row of {columns.title}, {columns.label}"
            + (f" and weights of 0 or more in {columns.weight}" if columns.weight else "")
            + f', got {found["invalid"]} of {found["rows"]} rows with null, NaN or infinity: handleInvalid="skip" '
            "leaves them out"
        )
    if found["least"] != found["most"]:
        raise DataError(
            f'[features] column "{columns.title}": expected rows of one size, got {found["least"]} to {found["most"]}'
        )
    shape = [int(found["most"])] if plan.shape is None else list(plan.shape)
    elements = 1
    for each in shape:
        elements *= each
    if elements != found["most"]:
        raise ConfigError(f'[inputShape] expected {found["most"]} elements, as a row has, got {shape}')
    schema: Dict[str, Any] = {"dtype": dtype, "shape": shape, "name": plan.name, "partitions": plan.partitions}
    schema["seed"] = plan.seed
    if columns.weight:
        schema["weights"] = True
    if not plan.is_class:
        schema["numbers"] = [columns.label]
        return schema
    if found["broken"] or found["low"] < 0:
        raise DataError(
            f'[label] column "{columns.label}": expected classes 0, 1, 2 .., got numbers from {found["low"]:g} to '
            f'{found["high"]:g}: StringIndexer makes classes of anything; HopRegressor predicts numbers'
        )
    names = _class_names(frame, columns.label)
    classes = plan.classes or max(len(names), int(found["high"]) + 1, 2)
    if found["high"] >= classes:
        raise DataError(f'[label] column "{columns.label}": expected classes below {classes}, got {found["high"]:g}')
    schema["classes"] = classes
    if len(names) == classes:
        schema["class_names"] = names
    return schema


def _class_names(frame: Any, label: str) -> List[str]:
    """As StringIndexer leaves them beside the column."""
    names = frame.schema[label].metadata.get("ml_attr", {}).get("vals", [])
    return [str(name) for name in names] if len(set(names)) == len(names) else []


def _keys(spark: Any, workers: int) -> List[int]:
    """For each worker a number that Spark's own hash sends to its partition of a shuffle."""
    from pyspark.sql import functions as F

    keys: Dict[int, int] = {}
    most = 64 * workers
    while len(keys) < workers:
        ids = spark.range(0, most, 1, 1).select(F.col("id").cast("int").alias("k"))
        for row in ids.select("k", F.pmod(F.hash("k"), F.lit(workers)).alias("slot")).collect():
            keys.setdefault(row["slot"], row["k"])
        most *= 4
    return [keys[slot] for slot in range(workers)]


def batch_rows(schema: Dict[str, Any]) -> int:
    """How many rows an Arrow batch shall have."""
    elements = 1
    for each in schema["shape"]:
        elements *= each
    return max(1, _BATCH_BYTES // (elements * (1 if schema["dtype"] == "u8" else 4)))


__all__ = ["Columns", "Plan", "Rows", "batch_rows", "features_of", "prepare"]
