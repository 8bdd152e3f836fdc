"""A minimal HTTP POST, so that the sandbox shares no client with what it tests."""

import asyncio
import ssl
from urllib.parse import urlsplit

AT_ONCE = 64


class HttpSender:
    """Posts JSON to any http or https URL, a bounded number at a time, without retries."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def send(self, url: str, body: bytes) -> bool:
        """POST the body; true when a 2xx came back within the timeout (real seconds)."""
        async with self._gate:
            try:
                async with asyncio.timeout(self._timeout):
                    return 200 <= await post(url, body) < 300  # noqa: PLR2004 - what 2xx means
            except (OSError, ValueError, EOFError):  # TimeoutError is an OSError
                return False


async def post(url: str, body: bytes) -> int:
    """POST once on a connection of its own; the HTTP status of the answer."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        await writer.drain()
        status_line = await reader.readline()
        return int(status_line.split()[1])
    except IndexError as error:
        raise ValueError("not an HTTP answer") from error
    finally:
        writer.close()
