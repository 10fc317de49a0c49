"""A session of Dagger's that builds nothing: it writes down what it is asked, by Dagger's own API.

Queries are read by the GraphQL library, checked against the API's schema and kept as chains of
calls; an id that comes back as an argument is the chain that it was given for.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import graphql

from lapstrake.engines.dagger import places
from lapstrake.layers.kinds import RECIPES
from lapstrake.store.records import Blob, LayerRecord

SCHEMA = Path(__file__).with_name("schema.graphql")
TOKEN = "a-session"


@dataclass(frozen=True)
class Call:
    """One field of a chain; an argument that is an object is the chain that made it."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)


Chain = tuple[Call, ...]


class Failure(Exception):
    """What the session answers instead of a result."""

    def __init__(self, message: str, **extensions: object) -> None:
        super().__init__(message)
        self.extensions = extensions


class Session:
    """What was asked, in turn: each chain that ends in something that makes the engine work.

    Attributes:
        asked: the chains.
        on_work: called with each before it is answered; it may raise `Failure`.
        run: the build that results tell they were made for; None: that which asks.
    """

    def __init__(self) -> None:
        self.schema = graphql.build_schema(SCHEMA.read_text())
        self.asked: list[Chain] = []
        self.on_work: Callable[[Chain], None] = lambda _: None
        self.run: str | None = None
        self._chains: dict[str, Chain] = {}
        self._lock = threading.Lock()

    def answer(self, query: str, variables: dict[str, Any] | None) -> dict[str, Any]:
        document = graphql.parse(query)
        if "__schema" in query:
            result = graphql.graphql_sync(self.schema, query)
            assert not result.errors, result.errors
            return {"data": result.data}
        errors = graphql.validate(self.schema, document)
        assert not errors, errors
        assert not variables
        (operation,) = document.definitions
        assert isinstance(operation, graphql.OperationDefinitionNode)
        try:
            return {"data": self._selected(operation.selection_set, ())}
        except Failure as failure:
            error = {"message": str(failure), "path": [], "extensions": failure.extensions}
            return {"data": None, "errors": [error]}

    def _selected(self, selection: graphql.SelectionSetNode, before: Chain) -> dict[str, Any]:
        (node,) = selection.selections
        if isinstance(node, graphql.InlineFragmentNode):
            return self._selected(node.selection_set, before)
        assert isinstance(node, graphql.FieldNode)
        args = {a.name.value: self._value(a.value) for a in node.arguments or ()}
        name = node.name.value
        if name == "node":
            chain: Chain = args["id"]
        else:
            chain = (*before, Call(name, args))
        if node.selection_set:
            return {name: self._selected(node.selection_set, chain)}
        return {name: self._leaf(chain)}

    def _value(self, node: graphql.ValueNode) -> Any:
        value = graphql.value_from_ast_untyped(node)
        return self._known(value)

    def _known(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._known(v) for v in value]
        return self._chains.get(value, value) if isinstance(value, str) else value

    def _leaf(self, chain: Chain) -> Any:
        last = chain[-1]
        if last.name == "id":
            return self._named(chain[:-1])
        if last.name == "version":
            return "v0.21.8"
        with self._lock:
            self.asked.append(chain)
        self.on_work(chain)
        if last.name == "sync":
            return self._named(chain[:-1])
        if last.name == "export":
            self._export(chain, Path(last.args["path"]))
        return last.args.get("path", "")

    def _named(self, chain: Chain) -> str:
        name = hashlib.sha256(repr(chain).encode()).hexdigest()
        self._chains[name] = chain
        return name

    def _export(self, chain: Chain, target: Path) -> None:
        """Give back a layer of a few bytes, as its builder would."""
        body = layer_of(chain)
        assert body is not None
        data = f"blob of {body['id']}".encode()
        digest = hashlib.sha256(data).hexdigest()
        (target / places.BLOBS).mkdir(parents=True)
        (target / places.BLOBS / digest).write_bytes(data)
        kind = {"bootstrap": "root", "pulled": "root"}.get(body["type"], body["type"])
        assert kind in RECIPES
        blob = Blob(f"sha256:{digest}", f"sha256:{digest}", len(data), len(data))
        record = LayerRecord(body["id"], kind, body["title"], (blob,), {}, 1.5)
        (target / places.RECORD).write_text(json.dumps(record.to_json()))
        run = json.loads(settings_of(chain))["run"] if self.run is None else self.run
        (target / places.RUN).write_text(run)


def mounted(chain: Chain, place: Path) -> Chain | None:
    """What a container has at a place."""
    for call in chain:
        if call.name.startswith("withMounted") and call.args["path"] == str(place):
            source: Chain = call.args.get("source", ())
            return source
    return None


def mounts(chain: Chain) -> dict[str, Call]:
    """All that is mounted in a container, by path."""
    return {c.args["path"]: c for c in chain if c.name.startswith("withMounted")}


def execs(chain: Chain) -> list[Call]:
    """The programs that a container runs."""
    return [c for c in chain if c.name == "withExec"]


def layer_of(chain: Chain) -> dict[str, Any] | None:
    """The layer that a container makes, as it travels; None where it makes none."""
    file = mounted(chain, places.LAYER)
    if file is None:
        return None
    (written,) = [c for c in file if c.name == "withNewFile"]
    body: dict[str, Any] = json.loads(written.args["contents"])["layer"]
    return body


def settings_of(chain: Chain) -> str:
    """The text of the secret that a container is given."""
    secret = mounted(chain, places.CARRIED)
    assert secret is not None
    return Path(secret[-1].args["uri"].removeprefix("file://")).read_text()


@contextlib.contextmanager
def serve_session() -> Iterator[tuple[Session, dict[str, str]]]:
    """A session, and the variables by which a client finds it."""
    session = Session()
    login = base64.b64encode(f"{TOKEN}:".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.headers["Authorization"] == f"Basic {login}"
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(session.answer(asked["query"], asked.get("variables"))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield (
            session,
            {"DAGGER_SESSION_PORT": str(server.server_port), "DAGGER_SESSION_TOKEN": TOKEN},
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
