#!/bin/sh
# python_environment.sh FOLDER: the Python of the tests, as a virtual environment: the packages that hopscotch works with,
# then Spark, which is 350 MB. FOLDER/complete says that all are there. If a registry is slow or away, packages are missing
# and their tests are skipped. A package is there whole or not at all.
environment=$1
[ -f "$environment/complete" ] && exit 0

# install WHAT PACKAGE...: all is fetched before anything is installed.
install() {
  what=$1
  shift
  timeout --foreground 480 "$environment/bin/pip" wheel --quiet --retries 1 --timeout 15 \
    --wheel-dir "$environment/wheels" "$@" &&
    "$environment/bin/pip" install --quiet --no-index --find-links "$environment/wheels" "$@" && return
  echo "cannot install $*; going on without the tests of $what" >&2
  return 1
}

python3 -m venv --clear "$environment" &&
  install "the Python package" numpy 'pandas<3' pyarrow pytest tqdm &&
  install "Spark" 'pyspark==3.5.*' setuptools &&
  rm -r "$environment/wheels" &&
  touch "$environment/complete"
