"""A server on this machine that speaks S3's protocol (moto's), and fails, dawdles and forbids on request."""

# pyright: standard

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

from promptlight.io.places import RemotePath

ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
BUSY = ERROR.format("SlowDown", "Please reduce your request rate.").encode()
DENIED = ERROR.format("AccessDenied", "Access Denied").encode()
WRITING = ("PUT", "POST", "DELETE")


class S3Server:
    """The server's address, and what is wrong with it."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Silent(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_: object, **__: object) -> None:
                pass

        self._app: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Silent)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.n_requests, self.n_open = 0, 0
        self._fault: Callable[[dict[str, Any]], tuple[str, bytes, bool] | None] = lambda _: None
        self._counting = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a user of the server has in the environment."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "test-key-id-of-nobody",
            "AWS_SECRET_ACCESS_KEY": "test-secret-of-nobody",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self) -> RemotePath:
        """A folder in a bucket of its own."""
        name = f"bucket-{uuid4().hex}"
        _backend().create_bucket(name, "us-east-1")
        return RemotePath(f"s3://{name}/team/run")

    def age(self, place: RemotePath, seconds: float) -> None:
        """Let the leases there have been dated that long ago."""
        bucket, _, key = place.address.removeprefix("s3://").partition("/")
        keys = _backend().buckets[bucket].keys
        for name in list(keys):
            if name.startswith(f"{key}/.lease-"):
                keys[name].last_modified -= timedelta(seconds=seconds)

    def wait_until_quiet(self) -> None:
        """Wait until what a killed client had sent is done."""
        time.sleep(0.05)
        while self.n_open:
            time.sleep(0.01)

    @contextlib.contextmanager
    def failing(self, share: float, seed: int = 0) -> Generator[None]:
        """Answer this share of the requests that the server is busy: half of them unheard, half once they are done."""
        random = Random(seed)

        def fail(_: dict[str, Any]) -> tuple[str, bytes, bool] | None:
            with self._counting:
                drawn = random.random()
            return ("503 Slow Down", BUSY, drawn < share / 2) if drawn < share else None

        yield from self._with(fail)

    @contextlib.contextmanager
    def read_only(self) -> Generator[None]:
        """Refuse to write."""
        yield from self._with(
            lambda asked: ("403 Forbidden", DENIED, False) if asked["REQUEST_METHOD"] in WRITING else None
        )

    @contextlib.contextmanager
    def slow(self, most: float) -> Generator[None]:
        """Let each request take up to ``most`` seconds more."""
        random = Random(0)
        yield from self._with(lambda _: time.sleep(random.uniform(0, most)))

    def _with(self, fault: Callable[[dict[str, Any]], tuple[str, bytes, bool] | None]) -> Iterator[None]:
        before, self._fault = self._fault, fault
        try:
            yield
        finally:
            self._fault = before

    def _answer(self, asked: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._counting:
            self.n_requests, self.n_open = self.n_requests + 1, self.n_open + 1
        try:
            fault = self._fault(asked)
            if fault is None:
                return self._app(asked, start)
            status, body, is_done = fault
            if is_done:
                list(self._app(asked, lambda *_: None))
            elif asked.get("wsgi.input_terminated"):
                asked["wsgi.input"].read()
            else:
                asked["wsgi.input"].read(int(asked.get("CONTENT_LENGTH") or 0))
            start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [] if asked["REQUEST_METHOD"] == "HEAD" else [body]
        finally:
            with self._counting:
                self.n_open -= 1


def _backend() -> Any:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


@contextlib.contextmanager
def serve_s3() -> Generator[S3Server]:
    server = S3Server()
    try:
        yield server
    finally:
        server.close()
