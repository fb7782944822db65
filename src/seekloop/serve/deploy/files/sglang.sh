#!/bin/sh
# SGLang, on a machine with a GPU.
set -eu
cd "$$(dirname "$$0")"
exec python -m sglang.launch_server --model-path ./model --served-model-name $name --context-length $context \
  --host 127.0.0.1 --port 8001 --chat-template ./model/chat_template.jinja
