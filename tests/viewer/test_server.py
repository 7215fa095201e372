import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import fakes

from vivant.core.errors import BadInputError, OutputError
from vivant.records import save_avatar
from vivant.viewer import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(lambda: "<p>größe</p>".encode())
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.close()
    thread.join(10)


def ask(
    server: Server, method: str = "GET", path: str = "/", host: str | None = None
) -> http.client.HTTPResponse:
    port = int(server.address.rstrip("/").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}", "Connection": "close"})
    answer = connection.getresponse()
    answer.content = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def test_the_page_is_served_with_headers_that_keep_it_to_itself(server: Server) -> None:
    answer = ask(server)
    assert (answer.status, answer.content) == (200, "<p>größe</p>".encode())  # type: ignore[attr-defined]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    head = ask(server, "HEAD")
    assert (head.status, head.content) == (200, b"")  # type: ignore[attr-defined]


def test_other_paths_methods_and_names_get_nothing(server: Server) -> None:
    assert ask(server, path="/../../etc/passwd").status == 404
    assert ask(server, path="/avatar").status == 404
    assert ask(server, "POST").status == 501
    # A foreign site's name that was made to point at this machine.
    assert ask(server, host="evil.example").status == 421


def test_only_this_machine_is_listened_to(server: Server) -> None:
    assert server.address.startswith("http://127.0.0.1:")


def test_a_port_that_cannot_be_had_is_told(server: Server) -> None:
    with pytest.raises(OutputError, match="--port"):
        Server(bytes, int(server.address.rstrip("/").rpartition(":")[2]))
    with pytest.raises(BadInputError, match="65535"):
        Server(bytes, 70000)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
def test_view_tells_its_address_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    save_avatar(fakes.avatar(500), tmp_path / "me.avatar")
    # Tests that run in the background of a shell are told to ignore Ctrl-C, and pass that on.
    heard = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heard}; from vivant.cli import main; sys.exit(main())"]
    viewing = subprocess.Popen(
        [*command, "view", str(tmp_path / "me.avatar"), "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert viewing.stdout
        line = viewing.stdout.readline()
        assert "me.avatar is shown at http://127.0.0.1:" in line
        viewing.send_signal(signal.SIGINT)
        out, err = viewing.communicate(timeout=20)
        assert (viewing.returncode, out, err) == (0, "", "")
    finally:
        viewing.kill()
        viewing.communicate()
