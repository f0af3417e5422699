"""The family's model travels: what is made at one box is used at all of them.

A change at this box, be it a rebuild, a rollback or somebody who was forgotten, is seen by what the model
folder holds, as the service itself sees it. What another box has changed is written there as a new version,
and the service loads it a second later.
"""

import logging
import re
from datetime import UTC, datetime

from facerec_mqtt.core.errors import FacerecError, ModelError
from facerec_mqtt.core.files import read_plain
from facerec_mqtt.mqtt import Access, Arrivals, Received, Subscription
from facerec_mqtt.recognition import (
    FamilyModel,
    ModelPaths,
    Recognizer,
    current_version,
    is_emptied,
    members,
    rebuilding,
)
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.confirmations import acknowledgement
from facerec_mqtt.service.house.installing import forget_rest, install, received
from facerec_mqtt.service.house.memory import Memory, noted, read_memory, withdraw, write_memory
from facerec_mqtt.service.house.package import (
    CHUNK_BYTES,
    FILES,
    MAX_BYTES,
    MAX_FORGOTTEN,
    HouseManifest,
    Stamp,
    pack,
    parse_manifest,
    unpack,
)
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
_EVERY_S = 1.0
_SETTLE_S = 2.0
"""After all that is retained has come, and before a box that is new in the house says what it has."""
_ASK_AGAIN_S = 10.0
_SAY_AGAIN_S = 30.0
"""Photos of somebody who was forgotten may be taken away meanwhile."""
_CREDIBLE_ORDER = 2**52
_MOST_KEYS = 3
"""Pieces of so many models are kept at once until the manifest of one of them comes."""


class HouseModels:
    """Passes this box's changes on, and takes in those of others.

    Args:
        settings: the house, the broker and the model folder.
        publisher: to publish with, and to listen by; not started yet.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._folder = settings.model_dir
        self._enrollment = settings.enrollment_dir
        self._review = settings.review.folder
        self._node = settings.mqtt.node_id
        self._publisher = publisher
        self._key = settings.house.key_bytes
        self._topics = publisher.topics
        self._memory = read_memory(settings.model_dir)
        self._arrivals = Arrivals()
        self._chunks: dict[str, dict[int, bytes]] = {}
        self._seen: HouseManifest | None = None
        """The manifest that the broker has, where it is one."""
        self._incomplete_since_s: float | None = None
        self._said: Memory | None = None
        self._said_s = 0.0
        self._problem: str | None = None
        self._refused: str | None = None
        self._synchronised_s: float | None = None
        self._due_s = 0.0
        publisher.subscribe(
            Subscription(f"{self._topics.house_model}/#", self._arrivals.put, on_access=self._arrivals.put)
        )
        if self._key is None:
            _log.warning(
                "FACEREC_HOUSE__KEY is not set: the model of the family's faces lies on the broker as it is,"
                ' for whoever can read there. Set it on all boxes to what "openssl rand -hex 32" prints.'
            )

    @property
    def made_by(self) -> str | None:
        """Node id of another box, where the model of the house was made; `None` where it was at this one."""
        node = "" if self._memory is None else self._memory.stamp.node
        return node if node not in ("", self._node) else None

    @property
    def memory(self) -> Memory | None:
        """What this box has last taken in or published; `None` until it knows what the house has."""
        return self._memory

    def step(self, recognizer: Recognizer, now_s: float, *, synchronised: bool, leading: bool) -> None:
        """Take in what has come, and pass on what has changed here.

        Args:
            recognizer: that is in use: what it cannot load is not taken in.
            now_s: now, of `time.monotonic`.
            synchronised: whether all that the broker retains has come.
            leading: whether this box speaks for the house.
        """
        self._take()
        if not synchronised:
            self._synchronised_s = None
        elif self._synchronised_s is None:
            self._synchronised_s = now_s
        if now_s < self._due_s:
            return
        self._due_s = now_s + _EVERY_S
        try:
            self._join(now_s)
            if self._memory is not None:
                self._notice_own_change(self._memory)
                self._adopt(self._memory, recognizer, now_s)
                self._publish_where_lost(self._memory, now_s, leading=leading)
        except (FacerecError, OSError) as error:
            self._fail(str(error))
        if self._memory is not None:
            self._acknowledge(self._memory, now_s)

    def _is_settled(self, now_s: float) -> bool:
        """Whether all that the broker retains has come a while ago."""
        return self._synchronised_s is not None and now_s - self._synchronised_s >= _SETTLE_S

    # --- What has changed here

    def _join(self, now_s: float) -> None:
        """A box that is new in the house takes the model that there is, or is the first that has one."""
        if self._memory is None and self._is_settled(now_s):
            # With a model in the house, this box's own is no change that would take its place.
            version = None if self._seen is None else current_version(self._folder)
            self._remember(Memory(version=version))

    def _notice_own_change(self, memory: Memory) -> None:
        version = current_version(self._folder)
        if version is None and memory.version is not None and not is_emptied(self._folder):
            return  # a share that is not mounted
        known = () if version is None else members(self._folder, version)
        if known is None:
            return
        slugs = {person.slug for person in known}
        new = tuple(
            each
            for each in noted(self._folder)
            if each not in memory.forgotten and not any(map(each.matches, slugs))
        )
        if version == memory.version and not new:
            return
        seen = 0 if self._seen is None else self._seen.stamp.order
        # Whoever may write on the broker could leave no number above its own.
        order = max(memory.stamp.order, seen if seen < _CREDIBLE_ORDER else 0) + 1
        stamp = Stamp(order=order, node=self._node)
        # Who is enrolled again is not forgotten any more.
        kept = tuple(each for each in memory.forgotten if not any(map(each.matches, slugs)))
        self._remember(Memory(stamp=stamp, version=version, forgotten=(*kept, *new)[-MAX_FORGOTTEN:]))
        for each in new:
            withdraw(self._folder, each)
        self._publish()

    def _publish_where_lost(self, memory: Memory, now_s: float, *, leading: bool) -> None:
        """Publish what the broker has lost, was never told, or holds an older one of."""
        older = self._seen is None or memory.stamp.newer_than(self._seen.stamp)
        mine = leading or memory.stamp.node == self._node
        if self._is_settled(now_s) and mine and memory.stamp.order and older:
            self._publish()

    def _publish(self) -> None:
        memory = self._memory or Memory()
        files: dict[str, bytes] = {}
        if memory.version is not None:
            folder = ModelPaths(self._folder).version(memory.version)
            files = {name: read_plain(folder / name, MAX_BYTES) for name in FILES}
        manifest, chunks = pack(
            files,
            HouseManifest(
                stamp=memory.stamp,
                version=memory.version,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                encrypted=self._key is not None,
                size=CHUNK_BYTES if files else 0,
                chunks=1 if files else 0,
                digest="0" * 64,
                forgotten=memory.forgotten,
            ),
            self._key,
        )
        before, topics = self._topics_of(self._seen), self._topics_of(manifest)
        # Not kept for later connections: by then there may be a newer one. It is looked for on each.
        for topic, chunk in zip(topics, chunks, strict=True):
            self._publisher.retain_now(topic, chunk)
        self._publisher.retain_now(
            f"{self._topics.house_model}/manifest", manifest.model_dump_json().encode()
        )
        self._publisher.retire(set(before) - set(topics))
        self._seen = None if self._synchronised_s is None else manifest
        self._problem = self._refused = None
        _log.info(
            "The model %s is passed on to the other boxes of the house: number %d, %d bytes",
            memory.version or "without anybody",
            memory.stamp.order,
            manifest.size,
        )

    # --- What others have changed

    def _adopt(self, memory: Memory, recognizer: Recognizer, now_s: float) -> None:
        """Take in the model that the broker has, where it is a newer one and all of it has come."""
        manifest = self._seen
        if manifest is None or manifest.digest == self._refused:
            return
        if not manifest.stamp.newer_than(memory.stamp):
            self._chunks.pop(manifest.key, None)
            return
        if not self._is_complete(manifest, now_s):
            return
        with rebuilding(self._folder):
            try:
                model = self._opened(manifest, recognizer)
            except ModelError as error:
                # It is the same however often it is tried; the next may be better.
                self._refused = manifest.digest
                box = manifest.stamp.node
                raise ModelError(
                    f'The model of box "{box}" is not used: {str(error).rstrip(".")}.'
                ) from error
            install(self._folder, model, manifest, memory.forgotten)
        forget_rest(
            self._folder, self._review, [each for each in manifest.forgotten if each not in memory.forgotten]
        )
        self._remember(Memory(stamp=manifest.stamp, version=manifest.version, forgotten=manifest.forgotten))
        self._chunks.pop(manifest.key, None)
        self._problem = None
        _log.info(
            'The model %s of box "%s" is taken in: number %d',
            manifest.version or "without anybody",
            manifest.stamp.node,
            manifest.stamp.order,
        )

    def _is_complete(self, manifest: HouseManifest, now_s: float) -> bool:
        """Whether all pieces have come; where they do not, the broker is asked for them again."""
        chunks = self._chunks.get(manifest.key, {})
        if all(number in chunks for number in range(manifest.chunks)):
            self._incomplete_since_s = None
            return True
        if self._incomplete_since_s is None:
            self._incomplete_since_s = now_s
        elif now_s - self._incomplete_since_s >= _ASK_AGAIN_S:
            self._incomplete_since_s = now_s
            self._publisher.read_again(f"{self._topics.house_model}/#")
        return False

    def _opened(self, manifest: HouseManifest, recognizer: Recognizer) -> FamilyModel | None:
        """Check what has come, as any version is checked.

        Raises:
            ModelError: it is damaged, of other networks, or knows somebody who was forgotten.
        """
        files = unpack(manifest, self._chunks.get(manifest.key, {}), self._key)
        with received(self._folder, manifest, files) as model:
            if model is not None:
                recognizer.with_model(model)
                if any(each.matches(person.slug) for each in manifest.forgotten for person in model.people):
                    raise ModelError("it knows somebody who was forgotten")
            return model

    # --- Messages

    def _take(self) -> None:
        for came in self._arrivals.take():
            if isinstance(came, Received):
                self._receive(came.topic.removeprefix(f"{self._topics.house_model}/"), came.payload)
            elif came is Access.CLOSED:
                self._seen = None

    def _receive(self, leaf: str, payload: bytes) -> None:
        if leaf == "manifest":
            self._seen = None
            if payload:
                try:
                    self._seen = parse_manifest(payload)
                except ModelError as error:
                    self._fail(f"The model on the broker is not used: {error}.")
            return
        key, _, number = leaf.partition("/")
        if not payload:
            return
        if len(key) != 16 or len(payload) > CHUNK_BYTES or not re.fullmatch("[0-9]{1,3}", number):
            return
        if int(number) > MAX_BYTES // CHUNK_BYTES:
            return
        chunks = self._chunks.setdefault(key, {})
        chunks[int(number)] = payload
        while len(self._chunks) > _MOST_KEYS:
            # That of the manifest that was seen last is the one that is waited for.
            waited = None if self._seen is None else self._seen.key
            del self._chunks[next(each for each in self._chunks if each not in (waited, key))]

    def _topics_of(self, manifest: HouseManifest | None) -> list[str]:
        if manifest is None:
            return []
        return [f"{self._topics.house_model}/{manifest.key}/{number}" for number in range(manifest.chunks)]

    def _acknowledge(self, memory: Memory, now_s: float) -> None:
        if memory == self._said and now_s - self._said_s < _SAY_AGAIN_S and not self._problem:
            return
        self._said, self._said_s = memory, now_s
        said = acknowledgement(memory, self._enrollment, self._problem)
        self._publisher.keep(self._topics.box(self._node, "holds"), said.model_dump_json().encode())

    def _remember(self, memory: Memory) -> None:
        write_memory(self._folder, memory)
        self._memory = memory

    def _fail(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _log.warning("%s", problem)
