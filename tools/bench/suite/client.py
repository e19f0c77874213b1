"""HTTP over asyncio's streams, for tools that hold many connections and must see how each of them ends."""
import asyncio
import re


async def connect(address):
    """A reader and a writer."""
    return await asyncio.open_connection(*address, limit=2**20)


def request(method, path, body, headers):
    """The bytes of a request; its headers are those given, and the length of the body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {len(body)}\r\n" if body or method in ("POST", "PUT") else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}{length}\r\n".encode() + body


async def answer_of(reader):
    """One answer: its status, its body, and whether the server closes the connection after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status, closes = int(head[9:12]), b"\r\nconnection: close\r\n" in head
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, body, closes
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head)
    return status, await reader.readexactly(int(length.group(1)) if length else 0), closes
