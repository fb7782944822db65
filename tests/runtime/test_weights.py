"""Models in folders."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.weights import open_model


def test_models_that_threads_load_at_once_are_tied_and_so_is_the_next(ctx: RunContext) -> None:
    folder: Path = ctx.store.folder(tiny_base(ctx).id)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(open_model, [folder] * 16))
    for model in [*models, open_model(folder)]:
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
