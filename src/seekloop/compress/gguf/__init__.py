"""GGUF files, written and checked in this process: layouts, formats of few bits, the tokenizer inside."""
