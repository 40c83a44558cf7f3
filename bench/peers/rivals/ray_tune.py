"""Ray Tune on one node: a queue of trials, each model on one process that has all rows."""
import os

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1")

import ray  # noqa: E402
from ray import tune  # noqa: E402

FOLDER = os.path.dirname(os.path.abspath(__file__))


def trial(config):
    import job as jobs
    return {"accuracy": jobs.train(config["job"], config["model"])}


def main():
    import job as jobs
    job = jobs.read(jobs.path_of_job())
    temporary = os.environ.get("TMPDIR", "/tmp")
    ray.init(num_cpus=job["processes"], include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1",
             _temp_dir=temporary + "/ray", object_store_memory=100 << 20, runtime_env={"env_vars": {"PYTHONPATH": FOLDER}})
    tuner = tune.Tuner(tune.with_resources(trial, {"cpu": 1}),
                       param_space={"job": job, "model": tune.grid_search(job["grid"])},
                       tune_config=tune.TuneConfig(metric="accuracy", mode="max"),
                       run_config=tune.RunConfig(storage_path=temporary + "/results", verbose=0))
    results = tuner.fit()
    by_model = {repr(result.config["model"]): result.metrics["accuracy"] for result in results}
    accuracies = [by_model[repr(config)] for config in job["grid"]]
    ray.shutdown()
    jobs.tell(f"Ray Tune {ray.__version__}", accuracies)


if __name__ == "__main__":
    main()
