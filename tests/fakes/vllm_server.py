"""What vLLM's documentation says of its server with adapters: names, folders, refusals. It writes its model's name."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class VLLMServer:
    """Keeps adapters by name; `calls` tells what was asked of it, in order.

    Args:
        base: The model's name.
        most_rank: As --max-lora-rank says.
    """

    def __init__(self, base: str, *, most_rank: int = 16) -> None:
        self.base, self.most_rank = base, most_rank
        self.adapters: dict[str, Path] = {}
        self.calls: list[tuple[str, str]] = []
        self.may_load = True
        """VLLM_ALLOW_RUNTIME_LORA_UPDATING."""
        self.sees_our_folder = True

    @property
    def app(self) -> Starlette:
        """To be served."""
        return Starlette(
            routes=[
                Route("/v1/models", self._list),
                Route("/v1/load_lora_adapter", self._load, methods=["POST"]),
                Route("/v1/unload_lora_adapter", self._unload, methods=["POST"]),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ],
            middleware=[Middleware(_Closing)],
        )

    def restart(self) -> None:
        """What was loaded while it ran is forgotten."""
        self.adapters.clear()

    async def _list(self, _: Request) -> Response:
        names = [self.base, *self.adapters]
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    async def _load(self, request: Request) -> Response:
        if not self.may_load:
            return JSONResponse({"detail": "Not Found"}, 404)
        body = await request.json()
        name, folder = body["lora_name"], Path(body["lora_path"])
        self.calls.append(("load", name))
        if name in self.adapters:
            return _refuse(400, f"The lora adapter '{name}' has already been loaded.")
        if not self.sees_our_folder or not (folder / "adapter_model.safetensors").is_file():
            return _refuse(404, f"No adapter found for {folder}")
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        if rank > self.most_rank:
            return _refuse(400, f"LoRA rank {rank} is greater than max_lora_rank {self.most_rank}.")
        self.adapters[name] = folder
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: Request) -> Response:
        name = (await request.json())["lora_name"]
        self.calls.append(("unload", name))
        if self.adapters.pop(name, None) is None:
            return _refuse(404, f"The lora adapter '{name}' cannot be found.")
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        name = body["model"]
        if name not in {self.base, *self.adapters}:
            return _refuse(404, f"The model `{name}` does not exist.")
        message = {"role": "assistant", "content": name}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return JSONResponse({"id": "x", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1}})


class _Closing:
    """No connection outlives its answer, so that none is left open when a test ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def close(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, close)


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": status}}, status)
