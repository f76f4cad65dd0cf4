"""Hyper-parameter search with Optuna on the hold-out, never on PublicTest.

    python -m classifier_training.search classifier_training/configs/wide_cnn.yaml --data DIR --study runs/search

The study is a SQLite file in its folder: run the same command again to go on. Trials that fall behind the median of the
others at the same epoch are pruned. At the end, the importance of each parameter is drawn.
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import optuna

from classifier_training.data import FaceSet, read_faces
from classifier_training.errors import run_command
from classifier_training.settings import TrainingSettings, load_settings
from classifier_training.split import split_faces
from classifier_training.train import Training

_LEAST_FOR_IMPORTANCE = 4
"""Finished trials from which on parameter importances mean something at all."""


def suggest(trial: optuna.Trial, base: TrainingSettings) -> TrainingSettings:
    """The base settings with what the search varies: rate, decay, dropout, smoothing, mixup, augmentation."""
    schedule = {
        "peak_rate": trial.suggest_float("peak_rate", 0.003, 0.1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 5e-5, 5e-3, log=True),
    }
    loss = {
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.05),
        "mixup_p": trial.suggest_float("mixup_p", 0.0, 1.0),
        "votes": trial.suggest_float("votes", 0.0, 1.0),
    }
    augment = {
        "erase_p": trial.suggest_float("erase_p", 0.0, 0.5),
        "blur_p": trial.suggest_float("blur_p", 0.0, 0.3),
        "low_resolution_p": trial.suggest_float("low_resolution_p", 0.0, 0.3),
    }
    varied = base.model_dump()
    varied["schedule"] |= schedule
    varied["loss"] |= loss
    varied["augment"] |= augment
    varied["model"]["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
    return TrainingSettings.model_validate(varied)


def run_trial(
    trial: optuna.Trial, base: TrainingSettings, sets: tuple[FaceSet, FaceSet], folder: Path, data: Path
) -> float:
    """Trains one trial; returns its lowest hold-out loss in nats.

    Raises:
        optuna.TrialPruned: it fell behind the others.
    """
    run = folder / f"trial_{trial.number}"
    run.mkdir(parents=True, exist_ok=True)
    losses: list[float] = []

    def after_epoch(figures: dict[str, float]) -> None:
        losses.append(figures["holdout_nll"])
        trial.report(losses[-1], len(losses))
        if trial.should_prune():
            raise optuna.TrialPruned

    Training(suggest(trial, base), *sets, run, data).fit(after_epoch)
    return min(losses)


def search(base: TrainingSettings, data: Path, folder: Path, trials: int) -> optuna.Study:
    """Runs `trials` more trials of the study in `folder`, on the base settings' data below `data`."""
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name="emotion classifier",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=base.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    )
    sets = split_faces(read_faces(base.located(data).data.train, "train").faces, base.data)
    study.optimize(lambda trial: run_trial(trial, base, sets, folder, data), n_trials=trials)
    finished = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if len(finished) >= _LEAST_FOR_IMPORTANCE:
        _draw_importance(study, folder / "importance.png")
    return study


def _draw_importance(study: optuna.Study, path: Path) -> None:
    importance = optuna.importance.get_param_importances(study)
    names = list(reversed(importance))
    figure, axes = plt.subplots(figsize=(6, 0.4 * len(names) + 1))
    axes.barh(names, [importance[name] for name in names])
    axes.set(xlabel="share of the variation of the hold-out loss", xlim=(0, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="YAML file to start from; make its epochs few")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--study", type=Path, required=True, help="folder of the study and its trials")
    parser.add_argument("--trials", type=int, default=20, help="how many more")
    options = parser.parse_args()
    study = search(load_settings(options.settings), options.data, options.study, options.trials)
    print(f"best hold-out loss {study.best_value:.4f} in trial {study.best_trial.number}")
    for name, value in study.best_params.items():
        print(f"{name} {value:.4g}")


if __name__ == "__main__":
    run_command(main)
