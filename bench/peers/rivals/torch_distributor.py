"""TorchDistributor on Spark: the training of ddp.py, started by Spark as tasks of two executors (a cluster of local
processes: a master, and a Java machine for each executor). Needs Java."""
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
os.environ.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable, PYTHONPATH=FOLDER)


def work(path):
    import os
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    import job as jobs
    job = jobs.read(path)
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    accuracies = [jobs.train(job, config, rank, ranks, DistributedDataParallel) for config in job["grid"]]
    distributed.barrier()
    distributed.destroy_process_group()
    return accuracies


def main():
    import pyspark
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    import job as jobs
    path = os.path.abspath(jobs.path_of_job())
    processes = jobs.read(path)["processes"]
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
                "spark.driver.memory": "512m", "spark.local.dir": os.environ.get("TMPDIR", "/tmp"),
                "spark.executorEnv.PYTHONPATH": FOLDER, "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
                "spark.executorEnv.OMP_NUM_THREADS": "1"}
    builder = SparkSession.builder.appName("rivals").master(f"local-cluster[{processes},1,1024]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    accuracies = TorchDistributor(num_processes=processes, local_mode=False, use_gpu=False).run(work, path)
    spark.stop()
    jobs.tell(f"Spark {pyspark.__version__} TorchDistributor", accuracies)


if __name__ == "__main__":
    main()
