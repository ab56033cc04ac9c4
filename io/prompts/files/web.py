"""Fetch a file from a web server, which may send us elsewhere, but not anywhere.

httpx asks, so that proxies and certificates are what the environment says. Redirects are followed here, one at a time:

1. A redirect may lead from http to https and not back, never to another scheme, and never to a URL with a login.
2. It may lead to the public internet or to the very machine that was asked first: a server out there can't make us
   read this disk, or what only machines in here can reach, such as a cloud's metadata at 169.254.169.254. Names are
   looked up before a request, and the machine that a connection was really made to is checked before anything is sent.
3. A login goes to the host that it was written for alone.

Behind a proxy, only the proxy knows which machine answers. The name is looked up here all the same and refused if it
is a private one; a name that is unknown here is the proxy's to judge.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from promptlight.salience.text.secrets import hide_secrets

TIMEOUT = 60.0  # seconds without a word from the server
MOST_REDIRECTS = 10
MISSING = (404, 410)
HEADERS = {"User-Agent": "promptlight", "Accept": "*/*", "Accept-Encoding": "identity"}  # a .gz file stays one
LOGS = ("httpx2", "httpcore2.http11")  # they quote URLs


class RedirectError(OSError):
    """A server sent us where we don't go."""


def fetch_web(address: str, copied: Path) -> None:
    """Copy what lies at an http:// or https:// address to a file.

    Raises FileNotFoundError where there is nothing, RedirectError for a redirect that is not followed, and OSError for
    everything else.
    """
    url, login = _parse(address)
    try:
        with httpx2.Client(headers=HEADERS, timeout=TIMEOUT) as client:
            answer = _follow(client, url, login)
            if answer.status_code in MISSING:
                raise FileNotFoundError(address)
            if not answer.is_success:
                raise OSError(f"the server answered {answer.status_code} {answer.reason_phrase}")
            with copied.open("wb") as file:
                file.writelines(answer.iter_raw())
    except httpx2.RemoteProtocolError as error:
        raise OSError(f"the server's answer is broken ({error})") from error
    except httpx2.HTTPError as error:
        raise OSError(str(error) or type(error).__name__) from error


def _parse(address: str) -> tuple[httpx2.URL, tuple[str, str] | None]:
    """The URL without its login, and the login."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:  # its words quote the password
        raise OSError("expected http://USER:PASSWORD@HOST:PORT/...; a password's / ? # are %2F %3F %23") from None
    login = (url.username, url.password) if url.userinfo else None
    return url.copy_with(userinfo=b"", fragment=None), login


def _follow(client: httpx2.Client, url: httpx2.URL, login: tuple[str, str] | None) -> httpx2.Response:
    """The answer at the end of all redirects, or one redirect too many. Its body is still to be read."""
    places = Places()
    n_redirects = 0
    while True:
        host = url.raw_host.decode()
        places.check(host, _look_up(host))
        request = client.build_request("GET", url, extensions={"trace": _Peer(host, places)})
        answer = client.send(request, auth=login, stream=True)
        if not answer.has_redirect_location or n_redirects == MOST_REDIRECTS:
            return answer
        answer.close()
        url, login = _redirect(url, answer.headers["Location"]), None
        n_redirects += 1


def _redirect(url: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads."""
    try:
        target = url.join(location)
    except httpx2.InvalidURL:
        target = None
    if target is None or target.scheme not in ("https", url.scheme) or target.userinfo:
        raise RedirectError(f"it redirects to {location}; expected another https:// address without login, or none")
    return target


def _look_up(host: str) -> set[str]:
    """A host's IP addresses; none if its name is not known here."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


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


class _Peer:
    """Checks the machine that a connection was made to: a name can stand for another one a moment later.

    httpcore calls it at each step of a request; a connection to a proxy is none to the host.
    """

    def __init__(self, host: str, places: Places) -> None:
        self._host, self._places = host, places
        self._is_host = False

    def __call__(self, step: str, details: Mapping[str, Any]) -> None:
        if step == "connection.connect_tcp.started":
            self._is_host = details["host"] == self._host
        elif step == "connection.connect_tcp.complete" and self._is_host:
            stream = details["return_value"]
            try:
                self._places.check(self._host, {str(stream.get_extra_info("server_addr")[0])})
            except RedirectError:
                stream.close()
                raise


def _hide_secrets_of(record: logging.LogRecord) -> bool:
    record.msg, record.args = hide_secrets(record.getMessage()), ()
    return True


for _log in LOGS:
    logging.getLogger(_log).addFilter(_hide_secrets_of)
