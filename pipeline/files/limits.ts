/** The largest definition that is read, in bytes, also as the `pipeline.yaml` of a run. */
export const MAX_DEFINITION = 1 << 20

/** The largest `run.json` that is read, in bytes. A run that reads hundred thousands of files has a large one. */
export const MAX_RECORD = 64 << 20
