"""Strangers whom the house's own cameras have seen, added to what scores are compared with.

The shipped cohort is of the world. A house has its cameras' noise and the same hundred passers-by, fewer of
whom pass where scores are compared with these too. Only embeddings are needed, one of each stranger.

A member among them would push the member's own score down, and members are seen badly now and then and taken
for strangers. So whoever comes at all near to a member is left out: what stays is hardly nearer to a member's
template than the nearest of the shipped cohort are. Visits that the owner has assigned to somebody are not
among them, since the history keeps no embedding of those.
"""

from contextlib import closing
from pathlib import Path

import numpy as np

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.history import FILE, History, MissingHistoryError
from facerec_mqtt.recognition import Gallery, Normaliser, unit

MOST_SEEN = 300
"""Of the strangers seen last."""
_FAR = 1.5
"""Normalised score against every member below which somebody is a stranger beyond doubt. Of members' three
worst pictures one in twelve is below it, and of strangers 199 in 200."""
_BELOW_THRESHOLD = 1.0
"""And so far below the threshold, where the owner has asked for a loose one."""
_LIKE_A_PHOTO = 0.45
"""Cosine from which on two pictures may be of one person; of different people 1 pair in 200 is more alike."""


def seen_by_cameras(model_dir: Path, network: str, dimensions: int) -> Vectors:
    """Read what the history keeps of strangers.

    Args:
        model_dir: beside whose models the history is.
        network: SHA-256 of the backbone: embeddings of another are left out.
        dimensions: of its embeddings.

    Returns:
        (N, D) float32 unit rows, one for each group of strangers, the one seen last first.

    Raises:
        HistoryError: the history is damaged, locked or of a newer version.
    """
    try:
        with closing(History.open(model_dir / FILE, read_only=True)) as history:
            kept = history.strangers.embeddings(network)
    except MissingHistoryError:
        kept = ()
    groups: dict[str, Vectors] = {}
    for each in reversed(kept):
        if each.vector.shape == (dimensions,) and np.isfinite(each.vector).all():
            groups[each.stranger_id] = groups.get(each.stranger_id, np.float32(0)) + each.vector
    return unit(np.array(list(groups.values()), np.float32).reshape(-1, dimensions))


def unmistakable(
    seen: Vectors, photos: Vectors, templates: Vectors, plain: Normaliser, threshold: float
) -> Vectors:
    """Choose those who cannot be a member.

    Args:
        seen: (N, D) unit embeddings of strangers, the one seen last first.
        photos: (M, D) unit embeddings of members' photos.
        templates: (P, D) unit rows, the members'.
        plain: the shipped cohort.
        threshold: normalised score from which on a face is somebody's.

    Returns:
        (n, D) unit rows, `MOST_SEEN` at most.
    """
    if not len(seen):
        return seen
    scores = Gallery.of(templates, plain).normalised(seen, plain).max(axis=1)
    is_far = scores < min(_FAR, threshold - _BELOW_THRESHOLD)
    is_far &= (seen @ photos.T).max(axis=1) < _LIKE_A_PHOTO
    return np.asarray(seen[is_far][:MOST_SEEN], np.float32)
