#!/usr/bin/env bash
# What is to be seen on a machine with a GPU, in at most four minutes: the adapter, the golden cases, an experiment, what
# `--kernel auto` takes, steps beside the CPU and PyTorch, and which tiles are fastest.
#
#   bench/gpu.sh FOLDER [SMALL]
#
# FOLDER has golden/ and cifar-10-first-1000/ (11 MB). It needs Node, lib/ and dist/kernels/ (npm run build), the package webgpu
# and the loaders of its driver (docs/gpu.md); nothing is downloaded. SMALL: sizes for an emulated adapter, to see that this
# script runs. Send the output to a file: it has all figures that docs/gpu.md and docs/speed.md are to have.
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,10p' "$0"; exit 2; }
folder=$1
check=(--limit 65)
hidden=[2048,2048]
bench=(--limit 70)
tiles=(--limit 35)
if [ "${2:-}" = SMALL ]; then
  check=(--limit 60 --epochs 1 --cases momentum,two-layer-cyclical --rows 200 --job-epochs 2)
  hidden=[300]
  bench=(--limit 40 --seconds 0.5 --largest 50)
  tiles=(--limit 10 --seconds 0.05 --largest 0)
fi
status=0
part() { # TITLE SECONDS COMMAND …
  echo "== $1 ($(date -u +%T))"
  timeout "$2" "${@:3}" || { echo "failed or out of time ($?)"; status=1; }
}
echo "== machine: Node $(node --version), $(nproc) cores"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
part kernels 10 node lib/cli/main.js kernels
part 'golden cases, experiment' 75 node bench/gpu-check.js "$folder" "${check[@]}"
auto=$(mktemp -d)
trap 'rm -rf "$auto"' EXIT
cat > "$auto/auto.yaml" << YAML
stages:
  - { use: load/digits }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { split: train, size: 500, epochs: 2 } }
  - { use: shuffle/rows }
  - { id: model, use: gradient-step/network, with: { hidden: $hidden, init: he, eta: 0.05, clip: 1 } }
  - { use: evaluate/classification, from: { parameters: model, examples: examples } }
YAML
part '--kernel auto' 15 node lib/cli/main.js run "$auto/auto.yaml" --kernel auto --out "$auto/run"
part bench 80 node bench/gpu-bench.js "${bench[@]}"
part tiles 40 node bench/gpu-tiles.js "${tiles[@]}"
exit $status
