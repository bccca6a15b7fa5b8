"""The live page in Chromium: a reader's own pictures, from a file, dropped, or from the camera."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.site.live.site import choose, panels, settle, words

STUBBED_CAMERA = """() => { navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  const context = canvas.getContext("2d");
  window.painted = 0;
  window.cameraPaints = setInterval(() => {
    window.painted += 1;
    context.fillStyle = `hsl(${performance.now() % 360}, 80%, 50%)`;
    context.fillRect(0, 0, 320, 240);
  }, 50);
  return (window.cameraStream = canvas.captureStream());
}; }"""
REFUSED_CAMERA = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
}"""


@pytest.mark.slow
def test_a_file_of_one_s_own_is_cut_to_its_middle_square(running):
    choose(running, "nine photographs", 224)
    picture = Image.new("RGB", (600, 224), (255, 0, 0))
    picture.paste((0, 0, 255), (188, 0, 412, 224))
    content = io.BytesIO()
    picture.save(content, "PNG")
    count = len(running.asked)
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": content.getvalue()}
    running.figure.locator("input[type=file]").set_input_files(file)
    running.page.wait_for_function(
        "document.querySelector('.question canvas').getContext('2d').getImageData(5, 5, 1, 1).data[2] > 200"
    )
    settle(running.page)
    seen = running.figure.locator(".question canvas").evaluate(
        "(c) => [2, 221].map((x) => [...c.getContext('2d').getImageData(x, 100, 1, 1).data])"
    )
    assert seen == [[0, 0, 255, 255], [0, 0, 255, 255]]
    assert running.asked[count:] == [], "nothing leaves the machine, and nothing is fetched"
    pressed = running.figure.locator(".samples button[aria-pressed=true]").count()
    named = running.figure.locator("ol.names").nth(2).locator("li span").first.inner_text()
    assert pressed == 0 and words(running)[2].startswith(f"{named}:"), "asked for is what DRN-C-26 names"


@pytest.mark.slow
def test_a_file_that_is_dropped_and_one_that_is_no_picture(running):
    drop = """async (body, { bytes, name }) => {
      const files = new DataTransfer();
      files.items.add(new File([Uint8Array.from(bytes)], name));
      for (const kind of ["dragenter", "dragover", "drop"]) {
        body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
      }
    }"""
    body = running.figure.locator(".live-body")
    body.evaluate(drop, {"bytes": list(b"no picture"), "name": "notes.txt"})
    running.page.wait_for_selector("text=notes.txt cannot be read as a picture")
    content = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 255, 0)).save(content, "PNG")
    body.evaluate(drop, {"bytes": list(content.getvalue()), "name": "green.png"})
    running.page.wait_for_function(
        "document.querySelector('.question canvas').getContext('2d').getImageData(5, 5, 1, 1).data[1] > 200"
    )
    settle(running.page)
    assert running.figure.locator(".live-body .status").inner_text() == ""
    assert not body.evaluate("(node) => node.classList.contains('over')")


@pytest.mark.slow
def test_the_camera_by_single_frames_and_one_after_the_other(running):
    """With reduced motion a frame is taken when the reader asks; a box says otherwise."""
    frame = "document.querySelector('.question canvas').toDataURL()"
    sample = running.page.evaluate(frame)
    running.page.evaluate(STUBBED_CAMERA)
    running.figure.get_by_role("button", name="Use the camera").click()
    running.page.wait_for_function(f"{frame} !== {sample!r}")
    settle(running.page)
    assert not running.figure.get_by_label("frame after frame").is_checked()
    first, painted = running.page.evaluate(f"[{frame}, painted]")
    running.page.wait_for_function(f"painted > {painted} + 5")
    assert running.page.evaluate(frame) == first, "nothing moves by itself"
    running.figure.get_by_role("button", name="Take a frame").click()
    running.page.wait_for_function(f"{frame} !== {first!r}")
    second = running.page.evaluate(frame)
    running.figure.get_by_label("frame after frame").check()
    running.page.wait_for_function(f"{frame} !== {second!r}")
    running.figure.get_by_role("button", name="Stop the camera").click()
    assert running.page.evaluate("cameraStream.getTracks().every((track) => track.readyState === 'ended')")
    settle(running.page)
    running.figure.get_by_label("64", exact=True).check()  # the last frame stays, to be asked more
    settle(running.page)
    assert all("8 × 8 cells" in panel.inner_text() for panel in panels(running)[1:])
    running.page.evaluate("clearInterval(cameraPaints)")
    running.page.evaluate(REFUSED_CAMERA)
    running.figure.get_by_role("button", name="Use the camera").click()
    running.page.wait_for_selector("text=The camera was refused")
    choose(running, "nine photographs", 224)
