"""Ours as a contestant of `peers.py`: the real rebuild, then the recogniser that the service uses."""

import os
import subprocess
import sys
from pathlib import Path

import peer_contest as contest


def enrol(work: Path) -> None:
    """Make the model by the command that a user gives."""
    folders = ["--enrollment", str(work / "enrollment"), "--model-dir", str(work / "models")]
    subprocess.run([sys.executable, "-m", "facerec_mqtt", "rebuild", "--json", *folders], check=True)


def recognise(work: Path) -> contest.Recognise:
    """Open the networks and the model as `facerec-mqtt run` does, with its defaults."""
    from facerec_mqtt.recognition import Recognizer, load_current
    from facerec_mqtt.settings import CameraSettings, RecognitionSettings

    settings = RecognitionSettings()
    min_face_px = CameraSettings(name="door", url="0").min_face_px
    recognizer = Recognizer.load(
        load_current(work / "models"),
        min_detection_score=settings.min_detection_score,
        max_side_px=settings.max_side_px,
        threads=settings.threads,
    )

    def answer(image: contest.Image) -> list[contest.Face]:
        return [
            contest.Face(
                found.detection.box,
                found.identification.person,
                found.identification.candidate,
                # A face that was refused for its size or likeness to two is named at no threshold.
                found.identification.score
                if found.identification.refusal in (None, "below threshold")
                else contest.NEVER,
            )
            for found in recognizer.recognise(
                image,
                min_face_px=min_face_px,
                min_sharpness=settings.min_sharpness,
                min_margin=settings.min_margin,
            )
        ]

    return answer


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    contest.main(enrol, recognise)
