"""Shuts an engine process in: `python -m seekloop.runtime.generate.sandbox MODE FOLDER MODULE` does it, then runs it.

An engine is a large native library that reads what strangers write. It needs the model, memory and one socket to its
parent; so it gets no network, a file system that it can only read but for one folder, no way to more rights, and
limits. Namespaces do it where the kernel lets us have them, Landlock where it does not; what was reached goes out as
one line of JSON on standard output, before the module runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, Self, runtime_checkable

__all__ = ["Contained", "Containment", "Mode", "enter", "main", "probe"]

Mode = Literal["auto", "require", "off"]
MEASURES = ("network", "files", "privileges", "limits")
"""No network; nothing written outside one folder; no more rights than it has; bounds on memory, files, processes."""
_needed = frozenset({"network", "files"})
_new_mounts, _new_ipc, _new_user, _new_net = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_recursive, _private, _bind = 0x4000, 0x40000, 0x1000
_mount_setattr, _at_fdcwd, _at_recursive, _read_only = 442, -100, 0x8000, 1
_landlock_create, _landlock_add, _landlock_restrict, _capset = 444, 445, 446, 126
_capability_version = 0x20080522
_drop_bounding, _no_new_privileges, _ambient, _ambient_clear, _capabilities = 24, 38, 47, 4, 64
_writes = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
_refer, _truncate, _write_file, _tcp = 1 << 13, 1 << 14, 1 << 1, 0b11
_processes, _spare = 1024, 8 * 2**30


@dataclass(frozen=True, kw_only=True)
class Containment:
    """How far a process is shut in."""

    by: str
    """`namespaces`, `landlock` or `nothing`."""
    has: tuple[str, ...]
    """Measures in force, of network, files, privileges and limits."""
    lacks: tuple[str, ...] = ()
    """Measures that could not be had."""
    problem: str = ""
    """Why not."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The opposite of `to_json`."""
        value = json.loads(line)
        return cls(**{**value, "has": tuple(value["has"]), "lacks": tuple(value["lacks"])})


@runtime_checkable
class Contained(Protocol):
    """A backend whose engine runs in a process of its own."""

    @property
    def containment(self) -> Containment | None:
        """How far that process is shut in; None: nobody asked."""


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


class _Handled(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "network")]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _CapabilityHead(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def enter(folder: Path, *, namespaces: bool = True) -> Containment:
    """Shut this process in as far as the machine allows; it must have one thread only, and cannot come out again.

    Args:
        folder: the only place where it may write.
        namespaces: whether to try them; else Landlock alone.
    """
    _limit()
    if sys.platform != "linux":
        return Containment(
            by="nothing", has=("limits",), lacks=MEASURES[:3], problem=f"{sys.platform} has no namespaces"
        )
    has, by, problem = ["limits"], "nothing", ""
    try:
        if namespaces:
            _namespaces(folder)
            has, by = ["limits", "network", "files"], "namespaces"
    except OSError as error:
        problem = str(error)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_no_new_privileges, 1, 0, 0, 0) == 0:
        has.append("privileges")
    if by == "nothing":
        try:
            has += _landlock(libc, folder)
            by = "landlock"
        except OSError as error:
            problem = f"{problem}; {error}"
    _drop_capabilities(libc)
    lacks = tuple(one for one in MEASURES if one not in has)
    return Containment(by=by, has=tuple(one for one in MEASURES if one in has), lacks=lacks, problem=problem)


def _limit() -> None:
    """No core files; no more address space and files than memory can explain; so many processes and threads."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _at_most(resource.RLIMIT_CORE, 0)
    _at_most(resource.RLIMIT_AS, 2 * memory + _spare)
    _at_most(resource.RLIMIT_FSIZE, memory)
    _at_most(resource.RLIMIT_NPROC, _processes)


def _at_most(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (bound, bound))


def _namespaces(folder: Path) -> None:
    """Own user, network, IPC and mounts, where only `folder` can be written.

    Raises:
        OSError: the kernel does not let us; nothing has changed then but the namespaces themselves.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    try:
        _checked(libc.unshare(_new_user | _new_net | _new_mounts | _new_ipc), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(text)
    except OSError:
        # Root of a container may be refused a user of its own, and allowed all else.
        _checked(libc.unshare(_new_net | _new_mounts | _new_ipc), "unshare")
    place = os.fsencode(folder)
    _checked(libc.mount(b"none", b"/", None, _recursive | _private, None), "mount /")
    _checked(libc.mount(place, place, None, _bind | _recursive, None), f"mount {folder}")
    _set_mount(b"/", _Attributes(set=_read_only), flags=_at_recursive)
    _set_mount(place, _Attributes(clear=_read_only), flags=0)


def _set_mount(place: bytes, attributes: _Attributes, *, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.sizeof(attributes)
    done = libc.syscall(_mount_setattr, _at_fdcwd, place, flags, ctypes.byref(attributes), size)
    _checked(done, f"mount_setattr {os.fsdecode(place)}")


def _landlock(libc: ctypes.CDLL, folder: Path) -> list[str]:
    """Measures that Landlock gives a process without any right: files, and TCP but no other network.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = _checked(libc.syscall(_landlock_create, None, 0, 1), "landlock")
    files = _writes | (_refer if version >= 2 else 0) | (_truncate if version >= 3 else 0)
    handled = _Handled(files=files, network=_tcp if version >= 4 else 0)
    size = ctypes.sizeof(handled) if version >= 4 else 8
    rules = _checked(libc.syscall(_landlock_create, ctypes.byref(handled), size, 0), "landlock")
    for place, allowed in ((folder, files), (Path("/dev"), _write_file)):
        handle = os.open(place, os.O_PATH)
        beneath = _Beneath(allowed=allowed, parent=handle)
        _checked(libc.syscall(_landlock_add, rules, 1, ctypes.byref(beneath), 0), "landlock")
        os.close(handle)
    _checked(libc.syscall(_landlock_restrict, rules, 0), "landlock")
    os.close(rules)
    return ["files"]


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Without them, not even root of the namespace can undo what was done."""
    libc.prctl(_ambient, _ambient_clear, 0, 0, 0)
    for number in range(_capabilities):
        libc.prctl(_drop_bounding, number, 0, 0, 0)
    head, sets = _CapabilityHead(_capability_version, 0), (ctypes.c_uint32 * 6)()
    libc.syscall(_capset, ctypes.byref(head), ctypes.byref(sets))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def probe() -> Containment:
    """How far an engine process would be shut in on this machine, told by one that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        idle = "seekloop.runtime.generate.lifeline"
        command = [sys.executable, "-m", "seekloop.runtime.generate.sandbox", "auto", folder, idle]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        problem = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        return Containment(by="nothing", has=(), lacks=MEASURES, problem=problem[0])
    return Containment.from_json(done.stdout.splitlines()[0])


def main(arguments: list[str], run: Callable[[str], object]) -> None:
    """Shut this process in, say how far, and run a module; where that is too little, end instead."""
    mode, folder, module = arguments
    reached = enter(Path(folder))
    os.write(1, (reached.to_json() + "\n").encode())
    if mode == "require" and not _needed <= set(reached.has):
        raise SystemExit(f"not shut in: {', '.join(reached.lacks)} ({reached.problem})")
    run(module)


if __name__ == "__main__":
    main(sys.argv[1:], lambda module: runpy.run_module(module, run_name="__main__", alter_sys=True))
