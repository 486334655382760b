"""A server on this machine that speaks OpenAI's chat-completions protocol, with faults on demand.

For tests, demonstrations and rehearsals: what a run does when its provider fails is seen over real
HTTP and through the real client, without a key. It listens on 127.0.0.1 only.

    python -m gome_agent.models.serving --task digits --public DIR --faults '429:1,ok*5,cut'
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gome_agent.models._faults import (
    Fault as Fault,
    FaultError as FaultError,
    parse_faults as parse_faults,
)

DEFAULT_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Reply:
    """What the server answers; tokens that are not given are estimated as a quarter of the text."""

    content: str | None
    finish: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Reasoning included."""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    tool_calls: tuple[Mapping[str, Any], ...] = ()


class Refusal(Exception):
    """Raised by a responder: the provider's error, with its status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


Respond = Callable[[Mapping[str, Any]], Reply | str]
"""From the body of a request to the answer. Called from several threads at once."""


class ScriptedServer:
    """Answers chat completions by a function, streamed or not; embeddings by hashed n-grams.

    A context manager: it serves inside of `with`.

    Args:
      respond: the answer to a request that no fault hits; what it raises becomes a status 500,
        but for a `Refusal`.
      faults: what happens to each request, in order; those beyond are answered.
      refuses: parameters that get a status 400, as a provider refuses what a model does not take.
      key: if given, requests without this bearer get a status 401.
      port: 0 for any free one.

    Attributes:
      requests: bodies of all requests so far, those hit by faults included.
    """

    def __init__(
        self,
        respond: Respond,
        faults: Iterable[Fault] = (),
        *,
        refuses: Iterable[str] = (),
        key: str | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self._respond = respond
        self._faults: Iterator[Fault] = iter(faults)
        self._refuses = frozenset(refuses)
        self._key = key
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """What to give as `api_base`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve until interrupted."""
        self._server.serve_forever()

    def _next(self, body: dict[str, Any]) -> Fault:
        with self._lock:
            self.requests.append(body)
            return next(self._faults, Fault())

    def _refusal(self, body: Mapping[str, Any], authorization: str) -> Refusal | None:
        """Why the request is refused before it is looked at, if it is."""
        if self._key is not None and authorization != f"Bearer {self._key}":
            shown = authorization.removeprefix("Bearer ")
            return Refusal(401, "invalid_api_key", f"Incorrect API key provided: {shown}.")
        refused = sorted(self._refuses & body.keys())
        if refused:
            message = f"Unsupported parameter: '{refused[0]}' is not supported with this model."
            return Refusal(400, "unsupported_parameter", message)
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: ScriptedServer, port: int) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request, client_address) -> None:
        """A client that hung up is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged: a request holds a key."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length))
        owner = self.server.owner
        fault = owner._next(body)
        refusal = owner._refusal(body, self.headers.get("Authorization", ""))
        if refusal:
            self._json(refusal.status, _error(str(refusal), refusal.code))
        elif self.path.endswith("/embeddings"):
            self._json(200, _embeddings(body))
        elif self.path.endswith("/chat/completions"):
            self._complete(body, fault)
        else:
            self._json(404, _error(f"no such path: {self.path}", "not_found"))

    def _complete(self, body: dict[str, Any], fault: Fault) -> None:
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        match fault.kind:
            case "status":
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
                self._json(fault.status, _error(f"scripted {fault.status}", "scripted"), headers)
                return
            case "html":
                self._send(200, DEFAULT_PAGE.encode(), "text/html")
                return
            case "drip":
                self._drip(fault.seconds)
                return
            case "refused_connection":
                self._hang_up()
                return
        try:
            reply = self.server.owner._respond(body)
        except Refusal as refusal:
            self._json(refusal.status, _error(str(refusal), refusal.code))
            return
        except Exception as error:
            self._json(500, _error(f"{type(error).__name__}: {error}", "server_error"))
            return
        reply = _faulty(Reply(reply) if isinstance(reply, str) else reply, fault)
        usage = _usage(reply, body)
        if body.get("stream"):
            self._stream(body, reply, usage, cut=fault.kind in ("cut", "cut_stream"))
            return
        answer = _completion(body, reply, usage, without_choices=fault.kind == "no_choices")
        text = json.dumps(answer, ensure_ascii=False)
        match fault.kind:
            case "not_json":
                self._send(200, text[:-2].encode())
            case "wrong_encoding":
                self._send(200, text.replace("stop", "stöp").encode("latin-1", "replace"))
            case "cut" | "cut_stream":
                self._send(200, text.encode(), cut=True)
            case _:
                self._send(200, text.encode("utf-8", "surrogatepass"))

    def _json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), headers=headers)

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _stream(self, body: Mapping[str, Any], reply: Reply, usage: Any, cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(_events(body, reply, usage))
        for event in events[: len(events) // 2] if cut else events:
            self._chunk(f"data: {event}\n\n".encode())
        if cut:
            self._hang_up()
        else:
            self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _drip(self, seconds: float) -> None:
        """Blanks, one at a time: a connection that is alive and says nothing."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.wfile.write(b" ")
            time.sleep(0.05)
        self._hang_up()

    def _hang_up(self) -> None:
        """Reset the connection, as a proxy that dies does."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _faulty(reply: Reply, fault: Fault) -> Reply:
    """A reply with a fault of the model's rather than the wire's."""
    match fault.kind:
        case "length":
            text = (reply.content or "")[: len(reply.content or "") // 2]
            return Reply(text, finish="length")
        case "filtered":
            return Reply("", finish="content_filter")
        case "tool_call":
            function = {"name": "answer", "arguments": reply.content or ""}
            call = {"id": "call_1", "type": "function", "function": function}
            return Reply(None, finish="tool_calls", tool_calls=(call,))
    return reply


def _usage(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    asked = sum(len(str(message.get("content"))) for message in body.get("messages", ()))
    prompt = asked // 4 + 1 if reply.prompt_tokens is None else reply.prompt_tokens
    written = reply.completion_tokens
    if written is None:
        written = len(reply.content or "") // 4 + 1 + reply.reasoning_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
    }


def _head(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "scripted", "object": kind, "created": 0, "model": body.get("model", "")}


def _completion(
    body: Mapping[str, Any], reply: Reply, usage: Any, without_choices: bool
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.content}
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": reply.finish}
    choices = [] if without_choices else [choice]
    return {**_head(body, "chat.completion"), "choices": choices, "usage": usage}


def _events(body: Mapping[str, Any], reply: Reply, usage: Any) -> Iterator[str]:
    """The data of server-sent events: the text in pieces, the reason of its end, the usage."""
    head = _head(body, "chat.completion.chunk")

    def event(delta: Mapping[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return json.dumps({**head, "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    text = reply.content or ""
    size = max(1, len(text) // 16)
    for start in range(0, len(text), size):
        yield event({"content": text[start : start + size]})
    if reply.tool_calls:
        yield event({"tool_calls": [{"index": 0, **call} for call in reply.tool_calls]})
    yield event({}, reply.finish)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield json.dumps({**head, "choices": [], "usage": usage})
    yield "[DONE]"


def _embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    from optimizers import hashed_ngrams

    texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
    rows = hashed_ngrams(int(body.get("dimensions") or 256))(texts)
    data = [
        {"object": "embedding", "index": i, "embedding": [float(x) for x in row]}
        for i, row in enumerate(rows)
    ][::-1]  # in any order: the index says which is which
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model", ""), "data": data, "usage": usage}


def _error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": code, "param": None, "code": code}}


if __name__ == "__main__":
    from gome_agent.models._serve import main

    main()
