#!/usr/bin/env bash
# nvcc_with_report.sh NVCC ARGS...: compiles, and keeps in OBJECT.ptxas what ptxas says about registers, shared memory
# and spills (-Xptxas -v). Whatever else is said goes to stderr, as without this script.
set -uo pipefail

object=
for ((i = 1; i < $#; i++)); do
  [[ ${!i} == -o ]] && next=$((i + 1)) && object=${!next}
done
[[ -n $object ]] || exec "$@"

LC_ALL=C "$@" 2>"$object.stderr"
status=$?
ours='^ptxas info|bytes stack frame|^$'
grep -E "$ours" "$object.stderr" >"$object.ptxas"
grep -vE "$ours" "$object.stderr" >&2
rm -f "$object.stderr"
exit "$status"
