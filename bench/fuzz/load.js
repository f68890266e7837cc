import { lastValueFrom, toArray } from 'rxjs'
import { loadContext } from './load-context.js'
import { outcomeOf } from './outcome.js'

/**
 * Runs a load stage alone. A bad file must give a DATA error that names it.
 *
 * @param use reads a table as the stages below do; it must not fail
 */
export function load(stage, options, file, use = () => {}) {
  const context = loadContext()
  const run = async () => {
    const tables = await lastValueFrom(stage.run(stage.options.parse(options), context).pipe(toArray()))
    for (const table of tables) use(table)
  }
  return outcomeOf(run, ['DATA'], new RegExp(file.replaceAll('.', '\\.')))
}
