"""The page of `ser serve` in a real browser, whose microphone plays a file."""

import copy
import csv
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, sync_playwright

from app.serve.options import Options
from data.errors import UserError
from tests.app.serving import TOKEN, running
from tests.app.waiting import wait_until
from tests.builders import tone
from tests.programs import chromium

pytestmark = pytest.mark.extras

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--use-fake-device-for-media-stream"]
ALLOWED = "--use-fake-ui-for-media-stream"
PATIENCE = 30_000  # milliseconds


@pytest.fixture
def browse(tmp_path) -> Iterator[Callable]:
    """Opens a browser, given what its microphone hears."""
    with sync_playwright() as playwright:

        @contextmanager
        def browse(heard: Path | None = None, flags: tuple[str, ...] = (ALLOWED,)) -> Iterator[Page]:
            sound = [f"--use-file-for-fake-audio-capture={heard}"] if heard else []
            context = playwright.chromium.launch_persistent_context(
                tmp_path / f"browser-{len(list(tmp_path.iterdir()))}",
                executable_path=chromium(),
                args=[*FLAGS, *flags, *sound],
                accept_downloads=True,
            )
            try:
                page = context.pages[0]
                page.set_default_timeout(PATIENCE)
                complaints = []
                page.on("pageerror", lambda error: complaints.append(f"Uncaught {error}"))
                page.on("console", lambda message: complaints.append(message.text))
                yield page
                assert not [text for text in complaints if "Policy" in text or "Uncaught" in text]
            finally:
                context.close()

        yield browse


@pytest.fixture
def server(predictor):
    with running(lambda _: predictor, Options(most_sessions=1)) as server:
        yield server


def write_sound(path: Path, waveform: np.ndarray) -> Path:
    soundfile.write(path, waveform, 16000, subtype="PCM_16")
    return path


def says(page: Page, text: str, where: str = "#message") -> None:
    """Wait until the page says so."""
    page.locator(where, has_text=text).first.wait_for()


def shown(page: Page, where: str = "#bars") -> list[float]:
    """The percentages beside the bars."""
    return [float(text.removesuffix(" %")) / 100 for text in page.locator(f"{where} .bar-value").all_inner_texts()]


def test_the_page_shows_what_the_predictor_says_of_the_microphone(server, predictor, browse, tmp_path):
    sound = tone(4, frequency=300)  # the same at every time
    expected = predictor.predict([sound[:8000]])[0].outputs
    with browse(write_sound(tmp_path / "heard.wav", sound)) as page:
        page.goto(server.url)
        page.click("#start")
        says(page, "Listening.")
        says(page, predictor.names[expected.argmax()], "#answer")
        page.wait_for_timeout(1500)
        assert page.inner_text("#answer") == predictor.names[expected.argmax()]
        np.testing.assert_allclose(shown(page), expected, atol=0.08)  # resampled by the browser, and cut anywhere
        page.click("#start")
        says(page, "Paused")
        with page.expect_download() as download:
            page.click("#save")
        rows = list(csv.DictReader(download.value.path().open()))
    assert list(rows[0]) == ["time", "state", "predicted", "confidence", *(f"p_{name}" for name in predictor.names)]
    assert rows[-1]["predicted"] == predictor.names[expected.argmax()]


def test_a_dropped_file_gets_its_timeline(server, predictor, browse, tmp_path):
    path = write_sound(tmp_path / "größe.wav", np.concatenate([tone(0.5, frequency=300), np.zeros(8000), tone(0.5)]))
    expected = predictor.predict_file(path).outputs  # of its first half second, as the head was trained
    with browse() as page:
        page.goto(server.url)
        says(page, "Start listening")
        drop(page, path)
        says(page, "größe.wav: 1.5 s, 3 windows of up to 0.5 s", "#file-message")
        assert page.inner_text("#position-text") == f"0.0 to 0.5 s: {predictor.names[expected.argmax()]}"
        np.testing.assert_allclose(shown(page, "#file-bars"), expected, atol=0.006)
        page.focus("#position")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#position-text") == "0.5 to 1.0 s: silent"
        drop(page, Path(__file__))
        says(page, "cannot be used", "#file-message")


def drop(page: Page, path: Path) -> None:
    content = list(path.read_bytes())
    data = page.evaluate_handle(
        """([name, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], name));
            return data;
        }""",
        [path.name, content],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})


def test_a_tab_closed_in_the_middle_frees_its_session(server, browse, tmp_path):
    with browse(write_sound(tmp_path / "heard.wav", tone(3))) as page:
        page.goto(server.url)
        page.click("#start")
        says(page, "Listening.")
        assert httpx.get(f"{server.url}/health").json()["listening"] == 1
        other = page.context.new_page()
        other.goto(server.url)
        other.click("#start")
        says(other, "The server is full")
        page.close()
        says(other, "Listening.")


CANNOT_HEAR = {
    "no permission": ((), "", "This page may not use the microphone"),
    "another machine": ((ALLOWED, "--host-resolver-rules=MAP gpu-server 127.0.0.1"), "gpu-server", "ssh -L"),
}


@pytest.mark.parametrize("case", CANNOT_HEAR)
def test_without_a_microphone_the_page_says_what_to_do(case, predictor, browse):
    flags, host, sentence = CANNOT_HEAR[case]
    with (
        running(lambda _: predictor, Options(host="0.0.0.0", token=TOKEN)) as server,
        browse(flags=(*flags, "--deny-permission-prompts")) as page,
    ):
        page.goto(f"{server.url.replace('127.0.0.1', host or '127.0.0.1')}/#token={TOKEN}")
        assert TOKEN not in page.url
        if not host:
            page.click("#start")
        says(page, sentence)
        page.set_input_files("#file", {"name": "x", "mimeType": "audio/wav", "buffer": b"no sound"})
        says(page, "cannot be used", "#file-message")  # the token went with it


def test_an_unplugged_microphone_is_noticed(server, browse, tmp_path):
    with browse(write_sound(tmp_path / "heard.wav", tone(3))) as page:
        page.add_init_script(
            """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (what) => window.stream = await ask(what);"""
        )
        page.goto(server.url)
        page.click("#start")
        says(page, "Listening.")
        page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        says(page, "The microphone was unplugged")
        assert page.inner_text("#start") == "Start listening"
        wait_until(lambda: httpx.get(f"{server.url}/health").json()["listening"] == 0)


LEVELS = {"Silence": 0 * tone(3), "Too loud": np.clip(30 * tone(3), -1, 1)}


@pytest.mark.parametrize("sentence", LEVELS)
def test_what_is_wrong_with_the_level_is_said(sentence, server, browse, tmp_path):
    with browse(write_sound(tmp_path / "heard.wav", LEVELS[sentence])) as page:
        page.goto(server.url)
        page.click("#start")
        says(page, sentence)


def test_a_lost_connection_is_said_and_mended(predictor, browse, tmp_path):
    with browse(write_sound(tmp_path / "heard.wav", tone(3))) as page:
        with running(lambda _: predictor) as server:
            page.goto(server.url)
            page.click("#start")
            says(page, "Listening.")
        says(page, "The connection to the server is lost")
        with running(lambda _: predictor, port=server.port):
            says(page, "Listening.")


def test_another_head_can_be_chosen_while_listening(predictor, browse, tmp_path):
    may_load = threading.Event()

    def load(place):
        if place.name == "broken":
            raise UserError("its weights are damaged.")
        assert place.name == "small" or may_load.wait(timeout=20)
        return copy.copy(predictor)

    with (
        running(load, places=("small", "later", "broken")) as server,
        browse(write_sound(tmp_path / "heard.wav", tone(3))) as page,
    ):
        page.goto(server.url)
        page.click("#start")
        says(page, "Listening.")
        page.select_option("#head", "broken")
        says(page, "its weights are damaged", "#head-message")
        assert page.input_value("#head") == "small"
        page.select_option("#head", "later")
        says(page, "being loaded", "#head-message")
        says(page, "Listening.")
        may_load.set()
        says(page, "later:", "#about")
        says(page, "Listening.")


def test_the_page_fits_a_telephone(server, browse):
    with browse() as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(server.url)
        says(page, "Start listening")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
