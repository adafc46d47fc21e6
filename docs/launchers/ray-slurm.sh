#!/usr/bin/env bash
#SBATCH --job-name=growsearch
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

# A comparison, search or audit on all nodes of a SLURM job, as one Ray cluster:
#
#     sbatch ray-slurm.sh growsearch compare cifar10_policies --out /shared/runs/cifar10
#
# The command is started on the first node when all nodes have joined. Change the lines above to fit. DIR is on a file
# system that all nodes see. When the time is up, submit `growsearch resume DIR` in the same way: it goes on.

set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: sbatch ray-slurm.sh growsearch compare|search|resume|audit FILE-OR-DIR ..." >&2; exit 2; }

# Here: module load ..., source /shared/venv/bin/activate

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$first:6379
export RAY_USAGE_STATS_ENABLED=0
srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" \
  ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES" \
  --num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_PER_NODE:-0}" -- \
  "$@" --executor ray --address "$address"
