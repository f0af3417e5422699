"""Only the region is searched, and what is found there is given in pixels of the whole picture."""

import numpy as np
import pytest

from facerec_mqtt.core.records import Detection, Frame
from facerec_mqtt.faces.region import Region


def frame(width: int = 200, height: int = 100) -> Frame:
    image = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3) % 251
    return Frame("door", 1.0, image.astype(np.uint8))


def test_without_a_region_the_frame_stays_what_it_is() -> None:
    whole = frame()
    assert Region(None).cut(whole) is whole


def test_the_region_is_cut_out() -> None:
    whole = frame()
    part = Region((0.25, 0.1, 0.75, 1.0)).cut(whole)
    assert np.array_equal(part.image, whole.image[10:100, 50:150])
    assert (part.camera, part.captured_at_s) == ("door", 1.0)


def test_a_detection_is_moved_back() -> None:
    region = Region((0.25, 0.1, 0.75, 1.0))
    found = Detection((1, 2, 11, 12), np.full((5, 2), 5, np.float32), 0.9)
    back = region.to_whole_frame(frame(), found)
    assert back.box == (51, 12, 61, 22)
    assert np.array_equal(back.landmarks, np.tile([55, 15], (5, 1)))


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_a_tiny_picture_keeps_a_pixel(size: tuple[int, int]) -> None:
    assert Region((0.9, 0.9, 1, 1)).cut(frame(*size)).image.size >= 3
