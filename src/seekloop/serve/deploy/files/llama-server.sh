#!/bin/sh
# llama.cpp's own server.
set -eu
cd "$$(dirname "$$0")"
exec llama-server --model ./model/model.gguf --alias $name --ctx-size $context --no-webui \
  --host 127.0.0.1 --port 8001 --jinja --chat-template-file ./model/chat_template.jinja
