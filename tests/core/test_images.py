"""Picture files, good and bad."""

import contextlib
import io
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image as PillowImage

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import (
    MAX_FILE_BYTES,
    MAX_SCANS,
    decode_picture,
    read_bytes,
    read_picture,
    taken_at,
)
from facerec_mqtt.core.picture_formats import WEB_FORMATS
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import RejectionCode
from tests.support.pictures import png_header_only


def gradient(width_px: int = 64, height_px: int = 48) -> Image:
    """A picture whose upper left corner is dark and lower right corner bright."""
    row = np.linspace(0, 120, width_px)[None, :] + np.linspace(0, 120, height_px)[:, None]
    return np.repeat(row[..., None], 3, axis=2).astype(np.uint8)


def encode(image: Image, ending: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(ending, image)[1])


def encode_any(image: Image, kind: str, exif: PillowImage.Exif | None = None) -> bytes:
    """Encode a picture as any of the kinds, as a telephone or a scanner would."""
    buffer = io.BytesIO()
    own = PillowImage.Exif() if exif is None else exif
    block = own.tobytes()
    picture = PillowImage.fromarray(np.ascontiguousarray(image[..., ::-1]))
    if kind == "HEIC":
        pillow_heif.encode("RGB", picture.size, picture.tobytes(), buffer, exif=block, quality=90)
    elif kind in ("GIF", "BMP"):
        picture.save(buffer, kind)
    else:
        picture.save(buffer, kind, exif=own if kind == "TIFF" else block, quality=90)
    return buffer.getvalue()


def reason(data: bytes) -> RejectionCode:
    """Why a picture is refused."""
    with pytest.raises(PictureError) as caught:
        decode_picture(data)
    return caught.value.rejection.code


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with nothing but the orientation behind the start mark."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def webp_header_only(width_px: int, height_px: int) -> bytes:
    size = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + b"VP8L" + struct.pack("<I", 8) + bytes(8)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_header_only(width_px: int, height_px: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width_px, height_px, 0) + b"\x02\x01\x00\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width_px, height_px, 0, 0, 0) + frame


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
    assert reason(data[: int(share * len(data))]) == RejectionCode.CUT_SHORT


def test_the_end_of_an_embedded_thumbnail_does_not_hide_that_a_picture_is_cut_short() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = encode(noise)
    thumbnail = encode(gradient(16, 16))
    holding = jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + jpeg[2:]
    assert decode_picture(holding).shape == (64, 64, 3)
    assert reason(holding[:-400]) == RejectionCode.CUT_SHORT


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", RejectionCode.EMPTY_FILE),
        (b"hello, I am not a picture", RejectionCode.NOT_A_PICTURE),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", RejectionCode.IS_A_VIDEO),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), RejectionCode.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", RejectionCode.DAMAGED),
        (b"\0\0\0\x18ftypavif\0\0\0\0", RejectionCode.DAMAGED),
        (b"GIF89a" + bytes(40), RejectionCode.DAMAGED),
        (gif_header_only(5, 5), RejectionCode.PICTURE_TOO_SMALL),
        (b"BM" + bytes(60), RejectionCode.DAMAGED),
        (b"II*\0" + bytes(60), RejectionCode.DAMAGED),
        (b"\xff\xd8\xff\xe0\0", RejectionCode.CUT_SHORT),
        (b"\xff\xd8 and then a text file", RejectionCode.NOT_A_PICTURE),
        (encode(gradient(1, 1)), RejectionCode.PICTURE_TOO_SMALL),
        (encode(gradient(1, 1), ".png"), RejectionCode.PICTURE_TOO_SMALL),
        (png_header_only(10_000, 10_000), RejectionCode.PICTURE_TOO_LARGE),
        (png_header_only(40_000, 20), RejectionCode.PICTURE_TOO_LARGE),
        (png_header_only(2_000_000_000, 2_000_000_000), RejectionCode.PICTURE_TOO_LARGE),
        (webp_header_only(16_000_000, 16_000_000), RejectionCode.DECOMPRESSION_BOMB),
        (gif_header_only(65_000, 65_000), RejectionCode.PICTURE_TOO_LARGE),
    ],
)
def test_what_is_no_usable_picture_gets_one_reason(data: bytes, code: RejectionCode, tmp_path: Path) -> None:
    path = tmp_path / "001.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.rejection.code == code
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.rejection.sentence}"
    assert "\n" not in str(caught.value)


def test_the_sentence_about_a_picture_that_is_too_large_has_its_size() -> None:
    with pytest.raises(PictureError, match=r"10000x10000 pixels .100 megapixels., more than 64"):
        decode_picture(png_header_only(10_000, 10_000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_picture_is_judged_by_its_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "001.JPG"
    path.write_bytes(encode_any(gradient(), kind))
    image = read_picture(path)
    assert image.shape == (48, 64, 3)
    assert image.flags.writeable
    assert np.abs(image.astype(int) - gradient()).max() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC", "AVIF", "TIFF"])
def test_each_kind_is_turned_upright_and_says_when_it_was_taken(kind: str) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2026:11:23 10:05:11"
    data = encode_any(gradient(640, 480), kind, exif)
    for enough_px, shape in ((None, (640, 480, 3)), (320, (320, 240, 3))):
        image = decode_picture(data, enough_px=enough_px)
        assert image.shape == shape
        assert image[0, -1].mean() < image[-1, 0].mean()
    if kind != "TIFF":  # scanners' files: nobody walks about with one
        assert taken_at(data) == taken_at(dated_jpeg(b"2026:11:23 10:05:11\0"))


@pytest.mark.parametrize("kind", ["HEIC", "AVIF", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_picture_of_another_kind_that_is_cut_short_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode_any(noise, kind)
    assert reason(data[: int(share * len(data))]) in (RejectionCode.DAMAGED, RejectionCode.CUT_SHORT)


def test_a_camera_can_be_held_to_what_cameras_send() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        assert decode_picture(encode_any(gradient(), kind), formats=WEB_FORMATS).shape == (48, 64, 3)
    with pytest.raises(PictureError) as caught:
        decode_picture(encode_any(gradient(), "TIFF"), formats=WEB_FORMATS)
    assert caught.value.rejection.data == {"format": "TIFF"}


def test_the_first_picture_of_an_animation_counts() -> None:
    frames = [PillowImage.fromarray(np.full((48, 64, 3), value, np.uint8)) for value in (40, 200)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        assert abs(float(decode_picture(buffer.getvalue()).mean()) - 40) < 4, kind


def test_pictures_of_sixteen_bits_keep_their_brightness() -> None:
    deep = (gradient()[..., 0].astype(np.uint16) << 8) + 7
    for ending in (".png", ".tiff"):
        image = decode_picture(bytes(cv2.imencode(ending, deep)[1]))
        assert np.abs(image.astype(int) - gradient()).max() < 2
    floats = io.BytesIO()
    PillowImage.fromarray(gradient()[..., 0].astype(np.float32)).save(floats, "TIFF")
    assert reason(floats.getvalue()) == RejectionCode.UNSUPPORTED_FORMAT


# --- Bytes that do not belong to the picture


@pytest.mark.parametrize(
    "stray",
    [
        bytes(9),
        b"\0\1\2" * 3,
        bytes(608),
        b"\xff\xfe\x0f\xfe" + bytes(0x0FFE - 2 + 608) + b"\xff\xfe\0\4ab",
        b"\xff\xfe\0\5abcdefghijk",
        b"\xff" * 7,
    ],
    ids=["zeros", "nine", "608", "608 between comments", "comment longer than it says", "padding"],
)
def test_stray_bytes_between_segments_of_a_jpeg_are_ignored(stray: bytes) -> None:
    plain = encode(gradient())
    first_end = 4 + int.from_bytes(plain[4:6], "big")
    data = plain[:first_end] + stray + plain[first_end:]
    assert np.array_equal(decode_picture(data), decode_picture(plain))
    assert reason(data[:-100]) == RejectionCode.CUT_SHORT


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("behind", [bytes(30), bytes(4096), b"rest of another" * 300, b"\xff\xd8\xff"])
def test_whatever_follows_a_pictures_end_is_ignored(ending: str, behind: bytes) -> None:
    plain = encode(gradient(), ending)
    assert np.array_equal(decode_picture(plain + behind), decode_picture(plain))
    assert reason(plain[: len(plain) // 2] + (behind if ending == ".png" else b"")) in (
        RejectionCode.CUT_SHORT,
        RejectionCode.DAMAGED,
    )


def test_a_chunk_of_a_png_that_claims_gigabytes_takes_no_memory() -> None:
    plain = encode(gradient(), ".png")
    huge = struct.pack(">I", 0xD0000000)
    at = plain.index(b"IDAT") - 4
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in (
        plain[:at] + huge + plain[at + 4 :],
        plain[:at] + huge + b"tEXt" + plain[at:],
        plain[:at] + huge + b"eXIf" + plain[at:],
    ):
        with contextlib.suppress(PictureError):
            assert np.array_equal(decode_picture(data), gradient())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000
    assert decode_picture(plain).shape == (48, 64, 3)


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    film, picture = tmp_path / "film.mp4", tmp_path / "huge.jpg"
    for path, head in ((film, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), (picture, encode(gradient()))):
        path.write_bytes(head)
        os.truncate(path, MAX_FILE_BYTES + 1)
    for path, code in ((film, RejectionCode.IS_A_VIDEO), (picture, RejectionCode.FILE_TOO_LARGE)):
        with pytest.raises(PictureError) as caught:
            read_bytes(path)
        assert caught.value.rejection.code == code


def test_a_jpeg_of_a_hundred_megapixels_is_refused_by_its_header() -> None:
    data = bytearray(encode(gradient()))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 10_000, 10_000)
    assert reason(bytes(data)) == RejectionCode.PICTURE_TOO_LARGE


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


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    comment = b"\xff\xfe\0\x06\xff\xd9\xff\xd9"  # holds what ends a picture, and ends none
    for data in (with_scans(5000), with_scans(5000, comment)):
        assert reason(data) == RejectionCode.TOO_MANY_SCANS


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
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        code = RejectionCode.UNREADABLE if name == "missing.jpg" else RejectionCode.NOT_A_PLAIN_FILE
        assert caught.value.rejection.code == code
    with pytest.raises(PictureError) as caught:
        read_picture(Path("/dev/zero"))
    assert caught.value.rejection.code == RejectionCode.NOT_A_PLAIN_FILE


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


def test_a_process_that_decodes_no_picture_does_not_load_pillow() -> None:
    code = (
        "import sys; import facerec_mqtt.cameras.reader; import facerec_mqtt.core.images as images\n"
        "assert not {'PIL', 'pi_heif'} & {*sys.modules}\n"
        "images.decode_picture(sys.stdin.buffer.read())\n"
        "assert 'PIL' in sys.modules and 'pi_heif' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], input=encode(gradient()), check=True)
