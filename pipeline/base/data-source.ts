import { z } from 'zod'

/** Schema of a data source, as checkpoints, `run.json` and sweeps store it. */
export const dataSource = z
  .object({
    /** The path of the file, as the load stage opened it. */
    path: z.string(),
    /** The size of the file in bytes. */
    bytes: z.number(),
    /** The SHA-256 checksum of the content, in hexadecimal. */
    sha256: z.string(),
  })
  .readonly()

/** A data file that a run read: its path, its size in bytes and its SHA-256 checksum in hexadecimal. */
export type DataSource = z.output<typeof dataSource>
