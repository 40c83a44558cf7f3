#!/bin/sh
# python_spark.sh FOLDER: the tests of hopscotch.spark, with the program and the library that HOP_PROGRAM and
# HOP_C_LIBRARY name: all of them in local[2,4], then those of clusters on a Master and two Workers of this machine; or
# all on the one master that HOP_SPARK_MASTER names. The Python is the one that HOP_PYTHON names, or else python3.
# 77: skipped.
python=${HOP_PYTHON:-python3}
if ! "$python" -c 'import numpy, pandas, pyarrow, pyspark, pytest' 2>/dev/null; then
  echo "skipped: no Python with pyspark, pandas, pyarrow and pytest: set HOP_PYTHON"
  exit 77
fi
if [ -z "$JAVA_HOME" ] && ! command -v java >/dev/null; then
  echo "skipped: no Java for Spark"
  exit 77
fi
judge() { "$python" -m pytest -q -p no:cacheprovider "$@"; }

[ -n "$HOP_SPARK_MASTER" ] && { judge "$1"; exit; }
judge "$1" && HOP_SPARK_MASTER=standalone judge "$1/test_cluster.py"
