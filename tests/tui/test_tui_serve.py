"""The workbench in a browser: on this machine only, and it changes nothing."""

import asyncio
import re
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from workspace_fixture import Writer

pytest.importorskip("textual_serve", reason="textual-serve is not installed")


@pytest.mark.processes
def test_the_browser_view_is_local_and_shows_the_queue(writer: Writer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "lth_tui", str(writer.workspace.folder), "--serve", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        page = fetch(f"http://127.0.0.1:{port}/")
        assert "textual" in page.lower()
        addresses = {c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"}
        assert addresses == {"127.0.0.1"}
        shown = asyncio.run(look(port, ["J"], "read-only"))
        assert "cartpole-done" in shown and "61k" in shown and "read-only" in shown
        assert writer.asked() == []  # the job was to be moved, and nothing was asked for
    finally:
        server.terminate()
        server.wait(20)


def fetch(address: str) -> str:
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 our own server
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)


async def look(port: int, keys: list[str], said: str) -> str:
    """What comes through the page's websocket until all jobs are there, and after some keys until something is said."""
    import json

    import aiohttp

    found = ""
    address = f"ws://127.0.0.1:{port}/ws?width=120&height=40"
    async with asyncio.timeout(60), aiohttp.ClientSession() as session, session.ws_connect(address) as ws:
        for words, then in (("61k", keys), (said, [])):
            while words not in found:
                message = await ws.receive()
                assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                if message.type == aiohttp.WSMsgType.BINARY:
                    found += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", message.data.decode(errors="replace"))
            for key in then:
                await ws.send_str(json.dumps(["stdin", key]))
    return found
