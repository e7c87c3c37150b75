"""Around the application: what a proxy says about a request counts when it is trusted, and is gone when it is not."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sidecar.forwarding import Proxies

# Whether the request was handed on by a proxy that is trusted, for whoever believes what else such a proxy says.
TRUSTED = "holdfast.from_trusted_proxy"
_TOLD = "HTTP_X_FORWARDED_"
_ALSO_TOLD = ("HTTP_FORWARDED", "HTTP_X_REAL_IP")


class Forwarded:
    """WSGI middleware. Behind it ``REMOTE_ADDR`` and ``wsgi.url_scheme`` are the client's, and no header that only a
    proxy should send comes from anybody else."""

    def __init__(self, application: WSGIApplication, proxies: Proxies) -> None:
        self._application = application
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR", "")
        environ[TRUSTED] = self._proxies.trusts(peer)
        environ["REMOTE_ADDR"] = self._proxies.origin(peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
        environ["wsgi.url_scheme"] = self._proxies.scheme(
            peer, environ.get("HTTP_X_FORWARDED_PROTO", ""), environ.get("wsgi.url_scheme", "http")
        )
        if not environ[TRUSTED]:
            for name in [one for one in environ if one.startswith(_TOLD) or one in _ALSO_TOLD]:
                del environ[name]
        return self._application(environ, start_response)
