"""Fetching a file from a web server, which may send us elsewhere, but not anywhere.

A redirect may lead from http to https and not back, never to another kind of address, and only to the public internet
or to the very machine that was asked first: a server out there can't make us read this disk, or what only machines in
here can reach, such as a cloud's metadata at 169.254.169.254. A login goes to the host that it was written for alone.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import shutil
import socket
import ssl
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urljoin, urlsplit

TIMEOUT = 60.0  # seconds without a word from the server
MISSING = (404, 410)
AS_IT_IS = "%/:@!$&'()*+,;=~?"  # of a path or a query, beside letters and digits


class RedirectError(OSError):
    """A server sent us where we don't go."""


def fetch_web(address: str, copied: Path) -> None:
    """Copy what lies at an http:// or https:// address to a file.

    Raises FileNotFoundError where there is nothing or nobody, RedirectError for a redirect that is not followed, and
    OSError for everything else.
    """
    try:
        with _build_opener().open(_build_request(address), timeout=TIMEOUT) as answer, copied.open("wb") as file:
            shutil.copyfileobj(answer, file)
            expected = answer.headers.get("Content-Length") or file.tell()
            if file.tell() != int(expected):  # http.client says nothing
                raise OSError(f"expected {expected} bytes, found {file.tell()}")
    except HTTPError as error:
        error.close()
        if error.code in MISSING:
            raise FileNotFoundError(address) from error
        raise OSError(f"the server answered {error.code} {error.reason}") from error
    except URLError as error:
        if isinstance(error.reason, RedirectError):
            raise error.reason from error
        if isinstance(error.reason, socket.gaierror | ConnectionError):
            raise FileNotFoundError(address) from error
        raise OSError(str(error.reason)) from error
    except http.client.HTTPException as error:
        raise OSError(f"the server's answer is broken ({type(error).__name__}: {error})") from error


def _build_opener() -> urllib.request.OpenerDirector:
    """Knows http and https only: Python's own opener also reads file: and ftp:."""
    opener, places = urllib.request.OpenerDirector(), Places()
    answers = urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler()
    for handler in (_Http(places), _Https(places), _Redirects(), *answers):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "promptlight"), ("Accept", "*/*")]
    return opener


def _build_request(address: str) -> urllib.request.Request:
    """The request, with a login in its header instead of in the address."""
    try:
        parts = urlsplit(address)
        login, _, host = parts.netloc.rpartition("@")
        _ = parts.port
    except ValueError:  # its words quote the password
        raise OSError("expected http://USER:PASSWORD@HOST:PORT/...; a password's / ? # are %2F %3F %23") from None
    host = host if host.isascii() else host.encode("idna").decode()
    path, query = quote(parts.path or "/", AS_IT_IS), quote(parts.query, AS_IT_IS)
    request = urllib.request.Request(parts._replace(netloc=host, path=path, query=query, fragment="").geturl())
    if login:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(unquote(login).encode()).decode()}")
    return request


class Places:
    """Which machines may be asked: the first whatever it is, later ones if they are public or the first one again."""

    def __init__(self) -> None:
        self._first: set[str] | None = None

    def check(self, host: str, found: set[str]) -> None:
        """Raise RedirectError unless all IP addresses of a host may be asked."""
        self._first = found if self._first is None else self._first
        if inside := [one for one in found - self._first if not _is_public(one)]:
            raise RedirectError(
                f"it redirects to {host} ({inside[0]}), which is not on the public internet; if you mean that one, give"
                " its address instead"
            )


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_global


class _Checked:
    """A connection that is made to machines that may be asked; a name can stand for another one a moment later."""

    def __init__(self, *arguments: Any, places: Places, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._places = places

    def connect(self) -> None:
        connection: Any = self
        found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
        self._places.check(connection.host, {str(one[4][0]) for one in found})
        super().connect()  # type: ignore[misc]
        self._places.check(connection.host, {str(connection.sock.getpeername()[0])})


class _Connection(_Checked, http.client.HTTPConnection):
    pass


class _SecureConnection(_Checked, http.client.HTTPSConnection):
    pass


class _Http(urllib.request.HTTPHandler):
    def __init__(self, places: Places) -> None:
        super().__init__()
        self._places = places

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, places=self._places), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, places: Places) -> None:
        super().__init__()
        self._places = places

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        open_connection = partial(_SecureConnection, places=self._places)
        return self.do_open(open_connection, req, context=ssl.create_default_context())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the same kind of address, or from http to https."""

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        target = urljoin(req.full_url, headers.get("Location") or "")
        before, after = urlsplit(req.full_url).scheme, urlsplit(target)
        if after.scheme not in ("https", before) or "@" in after.netloc:
            fp.close()
            raise RedirectError(f"it redirects to {target}; expected another https:// address without login, or none")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
