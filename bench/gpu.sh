#!/usr/bin/env bash
# What is to be seen on a machine with a GPU, in at most four minutes: the adapter, the golden cases, an experiment, the bench.
#
#   bench/gpu.sh FOLDER [SMALL]
#
# FOLDER has golden/ and cifar-10-first-1000/ (11 MB). It needs Node, lib/ (npm run build), the package webgpu and the loaders
# of its driver (docs/gpu.md); nothing is downloaded. SMALL: sizes for an emulated adapter, to see that this script runs.
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,7p' "$0"; exit 2; }
folder=$1
check=(--limit 80)
bench=(--limit 100)
if [ "${2:-}" = SMALL ]; then
  check=(--limit 60 --epochs 1 --cases momentum,two-layer-cyclical --rows 200 --job-epochs 2)
  bench=(--limit 60 --seconds 0.5 --largest 50)
fi
status=0
echo "== kernels"
timeout 20 node lib/cli/main.js kernels || status=1
echo "== golden cases, experiment"
timeout 100 node bench/gpu-check.js "$folder" "${check[@]}" || { echo "failed or out of time ($?)"; status=1; }
echo "== bench"
timeout 110 node bench/gpu-bench.js "${bench[@]}" || { echo "failed or out of time ($?)"; status=1; }
exit $status
