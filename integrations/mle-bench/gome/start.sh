#!/bin/bash
# Runs gome on one competition. It ends by itself within the limit; `timeout` is there if it does not.
set -u

limit=${TIME_LIMIT_SECS:-43200}
mkdir -p "${LOGS_DIR}"
exec > >(tee -a "${LOGS_DIR}/gome.log") 2>&1

# Scripts get the first card, if the container has one.
cards=()
if nvidia-smi -L > /dev/null 2>&1; then cards=(--gpus 0); fi

cd "${AGENT_DIR}" || exit 1
exec timeout --preserve-status --signal=TERM --kill-after=30 "$((limit - 40))" \
  "${GOME_PYTHON:-/opt/gome/bin/python}" -m experiments.mlebench.in_container \
  --time-limit "$((limit - 60))" "${cards[@]}" "$@"
