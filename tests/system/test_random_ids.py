"""Ids that nobody can guess: each is given once, by whichever thread or process."""

import os
from concurrent.futures import ThreadPoolExecutor

from seekloop.system.random_ids import RandomIds


def test_every_thread_gets_others():
    ids = RandomIds(32, block=8)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: ids.next(), range(5_000)))
    assert len(set(found)) == 5_000
    assert {len(one) for one in found} == {32}
    assert all(int(one, 16) >= 0 for one in found)


def test_a_forked_process_gets_others_than_its_parent():
    ids = RandomIds(32)
    ids.next()
    reads, writes = os.pipe()
    if not (child := os.fork()):
        os.write(writes, ids.next().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 32).decode() not in {ids.next() for _ in range(255)}
