"""Picture files, good and bad."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import MAX_SCANS, decode_picture, read_picture, taken_at
from facerec_mqtt.core.records import Image
from tests.support.pictures import png_header_only


def gradient(width_px: int = 64, height_px: int = 48) -> Image:
    """A picture whose upper left corner is dark and lower right corner bright."""
    row = np.linspace(0, 120, width_px)[None, :] + np.linspace(0, 120, height_px)[:, None]
    return np.repeat(row[..., None], 3, axis=2).astype(np.uint8)


def encode(image: Image, ending: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(ending, image)[1])


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with nothing but the orientation behind the start mark."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_each_format_is_read_whatever_the_file_is_called(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "Foto José.dat"
    path.write_bytes(encode(gradient(), ending))
    image = read_picture(path)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].mean() < image[-1, -1].mean()


def test_a_lossless_webp_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(bytes(cv2.imencode(".webp", gradient(), [cv2.IMWRITE_WEBP_QUALITY, 101])[1]))
    assert np.array_equal(read_picture(path), gradient())


def test_grey_and_transparent_pictures_come_out_in_three_channels() -> None:
    transparent = np.dstack([gradient(), np.full((48, 64), 90, np.uint8)])
    assert decode_picture(encode(gradient()[..., 0], ".png")).shape == (48, 64, 3)
    assert decode_picture(encode(transparent, ".png")).shape == (48, 64, 3)


def test_the_orientation_of_a_phone_is_honoured() -> None:
    lying = encode(gradient())
    upright = decode_picture(with_orientation(lying, 6))
    assert upright.shape == (64, 48, 3)
    assert upright[0, 0].mean() < upright[-1, -1].mean()
    assert upright[0, -1].mean() < upright[-1, 0].mean()
    assert decode_picture(with_orientation(lying, 1)).shape == (48, 64, 3)
    turned = decode_picture(with_orientation(encode(gradient(640, 480)), 6), enough_px=320)
    assert turned.shape == (320, 240, 3)


def test_a_large_photo_is_decoded_no_larger_than_needed() -> None:
    for ending in (".jpg", ".png"):
        data = encode(gradient(1600, 1200), ending)
        assert decode_picture(data, enough_px=400).shape == (300, 400, 3)
        assert decode_picture(data, enough_px=401).shape == (600, 800, 3)
        assert decode_picture(data).shape == (1200, 1600, 3)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_picture_that_is_cut_short_is_refused(ending: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode(noise, ending)
    with pytest.raises(PictureError, match="cut short"):
        decode_picture(data[: int(share * len(data))])


def test_the_end_of_an_embedded_thumbnail_does_not_hide_that_a_picture_is_cut_short() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = encode(noise)
    thumbnail = encode(gradient(16, 16))
    holding = jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + jpeg[2:]
    assert decode_picture(holding).shape == (64, 64, 3)
    with pytest.raises(PictureError, match="cut short"):
        decode_picture(holding[:-400])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"hello, I am not a picture", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture, which is not supported; export it as JPEG"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"GIF89a" + bytes(40), "GIF"),
        (b"\xff\xd8", "cut short"),
        (b"\xff\xd8\xff\xe0\0", "cut short"),
        (b"\xff\xd8 and then a text file", "damaged"),
        (encode(gradient(1, 1)), "only 1x1 pixels"),
        (encode(gradient(1, 1), ".png"), "only 1x1 pixels"),
        (png_header_only(10_000, 10_000), "10000x10000 pixels .100 megapixels., more than 64"),
        (png_header_only(40_000, 20), "30000 on a side"),
        (png_header_only(2_000_000_000, 2_000_000_000), "megapixels"),
    ],
)
def test_what_is_no_usable_picture_gets_one_sentence(data: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "001.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=sentence) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_jpeg_of_a_hundred_megapixels_is_refused_by_its_header() -> None:
    data = bytearray(encode(gradient()))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 10_000, 10_000)
    with pytest.raises(PictureError, match="100 megapixels"):
        decode_picture(bytes(data))


def with_scans(times: int, between: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan comes so many times, with something before each repetition."""
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    data = bytes(cv2.imencode(".jpg", gradient(), progressive)[1])
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + (between + last) * (times - 1) + data[-2:]


def test_a_progressive_picture_is_read_however_it_is_put_together() -> None:
    smooth = decode_picture(with_scans(1))
    assert np.abs(smooth.astype(int) - gradient()).max() < 10
    assert decode_picture(with_scans(MAX_SCANS // 2)).shape == (48, 64, 3)


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "001.jpg"
    comment = b"\xff\xfe\0\x06\xff\xd9\xff\xd9"  # holds what ends a picture, and ends none
    for data in (with_scans(5000), with_scans(5000, comment)):
        path.write_bytes(data)
        with pytest.raises(PictureError, match=f"more than {MAX_SCANS} scans") as caught:
            read_picture(path)
        assert str(caught.value).startswith(str(path))


def test_what_only_looks_like_scans_is_none() -> None:
    marks = b"\xff\xda" * 5000
    plain = encode(gradient())
    in_a_comment = plain[:2] + b"\xff\xfe" + struct.pack(">H", len(marks) + 2) + marks + plain[2:]
    for data in (in_a_comment, plain + marks):  # phones put a film behind a picture
        assert np.array_equal(decode_picture(data), decode_picture(plain))


def test_a_damaged_middle_never_ends_in_anything_but_a_picture_or_a_sentence() -> None:
    good = encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    rng = np.random.default_rng(1)
    for _ in range(200):
        data = bytearray(good)
        for _ in range(4):
            data[int(rng.integers(2, len(data)))] = int(rng.integers(256))
        try:
            image = decode_picture(bytes(data))
        except PictureError:
            continue
        assert image.shape[2] == 3


def test_missing_files_folders_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("missing.jpg", "pipe.jpg", "folder.jpg"):
        with pytest.raises(PictureError, match=r"cannot be opened|plain file"):
            read_picture(tmp_path / name)
    with pytest.raises(PictureError, match="plain file"):
        read_picture(Path("/dev/zero"))


def dated_jpeg(taken: bytes, order: str = "<", tag: int = 0x9003) -> bytes:
    """A JPEG whose EXIF block says when it was taken, as cameras write it."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(f"{order}HHHII", 1, 0x8769, 4, 1, 26) + struct.pack(f"{order}I", 0)
    second = struct.pack(f"{order}HHHII", 1, tag, 2, len(taken), 44) + struct.pack(f"{order}I", 0)
    block = b"Exif\0\0" + mark + struct.pack(f"{order}I", 8) + first + second + taken
    plain = bytes(cv2.imencode(".jpg", np.zeros((20, 20, 3), np.uint8))[1])
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_says_when_it_was_taken(order: str) -> None:
    first = taken_at(dated_jpeg(b"2026:11:23 10:04:11\0", order))
    later = taken_at(dated_jpeg(b"2026:11:23 10:05:11\0", order))
    assert first is not None
    assert later is not None
    assert later - first == 60
    assert decode_picture(dated_jpeg(b"2026:11:23 10:04:11\0", order)).shape == (20, 20, 3)


@pytest.mark.parametrize(
    "data",
    [
        dated_jpeg(b"    :  :     :  :  \0"),
        dated_jpeg(b"2026:13:45 99:99:99\0"),
        dated_jpeg(b"\xff\xfe\xfd"),
        dated_jpeg(b"2026:11:23 10:04:11\0", tag=0x1234),
        dated_jpeg(b"2026:11:23 10:04:11\0")[:60],
        bytes(cv2.imencode(".jpg", np.zeros((20, 20, 3), np.uint8))[1]),
        bytes(cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1]),
        b"",
    ],
)
def test_a_photo_that_does_not_say_it_properly_has_no_time(data: bytes) -> None:
    assert taken_at(data) is None
