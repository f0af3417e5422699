"""Whether pictures that are put to somebody look like somebody else, by the model in use.

Nothing is refused for it: who puts them there is asked, once, by one question for visits, photos that are
sent or moved, and those that a camera has taken.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from facerec_mqtt.enrollment.judging.worker import Answer
from facerec_mqtt.recognition import current_version
from facerec_mqtt.web import words
from facerec_mqtt.web.household.errors import TryAgainError, household_errors
from facerec_mqtt.web.household.photos.worker import PhotoWorker
from facerec_mqtt.web.schemas import LooksLike

_MOST_KNOWN = 500
_MOST_COMPARED = 30
_QUEUE_S = 5.0


class LookAlikes:
    """Looks at pictures; may be asked from any thread.

    Args:
        worker: looks at one.
        model_dir: where the models are.
        names: gives what everybody enrolled is called, by slug.
    """

    def __init__(self, worker: PhotoWorker, model_dir: Path, names: Callable[[], Mapping[str, str]]) -> None:
        self._worker = worker
        self._model_dir = model_dir
        self._names = names
        self._known: OrderedDict[tuple[str | None, Path, int, int], Answer] = OrderedDict()

    def look(self, data: bytes) -> Answer:
        """Have a file looked at that is nowhere yet.

        Raises:
            HouseholdError: it took too long.
        """
        with household_errors(), tempfile.NamedTemporaryFile(prefix="facerec-") as file:
            file.write(data)
            file.flush()
            return self._worker.look(Path(file.name), self._model_dir)

    def among(self, pictures: Mapping[str, Path], person: str | None, name: str) -> LooksLike | None:
        """Which of some pictures look like somebody else, and like whom; `None` where nobody can tell soon.

        Args:
            pictures: the files, by what they are called in the answer.
            person: slug of who they are put to; `None` for strangers.
            name: of that person.
        """
        try:
            answers = {file: self._look_at(path) for file, path in pictures.items()}
        except TryAgainError:
            return None  # to be asked is not worth waiting for
        return self.said(answers, person, name)

    def said(self, answers: Mapping[str, Answer], person: str | None, name: str) -> LooksLike | None:
        """The same of pictures that have been looked at."""
        names = self._names()
        found: dict[str, list[str]] = {}
        for file, answer in answers.items():
            if answer.named in names:
                found.setdefault(str(answer.named), []).append(file)
        if person is not None:
            found.pop(person, None)
        if not found:
            return None
        like = max(found, key=lambda each: len(found[each]))
        files = found[like]
        question = words.put_anyway(names[like], len(files), len(answers), name)
        return LooksLike(person=like, name=names[like], files=files, question=question)

    def unlike(self, pictures: Mapping[str, Path], own: Sequence[Path], name: str) -> LooksLike | None:
        """Which of some pictures seem to show somebody else, who need not be enrolled; `None` for none.

        Args:
            pictures: the files that were put to somebody, by what they are called in the answer.
            own: that person's other photos.
            name: of that person.
        """
        files = list(pictures)[:_MOST_COMPARED]
        try:
            places = self._worker.unlike([pictures[file] for file in files], own[:_MOST_COMPARED], _QUEUE_S)
        except TryAgainError:
            return None
        odd = [files[place] for place in places]
        if not odd:
            return None
        question = f"{_seem(len(odd), len(files))} to show somebody else than {name}. Use them anyway?"
        return LooksLike(person=None, name=None, files=odd, question=question)

    def _look_at(self, path: Path) -> Answer:
        with household_errors():
            status = path.stat()
            key = current_version(self._model_dir), path, status.st_mtime_ns, status.st_size
        answer = self._known.get(key)
        if answer is None:
            answer = self._known[key] = self._worker.look(path, self._model_dir, _QUEUE_S)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return answer


def _seem(odd: int, of: int) -> str:
    if odd == of:
        return "The picture seems" if of == 1 else f"All {of} pictures seem"
    return f"{odd} of {of} pictures {'seems' if odd == 1 else 'seem'}"
