"""Make the pictures of the page in docs/page: a service that watches drawn people, and a browser that looks.

Needs Chromium and the packages of the tests. Run it from the repository: python docs/page_pictures.py
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import cv2
from PIL import Image
from playwright.sync_api import Error, Page, sync_playwright

from facerec_mqtt.cli.demo.small_broker import small_broker
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.history import FILE, History, VisitFacts, VisitKind, VisitRecord
from facerec_mqtt.rendering import (
    FAMILY,
    UNSEEN_STRANGERS,
    Identity,
    Pose,
    render_frame,
    render_photo,
    write_enrollment,
)
from facerec_mqtt.rendering.people import HALF_SMILE, Light

TARGET = Path(__file__).parent / "page"
DESK, PHONE = (1280, 860), (390, 844)
SIZE = (800, 450)
LIGHT = Light((0.3, 0.5, 0.8), key=0.85, ambient=0.58)
PICTURES = (
    # Name, path, size, dark, what is clicked first.
    ("now", "/", DESK, False, ""),
    ("now-dark", "/", DESK, True, ""),
    ("now-phone", "/", PHONE, False, ""),
    ("visits-phone", "/visits", PHONE, False, ""),
    ("who-phone", "/visits", PHONE, False, "[data-who]"),
    ("strangers-phone", "/strangers", PHONE, False, ""),
    ("person-phone", "/people/anna", PHONE, False, ""),
    ("people", "/people", DESK, False, ""),
    ("model", "/model", DESK, False, ""),
)


def main() -> None:
    """Draw, rebuild, run and look."""
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, small_broker() as broker:
        home = Path(name)
        write_enrollment(home / "enrollment", names=("Anna", "Tom"), photos=8, stranger_photos=3)
        rebuild(home / "enrollment", home / "models")
        fill_history(home)
        film(home / "front_door", ((FAMILY["Anna"], 240, 14), (UNSEEN_STRANGERS[1], 560, -10)), room=0)
        film(home / "garden", ((FAMILY["Tom"], 400, 6),), room=1)
        with serving(home, {"MQTT__HOST": broker.host, "MQTT__PORT": str(broker.port)}) as address:
            look(address)


def film(folder: Path, people: tuple[tuple[Identity, int, int], ...], room: int) -> None:
    """Draw a camera's frames in which people stand and turn their heads a little."""
    folder.mkdir()
    for number in range(8):
        sway = (number - 4) * 2
        cast = [
            (who, Pose(x + sway, 180, 122, yaw_deg=yaw + sway, pitch_deg=2, expression=HALF_SMILE))
            for who, x, yaw in people
        ]
        frame = render_frame(cast, size=SIZE, seed=number, room=room, light=LIGHT, samples=2, noise=0.0)
        cv2.imwrite(str(folder / f"{number}.jpg"), frame)


def fill_history(home: Path) -> None:
    """Write the visits of the last days, with the pictures that are kept of some."""
    history = History.open(home / "models" / FILE)
    review = home / "review" / "2026-11-23"
    review.mkdir(parents=True)
    now = time.time()
    names = ["Tom", "Anna", None, "Anna", "Tom", None, "Anna"]
    for number in range(60):
        name = names[number % len(names)]
        began = now - 900 - number * 4300
        picture = None
        if number < 18:
            who = UNSEEN_STRANGERS[0] if name is None else FAMILY[name]
            picture = f"{review.name}/180211-{number:03}_front_door_stranger.jpg"
            cv2.imwrite(str(review.parent / picture), render_photo(who, seed=number, side_px=240))
        facts = VisitFacts(
            votes=3, frames=12, named=0 if name is None else 10, best_score=0.31 if name is None else 0.96
        )
        slug = None if name is None else name.lower()
        kind = VisitKind.STRANGER if name is None else VisitKind.FAMILY
        history.put(
            VisitRecord(
                f"01D{1000 - number}",
                kind,
                slug,
                name,
                "front_door" if number % 3 else "garden",
                began,
                began + 40 + number * 7 % 200,
                facts.best_score,
                picture,
                "S1" if name is None else None,
                facts,
            )
        )
    history.close()


@contextmanager
def serving(home: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run the service with its page; yields the page's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cameras = [{"name": name, "url": str(home / name), "fps": 5} for name in ("front_door", "garden")]
    ours = {
        "CAMERAS": json.dumps(cameras),
        "ENROLLMENT_DIR": str(home / "enrollment"),
        "MODEL_DIR": str(home / "models"),
        "REVIEW__ENABLED": "true",
        "REVIEW__FOLDER": str(home / "review"),
        "WEB__PORT": str(port),
    }
    environment = os.environ | {f"FACEREC_{name}": value for name, value in (ours | settings).items()}
    service = subprocess.Popen([sys.executable, "-m", "facerec_mqtt", "run"], cwd=home, env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait()


def look(address: str) -> None:
    """Take the pictures."""
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path, (width, height), dark, click in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                device_scale_factor=1 if width > 500 else 2,
            )
            open_page(page, address + path)
            if click:
                page.locator(click).first.click()
                page.wait_for_timeout(500)
            shot = Image.open(BytesIO(page.screenshot()))
            shot.save(TARGET / f"{name}.webp", quality=82, method=6)
            page.close()


def open_page(page: Page, url: str) -> None:
    """Open a page, as soon as there is one, and let its live pictures come."""
    for _ in range(200):
        try:
            page.goto(url)
            break
        except Error:  # the service is about to start
            time.sleep(0.3)
    page.locator(".state", has_text="Connected").wait_for(state="attached", timeout=120_000)
    if page.locator("[data-camera]").count():
        page.locator(".tag.named").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
