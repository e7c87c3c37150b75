"""``/metrics``: figures for Prometheus, of the catalog and of what the processes of this host have counted."""

from __future__ import annotations

from flask import Flask, Response, request

from holdfast import __version__
from holdfast.exposition import CONTENT_TYPE, Family, Kind, Metric, Sample, render
from sidecar import counting
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.problems import REFUSALS
from sidecar.catalog import gauges
from sidecar.catalog.engine import snapshot
from sidecar.errors import CatalogUnavailable

resource = Resource("metrics", "")

PATH = "/metrics"
UP = Metric("holdfast_database_up", Kind.GAUGE, "Whether the database answers: 1, else 0, and what it would tell is not there.")  # fmt: skip  # noqa: E501
INFO = Metric("holdfast_build_info", Kind.GAUGE, "1; the series names the version of the sidecar.", ("version",))
METRICS: tuple[Metric, ...] = (
    UP,
    INFO,
    REFUSALS.metric,
    *gauges.METRICS,
    *(one.metric for one in counting.COUNTED),
)


@resource.serves("GET", PATH, scope=Scope.READER, returns=str)
def get_metrics(call: Call) -> Response:
    """Figures in the text format of Prometheus, see docs/operations.md.

    With `metrics_open` in the configuration no token is needed. What the catalog has is the same at every host;
    counters are of the processes of this one. When the database does not answer, `holdfast_database_up` is 0.
    """
    try:
        with snapshot(call.engine) as connection:
            stands, is_up = gauges.read(connection), True
    except CatalogUnavailable:
        stands, is_up = [], False
    counted: list[Family] = [one.family() for one in (*counting.COUNTED, REFUSALS)]
    text = render([(INFO, [Sample(1, (__version__,))]), (UP, [Sample(is_up)]), *stands, *counted])
    response = Response(text, content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def count_answers(app: Flask) -> None:
    """Count every answer by the class of its status."""

    def count(response: Response) -> Response:
        if request.path != PATH:  # who looks should not see himself
            counting.REQUESTS.add(f"{min(max(response.status_code // 100, 1), 5)}xx")
        return response

    app.after_request(count)
