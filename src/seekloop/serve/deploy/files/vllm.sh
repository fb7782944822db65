#!/bin/sh
# vLLM, on a machine with a GPU. The key is read from VLLM_API_KEY.
set -eu
cd "$$(dirname "$$0")"
exec vllm serve ./model --served-model-name $name --max-model-len $context \
  --host 127.0.0.1 --port 8001 --chat-template ./model/chat_template.jinja --generation-config vllm
