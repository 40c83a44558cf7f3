"""Horovod over Gloo: the models one after the other, each on all processes; batches as in ddp.py."""
import os


def work(path):
    import horovod.torch as hvd

    import job as jobs
    job = jobs.read(path)
    hvd.init()

    def wrap(net):
        hvd.broadcast_parameters(net.state_dict(), root_rank=0)
        return net

    def wrap_optimizer(optimizer, net):
        return hvd.DistributedOptimizer(optimizer, named_parameters=net.named_parameters())
    accuracies = [jobs.train(job, config, hvd.rank(), hvd.size(), wrap, wrap_optimizer) for config in job["grid"]]
    hvd.shutdown()
    return accuracies


def main():
    import importlib.metadata

    import horovod

    import job as jobs
    path = jobs.path_of_job()
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
    accuracies = horovod.run(work, args=(path,), num_proc=jobs.read(path)["processes"], use_gloo=True, network_interfaces=["lo"])
    jobs.tell(f"Horovod {importlib.metadata.version('horovod')}, Gloo", accuracies[0])


if __name__ == "__main__":
    main()
