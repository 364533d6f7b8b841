"""Threads that take long to end in C, after their last line of Python, as with `OPENSSL_thread_stop`."""

from __future__ import annotations

import ctypes
import os
import threading

SECONDS = 0.3

_libc = ctypes.CDLL(None)
_key = ctypes.c_uint()
# The destructor of a thread's own value: it is called, with the value, when the thread ends.
_libc.pthread_key_create(ctypes.byref(_key), _libc.usleep)


def end_slowly() -> int:
    """Let the thread that calls this take so long to end; its native id."""
    _libc.pthread_setspecific(_key, ctypes.c_void_p(int(SECONDS * 1_000_000)))
    return threading.get_native_id()


def is_there(native_id: int) -> bool:
    """Whether the thread is one of this process still."""
    return os.path.exists(f"/proc/self/task/{native_id}")
