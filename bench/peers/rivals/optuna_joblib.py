"""Optuna with joblib: a queue of tasks, each model on one process that has all rows. Optuna's ask-and-tell interface
hands out the grid; its GridSampler can repeat a point when several processes ask it."""
import optuna
from joblib import Parallel, delayed

import job as jobs


def main():
    job = jobs.read(jobs.path_of_job())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for config in job["grid"]:
        study.enqueue_trial(config)
    choices = {name: sorted({config[name] for config in job["grid"]}) for name in job["grid"][0]}
    trials = [study.ask({name: optuna.distributions.CategoricalDistribution(values) for name, values in choices.items()})
              for _ in job["grid"]]
    accuracies = Parallel(n_jobs=job["processes"])(delayed(jobs.train)(job, trial.params) for trial in trials)
    for trial, accuracy in zip(trials, accuracies):
        study.tell(trial, accuracy)
    jobs.tell(f"Optuna {optuna.__version__} + joblib", [trial.value for trial in study.trials])


if __name__ == "__main__":
    main()
