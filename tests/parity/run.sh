#!/bin/sh
# run.sh PROGRAM ARGUMENTS: judges the program hop_parity by PyTorch's samples, with the Python that HOP_TORCH_PYTHON
# names. 77: skipped.
program=$1
shift
if [ -z "$HOP_TORCH_PYTHON" ]; then
  echo "skipped: set HOP_TORCH_PYTHON to a Python with torch and numpy"
  exit 77
fi
if ! "$HOP_TORCH_PYTHON" -c 'import numpy, torch' 2>/dev/null; then
  echo "skipped: $HOP_TORCH_PYTHON has no torch and numpy"
  exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec "$HOP_TORCH_PYTHON" "$(dirname "$0")/opinfo.py" --judge "$program" "$@"
