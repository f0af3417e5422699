"""From photos' embeddings to a family's model: fitting it, judging it, comparing it with the one in use.

- `augmentation`: photos as a camera would have taken them
- `fit`: the training set, and the one way from it to a model
- `classifier_trainer`: what the classifiers learn; `layers`: trains them, and alone imports TensorFlow
- `cross_validation`, `learning_curve`: how well the model does on photos that were held out
- `comparison`: whether it is clearly worse than the one in use
- `own_strangers`: strangers whom the cameras have seen, for the cohort
- `requirements`: whether TensorFlow can run here
"""

from facerec_mqtt.training.augmentation import VERSIONS, augment
from facerec_mqtt.training.classifier_trainer import ClassifierTrainer, Lesson, training_process
from facerec_mqtt.training.comparison import (
    LEVEL,
    Comparison,
    Tally,
    WorseCode,
    compare_with_current,
    replaces_current,
)
from facerec_mqtt.training.cross_validation import judge_rounds, rounds_of
from facerec_mqtt.training.fit import Trainer, TrainingSet, fit
from facerec_mqtt.training.learning_curve import learning_curves
from facerec_mqtt.training.own_strangers import seen_by_cameras
from facerec_mqtt.training.requirements import has_tensorflow, require_tensorflow, unlisted_fonts

__all__ = [
    "LEVEL",
    "VERSIONS",
    "ClassifierTrainer",
    "Comparison",
    "Lesson",
    "Tally",
    "Trainer",
    "TrainingSet",
    "WorseCode",
    "augment",
    "compare_with_current",
    "fit",
    "has_tensorflow",
    "judge_rounds",
    "learning_curves",
    "replaces_current",
    "require_tensorflow",
    "rounds_of",
    "seen_by_cameras",
    "training_process",
    "unlisted_fonts",
]
