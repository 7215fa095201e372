"""`vivant view`: show an avatar in the browser."""

import json as jsons
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse


@dataclass(frozen=True)
class ViewOptions:
    """Show an avatar in the browser: from all sides, in motion. Only this machine can reach the page."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made. When it is made anew, reload the page."""

    port: int = 0
    """On the loopback address; 0 takes a free one."""

    splats: Annotated[int | None, named("N")] = None
    """Show at most so many splats. Default: all."""

    no_browser: bool = False
    """Only tell the address; open no browser."""

    json: bool = False
    """Print the address as JSON."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks, until Ctrl-C."""
    options = parse(ViewOptions, "view", arguments)
    from vivant.viewer import AvatarPage, Server

    page = AvatarPage(options.avatar, options.splats)
    try:
        # A damaged file is told here, not in the browser.
        page()
        with Server(page, options.port) as server:
            _tell(server.address, options)
            if not options.no_browser:
                webbrowser.open(server.address)
            server.serve()
    except KeyboardInterrupt:
        # This is how it is meant to end.
        return 0
    return 0


def _tell(address: str, options: ViewOptions) -> None:
    if options.json:
        terminal.say(jsons.dumps({"address": address}))
    elif not options.quiet:
        terminal.say(f"{options.avatar.name} is shown at {address} (Ctrl-C ends it).")
