"""One camera as the service's loop sees it: its newest frame, and the faces in it."""

from dataclasses import dataclass, field

from facerec_mqtt.cameras import Camera
from facerec_mqtt.core.records import Frame, Sighting
from facerec_mqtt.faces.motion import MotionGate
from facerec_mqtt.faces.region import Region
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.settings.schema import CameraSettings, RecognitionSettings


@dataclass(slots=True, eq=False)
class CameraPipeline:
    """One camera and what the loop remembers of it."""

    settings: CameraSettings
    camera: Camera
    gate: MotionGate
    region: Region
    enabled: bool = True
    last_frame_s: float = field(default=-1.0)
    taken: int = 0
    """Frames that were in time."""

    def newest(self) -> Frame | None:
        """The newest frame, each once; `None` when there is none that is new."""
        frame = self.camera.latest(self.last_frame_s, 0.0)
        if frame is not None:
            self.last_frame_s = frame.captured_at_s
        return frame

    def sightings(
        self, frame: Frame, recognizer: Recognizer, recognition: RecognitionSettings, *, closely: bool
    ) -> tuple[Sighting, ...] | None:
        """The faces in a frame.

        Args:
            frame: the whole frame.
            recognizer: who knows the family.
            recognition: when faces are looked for and named.
            closely: look also when nothing has moved.

        Returns:
            `None` where nothing has moved since the last one, and nobody looked.
        """
        part = self.region.cut(frame)
        moved = not recognition.motion or self.gate.moved(part)
        if not (moved or closely):
            return None
        found = recognizer.recognise(
            part.image,
            min_face_px=self.settings.min_face_px,
            min_sharpness=recognition.min_sharpness,
            min_margin=recognition.min_margin,
        )
        return tuple(
            Sighting(
                camera=self.settings.slug,
                captured_at_s=frame.captured_at_s,
                detection=self.region.back(frame, face.detection),
                identification=face.identification,
                face=face.face,
            )
            for face in found
        )
