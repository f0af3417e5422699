"""What reports call the files of the enrollment folder: `Anna/001.jpg`, `Anna/IMG_1.mov at 0:12`."""

from pathlib import Path

from facerec_mqtt.core.files import text_name

_AT = " at "


def file_name(path: Path, enrollment_dir: Path) -> str:
    """What a file of the enrollment folder is called."""
    return "/".join(text_name(Path(part)) for part in path.relative_to(enrollment_dir).parts)


def moment_name(video: str, at_s: float) -> str:
    """What a picture of a video is called.

    Args:
        video: what the video is called.
        at_s: seconds from its beginning.
    """
    return f"{video}{_AT}{int(at_s) // 60}:{int(at_s) % 60:02d}"


def video_of(file: str) -> str:
    """What the video is called that a picture is of, by what the picture is called; of a photo, ""."""
    return file.rpartition(_AT)[0]
