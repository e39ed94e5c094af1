"""`ser serve` over HTTP: everybody gets their own right answer, and nobody anything else."""

import concurrent.futures
import copy
import io
import json
import logging
import socket
import struct
import threading
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from app.serve.heads import Heads
from app.serve.options import Options
from data.audio import Excerpt
from data.errors import UserError
from tests.app.serving import TOKEN, post, probabilities, running, wav
from tests.app.waiting import wait_until

pytestmark = pytest.mark.extras


@pytest.fixture(scope="module")
def server(predictor):
    with running(lambda _: predictor, Options(max_megabytes=1, max_seconds=20)) as server:
        yield server


class Slow:
    """A predictor that takes its time; it counts its calls, and what it was asked for."""

    def __init__(self, predictor):
        self.predictor, self.counts = predictor, []
        self.may_go_on = threading.Event()

    def __getattr__(self, name):
        return getattr(self.predictor, name)

    def predict_clips(self, recordings, on_done=lambda count: None):
        self.counts.append(len(recordings))
        assert self.may_go_on.wait(timeout=30)
        return self.predictor.predict_clips(recordings, on_done)


def test_fifty_clients_at_once_get_the_answers_of_their_own_files(predictor, server, tmp_path):
    paths = [tmp_path / f"{number}.wav" for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(wav(0.2 + 0.02 * (number % 13), 100 + 17 * number))
    together = threading.Barrier(50)

    def ask(path):
        together.wait()
        return post(server, path.read_bytes(), path.name).json()

    with concurrent.futures.ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(ask, paths))
    expected = np.stack([predictor.predict_file(path).outputs for path in paths])
    assert [answer["file"] for answer in answers] == [path.name for path in paths]
    np.testing.assert_allclose([probabilities(answer) for answer in answers], expected, rtol=0, atol=1e-4)
    assert [answer["predicted"] for answer in answers] == [predictor.names[best] for best in expected.argmax(axis=1)]
    assert len({tuple(np.round(row, 3)) for row in expected}) > 40, "the answers could be mixed up unnoticed"


def test_bytes_without_a_form_get_the_same_answer(server):
    content = wav()
    named = httpx.post(f"{server.url}/predict?name=a.wav", content=content, headers={"Content-Type": "audio/wav"})
    assert named.json() == post(server, content).json()


def test_a_timeline_has_a_row_per_window(server, predictor, tmp_path):
    (tmp_path / "long.wav").write_bytes(wav(1.7))
    rows = post(server, wav(1.7), query="?hop=0.4").json()["rows"]
    assert [(row["start"], row["end"]) for row in rows] == [(0, 0.5), (0.4, 0.9), (0.8, 1.3), (1.2, 1.7)]
    last = predictor.predict_file(Excerpt(tmp_path / "long.wav", 1.2, 1.7))
    np.testing.assert_allclose(probabilities(rows[-1]), last.outputs, atol=1e-4)


def encrypted_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("speech.wav", wav())
    content = bytearray(file.getvalue())
    content[6] |= 1  # the flag of an encrypted entry
    return bytes(content)


def three_hours() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(3 * 3600 * 8000, np.float32), 8000, format="FLAC")
    return file.getvalue()


HOSTILE = {
    "empty": (b"", 400, "empty"),
    "text": (b"Dear server, I am angry.\n" * 40, 422, "cannot be used"),
    "video": (b"\0\0\0\x20ftypisom" + b"\0" * 4000, 422, "cannot be used"),
    "10 ms": (wav(0.01), 422, "too short"),
    "silent": (wav()[:44] + bytes(len(wav()) - 44), 422, "silent"),
    "truncated": (wav()[:4000], 422, "truncated"),
    "encrypted": (encrypted_zip(), 422, "cannot be used"),
    "3 hours": (three_hours(), 422, "too long: more than 20 s"),
    "large": (bytes(2_000_000), 413, "too large"),
    "not a number": (wav(subtype="FLOAT")[:-4] + struct.pack("<f", float("nan")), 422, "not finite"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_upload_is_refused_in_one_sentence(case, server):
    content, status, sentence = HOSTILE[case]
    answer = post(server, content)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert sentence in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert str(server.app.state.server.folder) not in answer.text


def posted(**body) -> tuple[str, str, dict]:
    return "POST", "/predict", body


BAD_REQUESTS = {
    "wrong method": (("PUT", "/predict", {}), 405),
    "no such page": (("GET", "/../../etc/passwd", {}), 404),
    "no such file": (("GET", "/static/../web.py", {}), 404),
    "a hop of nothing": (("POST", "/predict?hop=0", {"files": {"file": wav()}}), 422),
    "no such head": (("POST", "/predict?head=smal", {"files": {"file": wav()}}), 404),
    "no body": (posted(), 415),
    "an address": (posted(json={"url": "http://127.0.0.1/secret.wav"}), 415),
    "a form without a file": (posted(files={"file": (None, b"x")}), 400),
    "two files": (posted(files=[("a", wav()), ("b", wav())]), 400),
    "a thousand fields": (posted(files=[(f"f{number}", (None, b"x")) for number in range(1000)]), 400),
    "a large field": (posted(files={"file": (None, bytes(500_000))}), 400),
    "a long header in a form": (posted(files={"file": ("a" * 100_000, wav())}), 400),
    "a form without its boundary": (posted(content=b"x", headers={"Content-Type": "multipart/form-data"}), 400),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_refused_in_one_sentence(case, server):
    (method, path, body), status = BAD_REQUESTS[case]
    answer = httpx.request(method, f"{server.url}{path}", **body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "größe 😀 名前.wav", "a" * 3000 + ".wav", "-i.wav"])
def test_a_file_name_is_repeated_and_nothing_else(name, server):
    assert post(server, wav(), name).json()["file"] == name


def test_nothing_of_a_request_stays(server):
    post(server, wav())
    post(server, b"no audio")
    assert list(server.app.state.server.folder.iterdir()) == []


def test_the_log_tells_neither_token_nor_name(predictor, caplog):
    caplog.set_level(logging.DEBUG)
    with running(lambda _: predictor, Options(host="0.0.0.0", token=TOKEN)) as server:
        how = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        assert post(server, wav(), "secret-name.wav", f"?token={TOKEN}", **how).status_code == 200
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("emocache", "uvicorn"))]
    assert [line for line in ours if "POST /predict 200" in line]
    assert not [line for line in ours if TOKEN in line or "secret-name" in line]


def test_who_finds_the_server_full_is_told_when_to_come_back(predictor):
    slow = Slow(predictor)
    with running(lambda _: slow, Options(most_requests=2)) as server:
        with concurrent.futures.ThreadPoolExecutor(2) as clients:
            served = [clients.submit(post, server, wav()) for _ in range(2)]
            wait_until(lambda: httpx.get(f"{server.url}/health").json()["waiting"] == 2)
            turned_away = post(server, wav())
            slow.may_go_on.set()
        assert (turned_away.status_code, turned_away.headers["Retry-After"]) == (503, "2")
        assert [answer.result().status_code for answer in served] == [200, 200]
        assert post(server, wav()).status_code == 200


def test_requests_that_wait_together_are_predicted_in_one_call(predictor):
    slow = Slow(predictor)
    with running(lambda _: slow) as server, concurrent.futures.ThreadPoolExecutor(9) as clients:
        served = [clients.submit(post, server, wav())]
        wait_until(lambda: slow.counts == [1])
        served += [clients.submit(post, server, wav()) for _ in range(8)]
        wait_until(lambda: len(server.app.state.server.line) == 8)
        slow.may_go_on.set()
        assert [answer.result().status_code for answer in served] == [200] * 9
    assert slow.counts == [1, 8]


def test_who_left_is_not_predicted(predictor):
    slow = Slow(predictor)
    with running(lambda _: slow) as server, concurrent.futures.ThreadPoolExecutor(1) as clients:
        served = clients.submit(post, server, wav())
        wait_until(lambda: slow.counts == [1])
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/predict", files={"file": wav()}, timeout=0.5)
        wait_until(lambda: len(server.app.state.server.line) == 1)
        wait_until(lambda: not server.app.state.server.line._tasks[0].is_wanted())
        slow.may_go_on.set()
        assert served.result().status_code == 200
        wait_until(lambda: httpx.get(f"{server.url}/health").json()["waiting"] == 0)
    assert slow.counts == [1]


def test_what_takes_too_long_is_given_up(predictor):
    slow = Slow(predictor)
    with running(lambda _: slow, Options(timeout=0.5)) as server:
        answer = post(server, wav())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        slow.may_go_on.set()
        wait_until(lambda: httpx.get(f"{server.url}/health").json()["waiting"] == 0)


def test_a_body_that_never_ends_is_given_up(predictor):
    with running(lambda _: predictor, Options(timeout=0.5)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n")
            client.sendall(b"Transfer-Encoding: chunked\r\n\r\n4\r\nRIFF\r\n")
            assert b"408" in client.recv(100)
        assert list(server.app.state.server.folder.iterdir()) == []


def test_headers_that_never_end_are_given_up(predictor, monkeypatch):
    monkeypatch.setattr("app.serve.connections.HEADER_SECONDS", 0.3)
    with running(lambda _: predictor) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(10)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += client.recv(4000)
        assert b"200 OK" in answer
        client.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        assert client.recv(100) == b""


def test_too_large_a_promise_is_refused_before_it_is_kept(server):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nExpect: 100-continue\r\n"
        )
        client.sendall(b"Content-Length: 1000000000000\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413")


STRANGERS = {
    "a page of another site": {"Origin": "http://evil.example"},
    "a page at another port": {"Origin": "http://127.0.0.1:1"},
    "a page without an address": {"Origin": "null"},
    "a page that hides its origin": {"Sec-Fetch-Site": "cross-site"},
    "a name that was pointed at 127.0.0.1": {"Host": "evil.example"},
    "both": {"Host": "evil.example", "Origin": "http://evil.example"},
}


@pytest.mark.parametrize("case", STRANGERS)
def test_a_page_of_a_stranger_cannot_use_the_server(case, server):
    answer = post(server, wav(), headers=STRANGERS[case])
    assert answer.status_code in (403, 421)
    assert httpx.get(f"{server.url}/info", headers=STRANGERS[case]).status_code in (403, 421)


def test_the_own_page_can_use_the_server(server):
    assert post(server, wav(), headers={"Origin": server.url, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    through_a_tunnel = {"Host": "localhost:9000", "Origin": "http://localhost:9000"}
    assert post(server, wav(), headers=through_a_tunnel).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer wrong-token", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x"])
def test_who_does_not_know_the_token_is_told_nothing(header, predictor):
    with running(lambda _: predictor, Options(host="0.0.0.0", token=TOKEN)) as server:
        headers = {} if header is None else {"Authorization": header}
        for answer in (post(server, wav(), headers=headers), httpx.get(f"{server.url}/info", headers=headers)):
            assert (answer.status_code, list(answer.json())) == (401, ["error"])
        assert post(server, wav(), headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_every_address_is_described(server):
    described = httpx.get(f"{server.url}/openapi.json").json()
    assert sorted(described["paths"]) == ["/health", "/info", "/predict"]
    assert "https://" not in json.dumps(described)
    assert httpx.get(f"{server.url}/docs").status_code == 404


def test_runs_of_several_heads_keep_apart(predictor):
    heads = Heads([Path("linear/fold-0/seed-1"), Path("gru/fold-0/seed-1")], lambda place: copy.copy(predictor))
    assert list(heads.states) == ["linear/fold-0/seed-1", "gru/fold-0/seed-1"]


def test_another_head_is_loaded_when_it_is_asked_for(predictor):
    may_load = threading.Event()

    def load(place):
        if place.name == "broken":
            raise UserError("its weights are damaged.")
        assert place.name == "small" or may_load.wait(timeout=20)
        return copy.copy(predictor)

    with running(load, places=("small", "later", "broken")) as server:
        assert post(server, wav(), query="?head=later").status_code == 503
        assert httpx.get(f"{server.url}/info").json()["heads"] == {
            "small": "ready",
            "later": "loading",
            "broken": "not loaded",
        }
        may_load.set()
        wait_until(lambda: post(server, wav(), query="?head=later").status_code == 200)
        wait_until(lambda: "damaged" in post(server, wav(), query="?head=broken").json()["error"])
