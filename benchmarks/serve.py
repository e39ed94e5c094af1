"""How fast `ser serve` answers many clients at once, and one microphone, on a machine that does nothing else.

ser serve --head gru
python -m benchmarks.serve corpora/emodb/wav --clients 50 --requests 400 --live 30
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

import httpx
import numpy as np
import soundfile
from websockets.asyncio.client import connect

from benchmarks.measuring import report

_HOP = 0.5  # seconds
_BLOCK = 0.04  # seconds of sound a message, as the page sends it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of recordings, all at one sample rate")
    parser.add_argument("--url", default="http://127.0.0.1:8800")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--live", type=float, default=30.0, help="seconds of sound for the microphone")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix in (".wav", ".flac"))
    info = httpx.get(f"{options.url}/info").json()
    report(
        "serve",
        head=info["head"],
        runs=len(info["runs"]),
        encoder=info["encoder"],
        **{
            f"clients_{clients}": asyncio.run(many(options.url, paths, clients, options.requests))
            for clients in sorted({1, options.clients})
        },
        one_microphone=asyncio.run(listen(options.url, paths, options.live)),
    )


async def many(url: str, paths: list[Path], clients: int, requests: int) -> dict:
    """Clients that send a recording, wait for the answer, and send the next."""
    contents = [(path.name, path.read_bytes()) for path in paths[:requests]]
    waiting = iter([contents[number % len(contents)] for number in range(requests)])
    seconds, statuses = [], []

    async def ask(client: httpx.AsyncClient) -> None:
        for name, content in waiting:
            began = time.perf_counter()
            answer = await client.post("/predict", files={"file": (name, content)})
            seconds.append(time.perf_counter() - began)
            statuses.append(answer.status_code == 200 and answer.json()["file"] == name)

    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=clients)) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    took = time.perf_counter() - began
    return {
        "requests": requests,
        "answered": sum(statuses),
        "requests_per_second": requests / took,
        "seconds_p50": float(np.percentile(seconds, 50)),
        "seconds_p95": float(np.percentile(seconds, 95)),
    }


async def listen(url: str, paths: list[Path], seconds: float) -> dict:
    """A microphone that plays recordings one after another, in real time."""
    rate, waveform = _sound(paths, seconds)
    block = round(_BLOCK * rate)
    updates = []
    async with connect(f"{url.replace('http', 'ws', 1)}/live") as socket:
        await socket.send(json.dumps({"rate": rate, "hop": _HOP}))

        async def hear() -> None:
            async for message in socket:
                update = json.loads(message)
                if update.get("waveform"):
                    updates.append(update)

        hearing, began = asyncio.create_task(hear()), time.perf_counter()
        for start in range(0, len(waveform), block):
            await asyncio.sleep(max(0.0, began + start / rate - time.perf_counter()))
            await socket.send(waveform[start : start + block].tobytes())
        await asyncio.sleep(1)
        hearing.cancel()
    behind = [update["seconds_behind"] for update in updates]
    return {
        "windows_a_second": 1 / _HOP,
        "windows": len(updates),
        "dropped": updates[-1]["dropped"],
        "seconds_behind_p50": float(np.percentile(behind, 50)),
        "seconds_behind_p95": float(np.percentile(behind, 95)),
    }


def _sound(paths: list[Path], seconds: float) -> tuple[int, np.ndarray]:
    rate, parts, total = soundfile.info(paths[0]).samplerate, [], 0
    for path in paths:
        samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
        parts.append(samples[:, 0])
        total += len(samples)
        if total >= seconds * rate:
            break
    return rate, np.concatenate(parts)[: round(seconds * rate)]


if __name__ == "__main__":
    main()
