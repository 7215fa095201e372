"""The page to share: one HTML file that shows an avatar in motion, in any browser, offline."""

from vivant.viewer.page import AvatarPage, page_html, spoken, write_page
from vivant.viewer.server import Server

__all__ = ["AvatarPage", "Server", "page_html", "spoken", "write_page"]
