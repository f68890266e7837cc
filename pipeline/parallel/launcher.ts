import { counted } from '../base/words.js'

/** What a run of so many ranks says about a job of another number of processes. */
export function sizeProblem(ranks: number, size: number): string {
  return (
    `parallel.ranks is ${ranks}, but this job has ${counted(size, 'process')}: start it with ` +
    `"mpirun -n ${ranks} millrace run …" (or srun --mpi=pmix -n ${ranks}), or say --set parallel.ranks=${size}`
  )
}

/**
 * Variables that launchers of MPI jobs set for each process: mpirun of Open MPI, those with Hydra (MPICH, Intel MPI), and
 * srun, PALS and others with PMI or PMIx. Variables of a batch job, in which nothing was launched, do not count.
 */
const LAUNCHER =
  /^(OMPI_COMM_WORLD_RANK|PMIX_RANK|PMI_RANK|PMI_FD|PMI_PORT|PALS_RANKID|MV2_COMM_WORLD_RANK|MPI_LOCALRANKID)$/

/** Whether a launcher of MPI jobs has started this process. */
export function isLaunchedByMpi(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return Object.keys(environment).some((name) => LAUNCHER.test(name))
}
