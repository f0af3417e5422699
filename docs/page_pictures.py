"""Make the pictures in docs/page: a service that watches drawn people, and a browser that looks at its page.

Needs Chromium and the packages of the tests. Run it from the repository: python docs/page_pictures.py
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

from facerec_mqtt.cli.demo.small_broker import small_broker
from facerec_mqtt.core.slugs import slug
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
from facerec_mqtt.rendering.people import HALF_SMILE, NEUTRAL, SMILE, Expression, Light
from facerec_mqtt.settings import MqttSettings

TARGET = Path(__file__).parent / "page"
DESK, PHONE = (1280, 720), (390, 844)
SIZE = (800, 450)
FPIR = 0.02
"""Drawn people are more alike than real ones."""
LIGHT = Light((0.3, 0.5, 0.8), key=0.85, ambient=0.58)
PICTURES = (
    # Name, path, size, dark, what is clicked first.
    ("now", "/", DESK, False, ""),
    ("now-dark", "/", DESK, True, ""),
    ("now-phone", "/", PHONE, False, ""),
    ("who-phone", "/strangers", PHONE, False, "[data-who]"),
    ("strangers-phone", "/strangers", PHONE, False, ""),
    ("person-phone", "/people/anna", PHONE, False, ""),
    ("people", "/people", (1280, 500), False, ""),
    ("model", "/model", (1280, 830), False, ""),
    ("region", "/cameras/front_door", (1280, 656), False, ""),
)
Scene = tuple[tuple[Identity, int, int, int, int, Expression], ...]
"""Who stands where: centre and size of the head in pixels, its turn in degrees, the expression."""
FRONT_DOOR: Scene = (
    (FAMILY["Anna"], 165, 190, 138, 14, HALF_SMILE),
    (FAMILY["Tom"], 400, 165, 132, 6, NEUTRAL),
    (FAMILY["Grandma Edith"], 635, 200, 134, -8, SMILE),
)
GARDEN: Scene = ((FAMILY["José"], 230, 180, 138, 8, HALF_SMILE),)
GARDEN_WITH_A_STRANGER: Scene = (*GARDEN, (UNSEEN_STRANGERS[1], 580, 190, 132, -10, NEUTRAL))
SWAY = (0, 2, 4, 2, 0, -2, -4, -2)
"""How far people sway, in pixels and degrees, frame by frame; a film is shown over and over."""
ALL_LOADED = """[...document.images].every(
    each => each.naturalWidth > 0 || each.getBoundingClientRect().top > innerHeight)"""
BEFORE_GROUP = "S1"
BEFORE = ("Tom", "Anna", None, "José", "Grandma Edith", None, "Anna", "Tom")
"""Who came on the days before, again and again; `None` is a stranger."""


def main() -> None:
    """Draw, rebuild, run and look."""
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, small_broker() as broker:
        home = Path(name)
        draw(home)
        with serving(home, broker) as address:
            wait_for_everybody(address)
            look(address)
    compose()


def draw(home: Path) -> None:
    """Make a household: photos, a model of them, visits of the days before, and what its cameras see."""
    write_enrollment(home / "enrollment", photos=10, stranger_photos=3, side_px=240)
    rebuild(home / "enrollment", home / "models", fpir=FPIR)
    fill_history(home)
    film(home / "front_door", FRONT_DOOR, room=0)
    # The stranger comes and goes.
    film(home / "garden", GARDEN_WITH_A_STRANGER, room=1, times=6)
    film(home / "garden", GARDEN, room=1, times=5)


def film(folder: Path, scene: Scene, room: int, times: int = 1) -> None:
    """Draw a camera's frames in which people stand and turn their heads a little, after those that it has."""
    folder.mkdir(exist_ok=True)
    before = len(list(folder.iterdir()))
    for number, sway in enumerate(SWAY):
        cast = [
            (who, Pose(x + sway, y, size, yaw_deg=yaw + sway, pitch_deg=2, expression=expression))
            for who, x, y, size, yaw, expression in scene
        ]
        frame = render_frame(cast, size=SIZE, seed=number, room=room, light=LIGHT, samples=2, noise=0.0)
        for time_of_it in range(times):
            cv2.imwrite(str(folder / f"{before + time_of_it * len(SWAY) + number:03}.jpg"), frame)


def fill_history(home: Path) -> None:
    """Write the visits of the last days, with the pictures that are kept of some."""
    history = History.open(home / "models" / FILE)
    now = time.time()
    for number in range(60):
        name = BEFORE[number % len(BEFORE)]
        began = now - 2700 - number * 4300
        picture = keep_picture(home / "review", number, began) if name is None and number < 20 else None
        score = 0.31 if name is None else 0.96
        facts = VisitFacts(votes=3, frames=12, named=0 if name is None else 10, best_score=score)
        history.put(
            VisitRecord(
                f"01D{1000 - number}",
                VisitKind.STRANGER if name is None else VisitKind.FAMILY,
                None if name is None else slug(name),
                name,
                "front_door" if number % 3 else "garden",
                began,
                began + 40 + number * 7 % 200,
                score,
                picture,
                BEFORE_GROUP if name is None else None,
                facts,
            )
        )
    history.close()


def keep_picture(review: Path, number: int, began: float) -> str:
    """Draw the picture of a stranger's visit into the review folder; gives its path in there."""
    path = review / date.fromtimestamp(began).isoformat() / f"180211-{number:03}_front_door_stranger.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), render_photo(UNSEEN_STRANGERS[0], seed=100 + number, side_px=240))
    return str(path.relative_to(review))


@contextmanager
def serving(home: Path, broker: MqttSettings) -> Iterator[str]:
    """Run the service with its page; yields the page's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cameras = [{"name": name, "url": str(home / name), "fps": 5} for name in ("front_door", "garden")]
    cameras[0]["region"] = [0.04, 0.12, 0.98, 0.9]
    ours = {
        "CAMERAS": json.dumps(cameras),
        "ENROLLMENT_DIR": str(home / "enrollment"),
        "MODEL_DIR": str(home / "models"),
        "REVIEW__ENABLED": "true",
        "REVIEW__FOLDER": str(home / "review"),
        "WEB__PORT": str(port),
        "MQTT__HOST": broker.host,
        "MQTT__PORT": str(broker.port),
        "MQTT__PROTOCOL": broker.protocol,
        "RECOGNITION__DEPARTURE_S": "4",
        "RECOGNITION__FPIR": str(FPIR),
    }
    lines = [f"FACEREC_{name}='{value}'\n" for name, value in ours.items()]
    (home / ".env").write_text("".join(lines), encoding="utf-8")
    service = subprocess.Popen([sys.executable, "-m", "facerec_mqtt", "run"], cwd=home)
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


def wait_for_everybody(address: str) -> None:
    """Wait until the family is there, and a stranger has come and gone twice."""
    for _ in range(400):
        with suppress(httpx.TransportError):  # the service is about to start
            people = answer(f"{address}/api/v1/status")["people"]
            strangers = answer(f"{address}/api/v1/strangers")["strangers"]
            came = [each["visits"] for each in strangers if each["stranger_id"] != BEFORE_GROUP]
            if all(person["present"] for person in people) and came and max(came) > 1:
                return
        time.sleep(0.5)
    raise TimeoutError("Not everybody was recognised.")


def answer(url: str) -> Any:
    """What the API says."""
    return httpx.get(url).raise_for_status().json()


def open_page(page: Page, url: str) -> None:
    """Open a page, and let its pictures come."""
    page.goto(url)
    for _ in range(40):
        page.wait_for_timeout(500)
        if page.evaluate(ALL_LOADED):
            break
    cameras = page.locator("[data-camera]").count()
    if cameras:
        for name in ("Edith", "José", "Unknown") if cameras > 1 else ("Edith",):
            page.locator(".tag", has_text=name).wait_for(timeout=60_000)


def compose() -> None:
    """Put the telephone before the desk: README's first picture."""
    desk, phone = (rounded(Image.open(TARGET / f"{name}.webp"), 18) for name in ("now", "strangers-phone"))
    phone = phone.resize((PHONE[0] * 4 // 5, PHONE[1] * 4 // 5), Image.Resampling.LANCZOS)
    together = Image.new("RGBA", (desk.width + 220, desk.height + 50))
    together.alpha_composite(desk, (0, 0))
    frame = Image.new("RGBA", (phone.width + 12, phone.height + 12), "#55606e")
    left, top = together.width - frame.width, together.height - frame.height
    together.alpha_composite(rounded(frame, 24), (left, top))
    together.alpha_composite(phone, (left + 6, top + 6))
    together.save(TARGET / "desk-and-phone.webp", quality=84, method=6)


def rounded(picture: Image.Image, radius: int) -> Image.Image:
    """A picture with round corners, transparent outside."""
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, picture.width - 1, picture.height - 1), radius, fill=255)
    shown = picture.convert("RGBA")
    shown.putalpha(mask)
    return shown


if __name__ == "__main__":
    main()
