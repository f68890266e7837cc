import { lstatSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { attempt, replaceFile } from '../pipeline/files/files.js'

/**
 * Writes the text that a command has made to the file of `--out`. Throws a PipelineError `ARGUMENTS` if something lies there,
 * unless `force` is set or `isOwn` says of its text that an earlier call wrote it.
 */
export function writeOut(
  out: string,
  text: string,
  {
    force = false,
    isOwn = () => false,
  }: { readonly force?: boolean | undefined; readonly isOwn?: (text: string) => boolean } = {},
): void {
  const target = resolve(out)
  const found = attempt('find', target, () => lstatSync(target, { throwIfNoEntry: false }))
  if (found?.isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(target)}: it is a directory, expected a file`)
  if (found && !force && !(found.isFile() && isOwn(readFileSync(target, 'utf8'))))
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(target)} exists already; --force replaces it, --out names another`,
    )
  replaceFile(target, text)
}
