"""How the kernel of a notebook is started and ended here, whoever executes it: papermill, nbval or Jupyter Lab.

``make`` names the class in the kernel specification of ``.venv`` (``python -m spectral.book.kernel``). Programs that do
not know such a class start a kernel as ever.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "spectral-local"
"""The class among the entry points of ``pyproject.toml``."""

IDLE_ANSWERS, BUSY_SAVES = 1.0, 10.0
"""Seconds in which an idle kernel answers, and in which an interrupted one has saved what it trains."""

LONGEST = 103
"""Bytes of a socket's path, as macOS has it; Linux takes 107."""


class QuietProvisioner(LocalProvisioner):
    """A kernel behind local sockets, which is interrupted at its end only if it has something to do.

    Jupyter's own talks to its kernel over TCP, where every user of the machine can listen; the kernel warns of it. And
    before it asks a kernel to leave it interrupts it, idle or not: one that is still closing its last answer calls that
    a ``KeyboardInterrupt``. Here a kernel that answers is idle, and is left alone. One that does not is training,
    perhaps, and saves what it has.
    """

    _remove_sockets: Callable[[], object] | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose the sockets' folder, of this kernel alone; Windows, and a long path, stay with TCP."""
        manager, place = self.parent, _short_folder()
        if manager is not None and manager.transport == "tcp" and place is not None:
            folder = tempfile.mkdtemp(prefix="kernel-", dir=place)  # for its owner's eyes only
            self._remove_sockets = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            manager.transport, manager.ip = "ipc", f"{folder}/socket"
        return await super().pre_launch(**kwargs)

    async def send_signal(self, signum: int) -> None:
        """Send a signal; a kernel that is about to be asked to leave is interrupted if it executes, and waited for."""
        manager: Any = self.parent
        if signum != signal.SIGINT or manager is None or not manager.shutting_down:
            await super().send_signal(signum)
            return
        connected = manager.connect_shell()
        socket: zmq.Socket = zmq.Socket.shadow(connected)  # which polls at once, whatever kind of manager this is
        try:
            manager.session.send(socket, "kernel_info_request", {})
            if not await self._answered(socket, IDLE_ANSWERS):
                await super().send_signal(signum)
                await self._answered(socket, BUSY_SAVES)  # else it would find its sockets closed
        finally:
            connected.close(linger=0)

    async def _answered(self, socket: zmq.Socket, seconds: float) -> bool:
        """Whether something comes within some seconds, from a kernel that is alive."""
        for _ in range(round(seconds / 0.02)):
            if socket.poll(0) or await self.poll() is not None:
                return True
            await asyncio.sleep(0.02)
        return False

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the sockets; the end of this process does so, too."""
        await super().cleanup(restart)
        if self._remove_sockets is not None and not restart:
            self._remove_sockets()


def _short_folder() -> str | None:
    """Where temporary folders can be made whose sockets have paths that are short enough."""
    if os.name != "posix":
        return None
    places = (tempfile.gettempdir(), "/tmp")
    return next((p for p in places if len(os.fsencode(f"{p}/kernel-12345678/socket-5")) <= LONGEST), None)


def name_in(prefix: Path) -> Path:
    """Name `QuietProvisioner` in the kernel specification ``python3`` of an environment, and return where that is."""
    path = prefix / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    spec.setdefault("metadata", {})["kernel_provisioner"] = {"provisioner_name": NAME}
    path.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    name_in(Path(sys.prefix))
