import { z } from '../../pipeline/stage-kit.js'

/** The names of the classes: two or more that differ. */
export const classNames = z
  .array(z.string().min(1))
  .min(2)
  .refine((names) => new Set(names).size === names.length, { error: 'expected names that differ' })

/** For `refine`: either one `path` is given, or `files` for each split. */
export const pathOrFiles: [check: (given: { path?: unknown; files?: unknown }) => boolean, params: { error: string }] =
  [({ path, files }) => (path === undefined) !== (files === undefined), { error: 'expected one of "path" and "files"' }]
