"""How the family's model fares, as it is told: which one is in use, and what the last rebuild said."""

from facerec_mqtt.artifact import FamilyModel
from facerec_mqtt.rebuild_process import model_message, summary
from facerec_mqtt.records import ModelState


def model_state(model: FamilyModel | None, progress: int | None, fault: str | None) -> ModelState:
    """Make the state that is published.

    Args:
        model: the one in use; `None` when there is none.
        progress: of a rebuild that runs, percent; `None` when none does.
        fault: why the last rebuild failed, or why the model on disk cannot be used.
    """
    people = () if model is None else tuple(person.slug for person in model.people)
    version = None if model is None else model.version
    report = None if model is None else summary(model.report)
    message = fault
    if message is None and model is not None:
        names = ", ".join(person.name for person in model.people)
        message = model_message(model.version, names, model.report)
    if progress is not None:
        return ModelState("training", progress, version, people, report, message)
    if fault is not None:
        return ModelState("failed", None, version, people, report, message)
    return ModelState("missing" if model is None else "ready", None, version, people, report, message)
