"""The training's own steps, beside Keras, which is slower and says what they are to be."""

import json
import subprocess
import sys


def test_steps_are_those_of_keras_and_what_has_learnt_by_them_is_as_sure() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.keras_training"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["apart"] < 1e-5
    assert found["moved"] > 1e-2
    # Of one training after the other the deviation is 0.05.
    assert found["ours"] > found["plain"] - 0.2
