"""Videos in a person's folder: a few good pictures of that person, and a sentence where there are none."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import RejectionCode, RemarkCode
from facerec_mqtt.enrollment.judging import video_files
from facerec_mqtt.enrollment.judging.audit import check_enrollment
from facerec_mqtt.enrollment.judging.photos import shipped_networks
from facerec_mqtt.enrollment.judging.video_files import open_video, plain_video
from facerec_mqtt.enrollment.judging.videos import MOST_PICTURES
from facerec_mqtt.enrollment.reports import AuditReport, PhotoReport
from facerec_mqtt.rendering import FAMILY, Pose, render_frame
from tests.support.http_cameras import write_video
from tests.support.pattern_world import pattern_cohort, pattern_networks, picture_of, write_photos
from tests.support.patterns_rebuild import contents, identify, rebuild_patterns
from tests.support.rtsp import number_of, numbered

ANNA, TOM, FRIEND = 1, 2, 3
FPS = 10


def of(*people: int, count: int = 30, first: int = 100) -> list[Image]:
    """Pictures for a video, another one every half second."""
    pictures = [picture_of(*people, picture=first + number // 5, noise=0.3) for number in range(count)]
    return [np.pad(each, ((20, 20), (40, 40), (0, 0))) for each in pictures]


def resized(pictures: Sequence[Image], width_px: int, height_px: int) -> list[Image]:
    return [np.asarray(cv2.resize(each, (width_px, height_px)), np.uint8) for each in pictures]


def check(enrollment: Path) -> AuditReport:
    models = enrollment.parent / "models"
    return check_enrollment(enrollment, models, load_networks=pattern_networks, cohort=pattern_cohort())


def video_photos(report: AuditReport, file: str = "Anna/film") -> list[PhotoReport]:
    return [photo for photo in report.photos if photo.file.startswith(file)]


def reasons(photos: Sequence[PhotoReport]) -> list[RejectionCode | None]:
    return [None if photo.rejection is None else photo.rejection.code for photo in photos]


@pytest.fixture
def enrollment(tmp_path: Path) -> Path:
    """Anna has some photos."""
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 6)
    return tmp_path / "enrollment"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("film.mp4", "h264"),
        ("film.MOV", "hevc"),
        ("film.jpg", "h264"),
        ("film.avi", "mpeg4"),
    ],
)
def test_pictures_of_a_video_are_used_whatever_it_is_called(
    enrollment: Path, tmp_path: Path, name: str, codec: str
) -> None:
    suffix = {"film.jpg": ".mp4"}.get(name, Path(name).suffix.lower())
    write_video(tmp_path / f"a{suffix}", of(ANNA, count=60), FPS, codec)
    shutil.move(tmp_path / f"a{suffix}", enrollment / "Anna" / name)
    used = video_photos(check(enrollment))
    assert 3 <= len(used) <= MOST_PICTURES
    assert all(photo.used and photo.person == "anna" for photo in used)
    assert used[0].file.startswith(f"Anna/{name} at 0:0")
    assert len({photo.file for photo in used}) == len(used)


def test_a_model_of_videos_alone_knows_the_people_and_nobody_else(tmp_path: Path) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    for name, person in (("Anna", ANNA), ("Tom", TOM)):
        (enrollment / name).mkdir(parents=True)
        for number in range(2):
            write_video(enrollment / name / f"{number}.mp4", of(person, first=100 * number), FPS, "h264")
    before = contents(enrollment)
    report = rebuild_patterns(enrollment, models)
    assert report.moments == {"anna": 2, "tom": 2}
    assert contents(enrollment) == before
    named = [identify(models, person, 900).person for person in (ANNA, TOM, FRIEND)]
    assert named == ["anna", "tom", None]


def test_what_is_cached_is_not_decoded_again(enrollment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(enrollment / "Anna" / "film.mp4", of(ANNA), FPS, "h264")
    (enrollment / "Anna" / "sound.mp4").write_bytes((enrollment / "Anna" / "film.mp4").read_bytes()[:600])
    first = check(enrollment)

    def fail(*_: object) -> None:
        raise AssertionError("opened again")

    monkeypatch.setattr(av, "open", fail)
    shutil.move(enrollment / "Anna" / "film.mp4", enrollment / "Anna" / "other.mp4")
    again = check(enrollment)
    assert [photo.file for photo in video_photos(again, "Anna/other")] == [
        photo.file.replace("film", "other") for photo in video_photos(first)
    ]
    assert reasons(video_photos(again, "Anna/sound")) == [RejectionCode.VIDEO_DAMAGED]


# --- Several people


def test_of_several_people_the_one_is_taken_who_fits_the_photos(enrollment: Path) -> None:
    pictures = of(FRIEND, ANNA, count=20) + of(FRIEND, TOM, count=40)
    write_video(enrollment / "Anna" / "film.mp4", pictures, FPS, "h264")
    used = video_photos(check(enrollment))
    assert used
    assert {photo.remark.code for photo in used if photo.remark} == {RemarkCode.FITTING_TAKEN}
    assert all(photo.used and int(photo.file[-1]) <= 2 for photo in used)


def test_of_several_people_who_are_all_others_none_is_taken_and_one_sentence_says_so(
    enrollment: Path,
) -> None:
    write_video(enrollment / "Anna" / "film.mp4", of(FRIEND, TOM), FPS, "h264")
    (photo,) = video_photos(check(enrollment))
    assert (photo.file, reasons([photo])) == ("Anna/film.mp4", [RejectionCode.VIDEO_OF_SEVERAL])


def test_where_there_are_no_photos_the_one_who_is_seen_most_is_taken(tmp_path: Path) -> None:
    (tmp_path / "enrollment" / "Anna").mkdir(parents=True)
    pictures = of(ANNA, count=50) + of(TOM, count=10)
    write_video(tmp_path / "enrollment" / "Anna" / "film.mp4", pictures, FPS, "h264")
    used = video_photos(check(tmp_path / "enrollment"))
    assert used
    assert {photo.remark.code for photo in used if photo.remark} == {RemarkCode.MOST_SEEN_TAKEN}


def test_a_video_of_somebody_else_alone_is_rejected_beside_the_photos(enrollment: Path) -> None:
    write_photos(enrollment / "Anna", ANNA, 14, first=6)
    write_video(enrollment / "Anna" / "film.mp4", of(TOM, count=20), FPS, "h264")
    photos = video_photos(check(enrollment))
    assert set(reasons(photos)) <= {RejectionCode.UNLIKE_THE_OTHERS, RejectionCode.LOOKS_LIKE_ANOTHER}


# --- What cannot be used


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_each_video_that_cannot_be_used_gets_its_sentence(enrollment: Path) -> None:
    folder = enrollment / "Anna"
    good = write_video(enrollment.parent / "good.mp4", of(ANNA), FPS, "h264")
    (folder / "damaged.mp4").write_bytes(good[:48] + bytes(len(good) - 48))
    (folder / "cut.mp4").write_bytes(good[: len(good) // 2])
    (folder / "head.mkv").write_bytes(b"\x1aE\xdf\xa3" + b"\0" * 100)
    sound(folder / "sound.mp4")
    data, header = good.index(b"mdat") + 4, good.index(b"moov") - 4
    (folder / "empty.mp4").write_bytes(good[:data] + bytes(header - data) + good[header:])
    write_video(folder / "long.mp4", [numbered(1)] * 40, 1, "h264")
    write_video(folder / "nobody.mp4", [np.zeros((48, 64, 3), np.uint8)] * 5, FPS, "h264")
    write_video(folder / "tiny.mp4", resized(of(ANNA), 44, 36), FPS, "h264")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_files, "MAX_MINUTES", 0.5)
        report = check(enrollment)
    found = {photo.file.removeprefix("Anna/"): photo for photo in report.photos if not photo.used}
    codes = {name: photo.rejection.code for name, photo in found.items() if photo.rejection}
    assert codes == {
        "damaged.mp4": RejectionCode.VIDEO_DAMAGED,
        "cut.mp4": RejectionCode.VIDEO_DAMAGED,
        "head.mkv": RejectionCode.VIDEO_DAMAGED,
        "sound.mp4": RejectionCode.NO_VIDEO,
        "empty.mp4": RejectionCode.VIDEO_EMPTY,
        "long.mp4": RejectionCode.VIDEO_TOO_LONG,
        "nobody.mp4": RejectionCode.NO_FACE,
        "tiny.mp4": RejectionCode.FACE_TOO_SMALL,
    }
    assert sum(photo.used for photo in report.photos) == 6


def test_a_picture_is_asked_for_where_a_video_is_given(tmp_path: Path) -> None:
    write_video(tmp_path / "film.mp4", of(ANNA, count=2), FPS, "h264")
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "film.mp4")
    assert caught.value.rejection.code is RejectionCode.IS_A_VIDEO


@pytest.mark.parametrize(("seconds", "gop"), [(25, 250), (250, 10)])
def test_pictures_come_from_all_over_a_video_long_or_short(tmp_path: Path, seconds: int, gop: int) -> None:
    path = tmp_path / "film.mp4"
    fps = 8
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=fps, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = gop
        for second in range(seconds):
            frame = av.VideoFrame.from_ndarray(numbered(second % 256, 64, 48), format="bgr24")
            for _ in range(fps):
                frame.pts = None
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with plain_video(path) as plain:
        assert plain is not None
        with open_video(plain[0], plain[2]) as video:
            shown = [(picture.at_s, number_of(picture.image)) for picture in video.pictures(20, 1280)]
    assert 15 <= len(shown) <= 20
    assert [number for _, number in shown] == [int(at_s) for at_s, _ in shown]
    assert shown[0][0] < 0.1 * seconds
    assert shown[-1][0] > 0.85 * seconds


def test_a_video_that_was_taken_upright_is_read_upright(tmp_path: Path) -> None:
    upright = [numbered(number, 240, 320) for number in range(5)]
    data = write_video(tmp_path / "a.mp4", [np.rot90(each).copy() for each in upright], FPS, "h264")
    # Telephones write how far it is turned into the track's matrix (ISO/IEC 14496-12, 8.3.2).
    plain = b"".join(word.to_bytes(4, "big") for word in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    clockwise = (0, 1 << 16, 0, 2**32 - (1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    track, rest = data[: data.index(b"tkhd")], data[data.index(b"tkhd") :]
    turned = rest.replace(plain, b"".join(word.to_bytes(4, "big") for word in clockwise), 1)
    (tmp_path / "a.mp4").write_bytes(track + turned)
    with plain_video(tmp_path / "a.mp4") as opened:
        assert opened is not None
        with open_video(opened[0], opened[2]) as video:
            pictures = [(each.image.shape, number_of(each.image)) for each in video.pictures(5, 1280)]
    assert pictures == [((320, 240, 3), number) for number in range(5)]


def test_real_faces_in_a_video_are_found(tmp_path: Path) -> None:
    pictures = []
    for number in range(5):
        pose = Pose(200 + 50 * number, 180, 110, yaw_deg=-20 + 10 * number)
        pictures.append(render_frame(((FAMILY["Anna"], pose),), seed=number, noise=2.0, samples=1))
    (tmp_path / "enrollment" / "Anna").mkdir(parents=True)
    write_video(tmp_path / "enrollment" / "Anna" / "film.mov", pictures, 1, "h264")
    report = check_enrollment(tmp_path / "enrollment", tmp_path / "models", load_networks=shipped_networks)
    assert 2 <= sum(photo.used for photo in video_photos(report)) <= 5
