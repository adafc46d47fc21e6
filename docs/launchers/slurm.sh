#!/usr/bin/env bash
#SBATCH --job-name=search-workers
#SBATCH --array=0-15
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

# Workers of a search, in every task of a SLURM array, on the task's GPUs:
#
#     sbatch slurm.sh STORAGE STUDY DIR [options of growsearch worker, such as --slots 4]
#
# STORAGE and STUDY as growsearch search was given them, DIR the run folder, which all nodes see. Change the lines above
# to fit: tasks, GPUs and cores of each, time limit, partition. A database's password comes from ~/.pgpass.
#
# 120 seconds before the time limit SLURM sends USR1: the workers write checkpoints and hand their trials on, and the task
# is queued again. TERM (preemption, scancel) is passed on in the same way; what SLURM preempts, it queues again itself. A
# task ends for good when nothing is left of the study.

set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: sbatch slurm.sh STORAGE STUDY DIR [options of growsearch worker]" >&2; exit 2; }
storage=$1 study=$2 folder=$3
shift 3

# Here: module load ..., source /shared/venv/bin/activate

worker='' near_limit='' told='' signalled=yes
pass_on() {
  told=yes signalled=yes
  [[ -z $worker ]] || kill -TERM "$worker" 2>/dev/null || true
}
trap 'near_limit=yes; pass_on' USR1
trap pass_on TERM

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
growsearch worker --storage "$storage" --study "$study" --out "$folder" "$@" &
worker=$!
[[ -z $told ]] || pass_on # what came before there was a worker

while [[ $signalled ]]; do # a signal cuts the waiting short
  signalled=''
  wait "$worker" && code=0 || code=$?
done

if [[ $near_limit && $code =~ ^(130|143)$ ]]; then # interrupted, at work or while it was starting
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
