"""Train the network until a wall-clock deadline; resumable, exporting the averaged weights as it goes."""

import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from pretraining.detector.loss import DetectorModel
from pretraining.detector.network import Normalisation, build
from pretraining.detector.reread import reread
from pretraining.detector.scenes import Composer, Feed

PEAK_RATE = 3e-3
WARM_UP_STEPS = 200
AVERAGE_EVERY = 5
AVERAGE_SHARE = 0.98  # of the old average, each time: about the last 250 steps
SAVE_EVERY_S = 240.0
AGAIN_RATE = 1e-3  # of a network that has learnt already
FREEZE_AT = 0.62  # share of the time after which the normalisation's statistics are fixed
STATISTICS_BATCHES = 60  # that they are measured on


@dataclass(slots=True)
class Run:
    """A training run: what has to be kept to go on after a stop."""

    model: DetectorModel
    average: list[np.ndarray]
    step: int
    spent_s: float
    frozen: bool = False

    @classmethod
    def begin(cls, seed: int, start: Path | None) -> "Run":
        """A new network, or an exported one, whose statistics stay as they are."""
        keras.utils.set_random_seed(seed)
        network = build()
        if start is not None:
            reread(start, network)
        model = DetectorModel(network.inputs, network.outputs, name="facerec_detector")
        model.compile(optimizer=keras.optimizers.AdamW(PEAK_RATE, weight_decay=1e-3, clipnorm=10.0))
        model.optimizer.build(model.trainable_variables)
        weights = [np.array(weight) for weight in model.get_weights()]
        return cls(model, weights, 0, 0.0, frozen=start is not None)

    def restore(self, path: Path) -> None:
        """Go on where `save` left off."""
        kept = np.load(path)
        count = len(self.average)
        self.model.set_weights([kept[f"weight_{i}"] for i in range(count)])
        self.average = [kept[f"average_{i}"] for i in range(count)]
        for index, variable in enumerate(self.model.optimizer.variables):
            variable.assign(kept[f"optimizer_{index}"])
        self.step, self.spent_s = int(kept["step"]), float(kept["spent_s"])
        self.frozen = bool(kept["frozen"])

    def save(self, path: Path) -> None:
        """Keep everything, replacing the file at once."""
        arrays = {f"weight_{i}": w for i, w in enumerate(self.model.get_weights())}
        arrays |= {f"average_{i}": w for i, w in enumerate(self.average)}
        variables = self.model.optimizer.variables
        arrays |= {f"optimizer_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, step=self.step, spent_s=self.spent_s, frozen=self.frozen, **arrays)
        partial.replace(path)

    def freeze_statistics(self, composer: Composer) -> None:
        """Measure the normalisation's statistics again and keep them from now on; the average restarts."""
        layers = [layer for layer in self.model.layers if isinstance(layer, Normalisation)]
        for number in range(STATISTICS_BATCHES):
            for layer in layers:
                layer.momentum = 1 - 1 / (number + 1)
            # Scenes of their own, far from those that are trained on.
            self.model(composer.batch(10_000_000 + number)[0], training=True)
        self.frozen = True
        self.keep_frozen()
        self.average = [np.array(weight) for weight in self.model.get_weights()]

    def keep_frozen(self) -> None:
        """Let the model know; what was compiled before is compiled again."""
        for layer in self.model.layers:
            if isinstance(layer, Normalisation):
                layer.frozen = self.frozen
        self.model.make_train_function(force=True)

    def take_step(self, batch: tuple[np.ndarray, np.ndarray]) -> float:
        """One step of the optimizer, and now and then of the average; the loss."""
        loss = float(self.model.train_on_batch(*batch))
        self.step += 1
        if self.step % AVERAGE_EVERY == 0:
            share = min(AVERAGE_SHARE, self.step / (self.step + 10 * AVERAGE_EVERY))
            for average, weight in zip(self.average, self.model.get_weights(), strict=True):
                average += (1 - share) * (weight - average)
        return loss

    def averaged(self) -> keras.Model:
        """A network with the averaged weights."""
        network = build()
        network.set_weights(self.average)
        return network


def train(work: Path, minutes: float, seed: int, threads: int, start: Path | None = None) -> keras.Model:
    """Train, or go on with a run that was stopped; the learning rate falls to nothing at the end.

    Args:
        work: the work folder, filled by `prepare`; the run is kept in `run.npz` there.
        minutes: how long, all legs together.
        seed: of the weights and the scenes.
        threads: that compose scenes.
        start: an exported network to go on from.

    Returns:
        The network with averaged weights.
    """
    run = Run.begin(seed, start)
    peak_rate = AGAIN_RATE if start else PEAK_RATE
    checkpoint = work / "run.npz"
    if checkpoint.exists():
        run.restore(checkpoint)
        print(f"goes on at step {run.step}, {run.spent_s / 60:.1f} min", flush=True)
    run.keep_frozen()
    composer = Composer.load(work, seed)
    feed = Feed(composer, run.step, threads)
    feed.start()
    last_s, saved_s, losses = time.monotonic(), run.spent_s, []
    while run.spent_s < 60 * minutes:
        progress = run.spent_s / (60 * minutes)
        if progress >= FREEZE_AT and not run.frozen:
            run.freeze_statistics(composer)
        rate = peak_rate * (0.005 + 0.995 * (1 + np.cos(np.pi * progress)) / 2)
        run.model.optimizer.learning_rate = rate * min(1.0, (run.step + 1) / WARM_UP_STEPS)
        losses.append(run.take_step(feed.get()))
        now_s = time.monotonic()
        run.spent_s += now_s - last_s
        last_s = now_s
        if run.step % 100 == 0:
            print(f"{run.step} {run.spent_s / 60:.1f} min, loss {np.mean(losses):.4f}", flush=True)
            losses = []
        if run.spent_s - saved_s > SAVE_EVERY_S:
            run.save(checkpoint)
            saved_s = run.spent_s
    run.save(checkpoint)
    return run.averaged()
