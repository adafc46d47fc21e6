#!/usr/bin/env bash
# The table of VGG11 on CIFAR-10 by the whole protocol of the paper, five policies and three seeds, all at once on one GPU.
#
#     experiments/gradmax_table/on_one_gpu.sh FOLDER [options of run.py]
#
# FOLDER holds train/CLASS and test/CLASS. It ends after ten minutes at the latest (SECONDS_ALLOWED); the same command goes
# on from the last checkpoints. The runs share the GPU through NVIDIA's MPS, which is started here and ended again where it
# is installed and not running. PYTHON is the interpreter that has growsearch (default: uv run python).
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?the folder with train/CLASS and test/CLASS is missing}
shift

if command -v nvidia-cuda-mps-control >/dev/null && ! pgrep -x nvidia-cuda-mps >/dev/null; then
    nvidia-cuda-mps-control -d
    trap 'echo quit | nvidia-cuda-mps-control' EXIT
fi

timeout --kill-after=15 "${SECONDS_ALLOWED:-570}" ${PYTHON:-uv run python} experiments/gradmax_table/run.py vgg11 \
    --data "$folder" --seeds 3 --policies small random firefly gradmax big --workers 15 \
    --set training.precision=bfloat16 "$@"
