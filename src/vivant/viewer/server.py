"""A server for one page on this machine's own address, which nobody else can reach."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from vivant.core.errors import BadInputError, OutputError

HOST = "127.0.0.1"

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server:
    """Answers `GET /` with a page until it is closed."""

    def __init__(self, page: Callable[[], bytes], port: int = 0) -> None:
        """Take a port; `serve` begins to answer.

        Args:
            page: Gives the page, each time anew.
            port: On the loopback address; 0 takes a free one.

        Raises:
            BadInputError: If the port is out of range.
            OutputError: If the port is taken or not allowed.
        """
        if not 0 <= port <= 65535:
            raise BadInputError(f"Port {port} is asked for; 0 to 65535 are possible, 0 takes a free one.")
        try:
            self._server = _Loopback((HOST, port), _Handler)
        except OSError as error:
            raise OutputError(
                f"Port {port} cannot be used ({error.strerror}). Choose another one with --port, or leave "
                "it away: then a free one is taken."
            ) from error
        self._server.page = page

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self._server.server_port}/"

    def serve(self) -> None:
        """Answer until `close` is called in another thread, or the program is interrupted."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop answering and give the port back."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()


class _Loopback(ThreadingHTTPServer):
    """Holds the page for its handlers; open connections do not keep the program alive."""

    daemon_threads = True
    block_on_close = False
    page: Callable[[], bytes] = staticmethod(lambda: b"")


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server_version = "vivant"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Give the page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Give the page's headers."""
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        assert isinstance(self.server, _Loopback)
        port = self.server.server_port
        # A foreign site whose name was made to point here would come with its own name.
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        page = self.server.page()
        self.send_response(HTTPStatus.OK)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if with_body:
            self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the command."""
