"""`ser serve` over a WebSocket: a microphone is answered while it speaks, and frees its place when it leaves."""

import contextlib
import json
import socket

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.serve.options import Options
from tests.app.serving import TOKEN, Running, probabilities, running
from tests.app.waiting import wait_until
from tests.builders import tone

pytestmark = pytest.mark.extras


@pytest.fixture(scope="module")
def server(predictor):
    with running(lambda _: predictor) as server:
        yield server


@contextlib.contextmanager
def listen(server: Running, rate: int = 16000, origin: str | None = None, **start):
    """A client of the WebSocket that has sent its first message."""
    with connect(f"{server.url.replace('http', 'ws')}/live", origin=origin) as socket:
        socket.send(json.dumps({"rate": rate, **start}))
        yield socket


def pcm(waveform: np.ndarray) -> bytes:
    return (waveform * 32767).astype("<i2").tobytes()


def test_a_microphone_gets_the_answers_of_its_last_seconds(server, predictor):
    sound = np.concatenate([tone(1, frequency=150), tone(1, frequency=300)])
    with listen(server, hop=0.25) as socket:
        assert json.loads(socket.recv())["names"] == predictor.names
        socket.send(pcm(sound))
        updates = iter(lambda: json.loads(socket.recv(timeout=20)), None)
        update = next(update for update in updates if update["time"] == 2 and "answer" in update)
    expected = predictor.predict([sound[-8000:]])[0]
    np.testing.assert_allclose(probabilities(update["answer"]), expected.outputs, atol=1e-3)
    np.testing.assert_allclose(update["attention"], expected.attention / expected.attention.max(), atol=1e-2)


def test_a_microphone_that_leaves_frees_its_place(predictor):
    with running(lambda _: predictor, Options(most_sessions=1)) as server:
        with listen(server) as first:
            first.recv()
            first.send(pcm(tone(1)))
            with listen(server) as second:
                refused = json.loads(second.recv())
                assert refused["again"]
                assert "full" in refused["error"]
            first.socket.shutdown(socket.SHUT_RDWR)  # as when a browser is killed
        wait_until(lambda: httpx.get(f"{server.url}/health").json()["listening"] == 0)
        with listen(server) as third:
            assert json.loads(third.recv())["type"] == "started"


def test_a_page_of_a_stranger_cannot_listen(server):
    with pytest.raises(InvalidStatus, match="403"), listen(server, origin="http://evil.example"):
        pass


def test_who_does_not_know_the_token_cannot_listen(predictor):
    with running(lambda _: predictor, Options(host="0.0.0.0", token=TOKEN)) as server:
        for token, kind in {None: "refused", "wrong": "refused", TOKEN: "started"}.items():
            with listen(server, token=token) as socket:
                assert json.loads(socket.recv())["type"] == kind


BAD_SOUND = {
    "an odd number of bytes": [b"\0" * 3],
    "an hour at once": [bytes(900_000)] * 40,
    "an unknown command": ['{"shutdown": true}'],
    "no JSON": ["hello"],
    "JSON too deep to read": ["[" * 100_000],
}


@pytest.mark.parametrize("case", BAD_SOUND)
def test_bad_sound_ends_the_session_with_a_sentence(case, server):
    heard = []
    with contextlib.suppress(ConnectionClosed), listen(server) as socket:
        with contextlib.suppress(ConnectionClosed):
            for message in BAD_SOUND[case]:
                socket.send(message)
        while True:
            heard.append(json.loads(socket.recv(timeout=20)))
    assert heard[-1]["type"] == "refused"
    wait_until(lambda: httpx.get(f"{server.url}/health").json()["listening"] == 0)


@pytest.mark.parametrize(
    "start", [{"rate": 1}, {"rate": 44101}, {"rate": "x"}, {"hop": 0}, {"head": "none"}, {"url": "x"}]
)
def test_a_bad_first_message_is_refused_with_a_sentence(start, server):
    with listen(server, **start) as socket:
        assert json.loads(socket.recv())["type"] == "refused"
