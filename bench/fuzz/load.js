import { lastValueFrom, toArray } from 'rxjs'
import { loadContext } from './load-context.js'
import { outcomeOf } from './outcome.js'

/** Runs a load stage alone. A bad file must give a DATA error that names it. */
export function load(stage, options, file) {
  const context = loadContext()
  const run = () => lastValueFrom(stage.run(stage.options.parse(options), context).pipe(toArray()))
  return outcomeOf(run, ['DATA'], new RegExp(file.replaceAll('.', '\\.')))
}
