import { z } from 'zod'

/** The `format` in JSON Schema of an option that names a file or folder to read. */
export const INPUT_PATH = 'input-path'

/**
 * Schema of an option that names a file or folder to read. A relative path is looked for in the current folder, and then
 * in the folder of the definition that says it; the stage gets the path at which it was found.
 *
 * @param help what a user can do if there is no such file, for the message
 */
export function inputPath(help?: string) {
  return (
    z
      .string()
      .min(1)
      // No system has such a file; Node throws a TypeError of its own where it is looked for.
      .refine((path) => !path.includes('\0'), { error: 'expected a path, found one with a null character in it' })
      .meta({ format: INPUT_PATH, ...(help !== undefined && { help }) })
  )
}
