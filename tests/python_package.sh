#!/bin/sh
# python_package.sh FOLDER: the tests of the Python package, with the program and the library that HOP_PROGRAM and
# HOP_C_LIBRARY name. The Python is the one that HOP_PYTHON names, or else python3. 77: skipped.
python=${HOP_PYTHON:-python3}
if ! "$python" -c 'import numpy, pytest' 2>/dev/null; then
  echo "skipped: no Python with numpy and pytest: set HOP_PYTHON"
  exit 77
fi
exec "$python" -m pytest -q -p no:cacheprovider --ignore="$1/spark" "$1"
