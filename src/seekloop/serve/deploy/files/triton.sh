#!/bin/sh
# Triton with the vLLM backend behind its OpenAI frontend: inside NVIDIA's container tritonserver:YY.MM-vllm-python-py3,
# with this folder at the same path.
set -eu
cd "$$(dirname "$$0")"
exec python3 /opt/tritonserver/python/openai/openai_frontend/main.py \
  --model-repository ./models --tokenizer ./model --host 127.0.0.1 --openai-port 8001
