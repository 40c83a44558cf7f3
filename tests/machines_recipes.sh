#!/usr/bin/env bash
# machines_recipes.sh HOP FOLDER: the recipes in FOLDER (examples/machines), on this machine. Stand-ins take the place of
# ssh, scp, srun and scontrol; everything else is as its users have it. The models must be those of `hop run` alone.
set -euo pipefail
hop=$(realpath "$1") recipes=$(realpath "$2")
work=$(mktemp -d)
cleanup() {
  jobs -p | xargs -r kill 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

fail() {
  echo "machines_recipes: $*" >&2
  exit 1
}

# stand_in NAME: a program of PATH, whose text stands on stdin.
mkdir bin
stand_in() { { echo '#!/bin/bash' && cat; } >"bin/$1" && chmod +x "bin/$1"; }
stand_in ssh <<'END'
shift  # -n
cd "$HOMES/$1" && exec bash -c "$2"
END
stand_in scp <<'END'
to=${!#}
exec cp -pr "${@:2:$#-2}" "$HOMES/${to%%:*}/${to#*:}"
END
stand_in srun <<'END'
while [[ $1 == --* ]]; do shift; done
for ((i = 0; i < SLURM_NTASKS; ++i)); do SLURM_PROCID=$i "$@" & done
wait
END
stand_in scontrol <<'END'
echo "$*" >>"$SLURM_SUBMIT_DIR/scontrol.log"
END
stand_in hostname <<'END'
echo 127.0.0.1
END
ln -s "$hop" bin/hop
export PATH=$work/bin:$PATH HOMES=$work/homes PORT=$((20000 + $$ % 20000))
mkdir -p homes/one homes/two

awk 'BEGIN { srand(1); for (i = 0; i < 400; ++i) print i % 2 ? "left" : "right", 2 * (i % 2) + rand(), rand() }' |
  sed '1i kind a b' | tr ' ' , >table.csv
hop data import csv table.csv --label kind --partitions 4 --out data >/dev/null
cat >exp.toml <<'END'
name = "recipes"
seed = 5
data = { source = "data" }
[model]
layers = ["linear 16", "relu", "linear $outputs"]
[search]
epochs = 100
[search.space]
lr = [0.001, 0.003]
batch_size = 16
optimizer = "adam"
END

hashes() { grep -o '"state_sha256": *"[0-9a-f]*"' "$1/results.json"; }
same() { [[ $(hashes alone) == "$(hashes "$1")" ]] || fail "$2: the models are others than those of hop run"; }
hop run exp.toml --workers 1 --run-dir alone >alone.log 2>&1
[[ $(hashes alone | sort -u | wc -l) == 2 ]] || fail "expected two models of hop run"

"$recipes/by-ssh" exp.toml data 127.0.0.1 one two >ssh.log 2>&1 || fail "by-ssh: $(tail -5 ssh.log)"
same runs/recipes-1 by-ssh
[[ $(stat -c %a homes/one/hop-job/key) == 600 ]] || fail "by-ssh: expected a key that nobody else may read"
[[ ! -e homes/one/hop-job/part-1 ]] || fail "by-ssh: expected one part on each host"

export SLURM_JOB_ID=$PORT SLURM_SUBMIT_DIR=$work SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=1
job=hop-$SLURM_JOB_ID
bash "$recipes/slurm.sbatch" exp.toml >slurm.log 2>&1 &
batch=$!
for ((i = 0; i < 600; ++i)); do
  [[ -f $job/run/log && $(grep -c "has joined" "$job/run/log") == 2 ]] && break
  kill -0 $batch 2>/dev/null || break
  sleep 0.1
done
sleep 0.3
kill -TERM $batch 2>/dev/null || fail "slurm.sbatch: the job was over before its time: $(tail -5 slurm.log)"
wait $batch || fail "slurm.sbatch: expected to end well after SIGTERM: $(tail -5 slurm.log)"
grep -qx "requeue $SLURM_JOB_ID" scontrol.log || fail "slurm.sbatch: expected to ask for another turn"
bash "$recipes/slurm.sbatch" exp.toml >>slurm.log 2>&1 || fail "slurm.sbatch, again: $(tail -5 slurm.log)"
same "$job/run" slurm.sbatch
