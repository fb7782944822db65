"""vLLM as it is, on folders that we wrote: run by its own interpreter with a file of folders and prompts.

It prints, a folder a line, what it answered or why it did not load it.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(asked: Path, told: Path) -> None:
    """Answer the prompts of `asked` with each of its folders, greedily, and write to `told` what came."""
    import vllm

    job = json.loads(asked.read_text("utf-8"))
    found: dict[str, Any] = {"version": vllm.__version__, "forms": {}}
    for name, folder in job["folders"].items():
        try:
            found["forms"][name] = {"answers": _answers(folder, job)}
        except (NotImplementedError, RuntimeError, ValueError) as error:
            found["forms"][name] = {"refused": str(error)}
        told.write_text(json.dumps(found), "utf-8")


def _answers(folder: str, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Ids of each answer without the one that ends it, and the log-probability of the first."""
    from vllm import LLM, SamplingParams
    from vllm.distributed import cleanup_dist_env_and_memory

    drawn = SamplingParams(
        temperature=0, max_tokens=job["max_tokens"], stop_token_ids=job["stops"], logprobs=0, detokenize=False
    )
    try:
        engine = LLM(model=folder, enforce_eager=True, max_model_len=job["context"], max_num_seqs=job["streams"])
        done = engine.generate([{"prompt_token_ids": ids} for ids in job["prompts"]], drawn, use_tqdm=False)
        answers = [one.outputs[0] for one in done]
        del engine
    finally:
        gc.collect()
        cleanup_dist_env_and_memory()
    return [
        {
            "ids": [id_ for id_ in answer.token_ids if id_ not in job["stops"]],
            "first": answer.token_ids[0],
            "logprob": answer.logprobs[0][answer.token_ids[0]].logprob,
        }
        for answer in answers
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
