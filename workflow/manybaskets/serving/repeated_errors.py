"""Errors of an endpoint that end a job, since they would be the result of every further row."""

import re

from manybaskets.files import InputError

REPEATS = 3  # equal errors in a row that end a job
# These statuses can be caused by the text of one row, such as by a filter of an endpoint.
_OF_A_ROW = (400, 413, 422)
_FILTERED = re.compile(
    r"content.?(filter|policy|management)|moderation|safety|blocked by|flagged", re.IGNORECASE
)


class EndpointError(InputError, RuntimeError):
    """Raised for an endpoint that will not answer any row; names the endpoint and the fix."""


class RepeatedErrors:
    """Counts equal errors of the requests to one endpoint.

    Refusals by content filters are results of rows and do not count. Statuses that depend on the
    row, such as 400, count only until the endpoint has answered a first row.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._reason = ""
        self._repeats = 0
        self._has_answered = False

    def count(self, status: int, reason: str) -> None:
        """Raises EndpointError for the third equal error in a row; `reason` is "" for an answer."""
        if not reason:
            self._has_answered = True
        counts = 300 <= status < 500 and not _FILTERED.search(reason)
        if not reason or not counts or (status in _OF_A_ROW and self._has_answered):
            self._reason, self._repeats = "", 0
            return
        self._repeats = self._repeats + 1 if reason == self._reason else 1
        self._reason = reason
        if self._repeats >= REPEATS:
            raise EndpointError(
                f"{self._url} refused {REPEATS} requests in a row with the same error: {reason} "
                "Correct the endpoint's URL, model, key or settings, and start again; finished "
                "rows are kept."
            )
