"""Trusted publishing: a job proves what it is, and an index gives it a token for that.

twine knows this for PyPI and TestPyPI alone, and only when it uploads. Here it is for every index
that offers it, and a release's check finds out that a job gets no token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from lapstrake.errors import UserError
from lapstrake.fetch.patience import PASSING, Passing, Patience, unreachable
from lapstrake.redact import MASK
from lapstrake_release.indexes.model import Identity, Index, variables

_GITHUB = "GitHub's service for identities"


class Exchange:
    """Gets tokens of one index.

    Args:
        http: checks certificates; it goes to the index and to GitHub.
        index: which.
        identity: of the job that this is.
        pause: seconds before the first repetition of what may pass; doubled each time.
    """

    def __init__(self, http: httpx.Client, index: Index, identity: Identity, pause: float) -> None:
        self._http = http
        self._index = index
        self._identity = identity
        self._patience = Patience(pause, self._no_github)

    def end(self) -> None:
        """Let who waits in another thread give up."""
        self._patience.end()

    def proof(self) -> str:
        """What proves to this index, once, which job this is; empty where it wants no proofs.

        Raises:
            UserError: GitHub gives none.
            Passing: the index doesn't answer now.
        """
        audience = self._audience()
        return self._patience.work(lambda: self._proof_for(audience)) if audience else ""

    def token(self) -> str:
        """A token for some minutes; empty where the index has no trusted publishing.

        Raises:
            UserError: the index has not been told of this job, or GitHub doesn't know it.
            Passing: the index doesn't answer now.
        """
        proof = self.proof()
        if not proof:
            return ""
        url = self._address("mint-token")
        answer = self._http.post(url, json={"token": proof}, follow_redirects=False)
        if answer.status_code in PASSING:
            raise Passing.answered(answer)
        said = _json(answer)
        if answer.is_success and isinstance(token := said.get("token"), str) and token:
            return token
        reason = _reason(said).replace(proof, MASK) or f"HTTP {answer.status_code}"
        raise UserError(
            f"{self._index.name} gives this job no token: {reason}",
            "among the project's trusted publishers there, name this repository, its workflow and "
            f"environment; or set ${variables(self._index.name)[1]}",
        )

    def _audience(self) -> str:
        """Whom proofs for this index are made for."""
        answer = self._http.get(self._address("audience"), follow_redirects=False)
        if answer.status_code in PASSING:
            raise Passing.answered(answer)
        audience = _json(answer).get("audience") if answer.is_success else None
        return audience if isinstance(audience, str) else ""

    def _proof_for(self, audience: str) -> str:
        url = httpx.URL(self._identity.url).copy_merge_params({"audience": audience})
        bearer = {"Authorization": f"bearer {self._identity.bearer}"}
        answer = self._http.get(url, headers=bearer, follow_redirects=False)
        if answer.status_code in PASSING:
            raise Passing.answered(answer)
        proof = _json(answer).get("value") if answer.is_success else None
        if isinstance(proof, str) and proof:
            return proof
        raise UserError(
            f"GitHub doesn't prove to {self._index.name} which job this is "
            f"(HTTP {answer.status_code})",
            f"give the job `id-token: write`; or set ${variables(self._index.name)[1]}",
        )

    def _address(self, what: str) -> str:
        return f"https://{urlsplit(self._index.upload).netloc}/_/oidc/{what}"

    def _no_github(self, error: Exception) -> UserError:
        return unreachable(error, _GITHUB, urlsplit(self._identity.url).netloc, "service")


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The object that an answer is; empty where it is something else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(said: dict[str, Any]) -> str:
    """Why an index gives no token, in one line; empty where it doesn't say."""
    errors = said.get("errors")
    listed = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    found = [str(e.get("description") or e.get("code") or "") for e in listed]
    text = "; ".join(x for x in found if x) or str(said.get("message") or "")
    return " ".join(text.split())
