"""Cameras -> `Frame`: RTSP, HTTP, pictures on MQTT, Frigate, video files, folders of pictures, local devices.

    Camera (supervisor)  keeps one camera running; hands out its newest frame
    └── ReaderProcess    one connection, in a process of its own that can be killed
        │                that `launching` starts, mostly by a fork
        └── reader       what runs in that process: a source, paced, into a SharedFrame
            └── sources  the kinds of camera; http_source and network speak to them, pictures has those
                         that give pictures one by one

The reader's process imports this package too. Nothing here may therefore import what is large: the
settings are named in annotations only.
"""

from facerec_mqtt.cameras.launching import ForkServer, Launch, launch_alone
from facerec_mqtt.cameras.protocol import CameraFailedError, CameraFailure, FailureKind, HandedPicture
from facerec_mqtt.cameras.sources import bgr
from facerec_mqtt.cameras.streams.messages import Scene
from facerec_mqtt.cameras.supervision.reader_process import CameraFacts, probe
from facerec_mqtt.cameras.supervision.status import CameraCounters, OnStatus
from facerec_mqtt.cameras.supervision.supervisor import Camera

__all__ = [
    "Camera",
    "CameraCounters",
    "CameraFacts",
    "CameraFailedError",
    "CameraFailure",
    "FailureKind",
    "ForkServer",
    "HandedPicture",
    "Launch",
    "OnStatus",
    "Scene",
    "bgr",
    "launch_alone",
    "probe",
]
