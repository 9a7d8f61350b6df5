"""The `PageRenderer` port by pypdfium2, in a process of its own: a hostile file harms only that.

Run as a module it is that process: `python -m tasks.integrations.pdf_pages FILE PAGE` writes a PNG to stdout.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tasks.errors import DocumentRejected

LONGEST_SIDE_PIXELS = 1600
_NO_SUCH_PAGE = 3


class PdfPages:
    """Renders pages.

    Args:
        timeout_seconds: For one page; then its process is killed.
        memory_mb: Address space of the process.
    """

    def __init__(self, *, timeout_seconds: float = 20.0, memory_mb: int = 2048) -> None:
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb

    def render_page(self, file: Path, number: int) -> bytes:
        """A PNG of the page, counted from 1.

        Raises:
            DocumentRejected: There is no such page, or it cannot be drawn.
        """
        command = [sys.executable, "-m", __name__, str(file), str(number), str(self._memory_mb)]
        try:
            done = subprocess.run(  # noqa: S603 (our own module; the file is a path of ours, the rest are numbers)
                command, capture_output=True, timeout=self._timeout_seconds, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise DocumentRejected("the page takes too long to draw", reason="too-slow") from error
        if done.returncode:
            reason = "no-such-page" if done.returncode == _NO_SUCH_PAGE else "unreadable"
            raise DocumentRejected(f"page {number} cannot be drawn", reason=reason)
        return done.stdout


def _write_page(file: str, number: int, memory_mb: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        if not 1 <= number <= len(document):
            return _NO_SUCH_PAGE
        page = document[number - 1]
        scale = LONGEST_SIDE_PIXELS / max(*page.get_size(), 1)
        page.render(scale=scale).to_pil().save(sys.stdout.buffer, format="PNG")
    return 0


if __name__ == "__main__":
    sys.exit(_write_page(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
