"""Measure what reading cameras takes: memory and processor time of their readers, as the service starts them.

    python benchmarks/cameras.py --camera rtsp://127.0.0.1:8554/hall --counts 1 4 --seconds 30

Nobody looks at the pictures: what the service adds for each, `benchmarks/service.py` measures.
"""

import argparse
import json
import os
import time

from processes import cpu_seconds, family, pss

from facerec_mqtt.cameras import Camera, ForkServer
from facerec_mqtt.settings import CameraSettings


def main() -> None:
    """Read the camera so many times at once, and print what was measured as a line of JSON for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--camera", required=True, help="URL or video file")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--idle", action="store_true", help="a camera of Frigate while it tracks nobody")
    arguments = parser.parse_args()
    before_mb = 0.0
    before = 0
    for count in arguments.counts:
        measured = measure(arguments.camera, count, arguments.fps, arguments.seconds, idle=arguments.idle)
        further_mb = (measured["pss_mb"] - before_mb) / (count - before)
        before_mb, before = measured["pss_mb"], count
        print(json.dumps(measured | {"further_camera_mb": round(further_mb, 1)}), flush=True)


def measure(url: str, count: int, fps: float, seconds: float, *, idle: bool = False) -> dict[str, float]:
    """Read one camera so many times at once."""
    server = ForkServer()
    cameras = [
        Camera(CameraSettings(name=f"camera {number}", url=url, fps=fps), launch=server.launch)
        for number in range(count)
    ]
    try:
        for camera in cameras:
            camera.start()
        for camera in cameras:
            if camera.latest(0.0, 60.0) is None:
                raise SystemExit("The camera gives no picture.")
        for camera in cameras if idle else ():
            camera.want(0.0)
        time.sleep(5.0)
        began_s, spent_s = time.monotonic(), cpu_seconds(os.getpid())
        time.sleep(seconds)
        minutes = (time.monotonic() - began_s) / 60
        spent_s = cpu_seconds(os.getpid()) - spent_s
        held = sum(pss(pid) for pid in family(os.getpid()) if pid != os.getpid())
    finally:
        for camera in cameras:
            camera.stop()
        server.close()
    return {
        "cameras": count,
        "cpu_s_a_minute_each": round(spent_s / minutes / count, 2),
        "pss_mb": round(held / 1e6, 1),
    }


if __name__ == "__main__":
    main()
