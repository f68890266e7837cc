import { z } from 'zod'
import { inFileOrder, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { counted } from '../pipeline/base/words.js'
import { checkPart } from '../pipeline/definition/issues.js'
import { textValue } from '../pipeline/definition/outside-text.js'
import { type Override, overrideOf, parseAssignment } from '../pipeline/definition/overrides.js'
import { withReadings } from '../pipeline/definition/readings.js'
import { type Sweep, sweep } from '../pipeline/definition/sweep.js'
import {
  asWritten,
  entriesOf,
  formatOrigin,
  isList,
  locate,
  type Origin,
  plain,
  type Value,
  valueFrom,
  withValue,
} from '../pipeline/definition/value.js'
import { drawValues } from './draw.js'

/** The options of the command line that add to the block `sweep:`. A name given here wins over the same name there. */
export interface SweepFlags {
  /** Values of a setting, each `name=value,value`. */
  readonly grid?: readonly string[] | undefined
  /** How many settings to draw at random. */
  readonly random?: number | undefined
  /** Distributions to draw from, each `name={ logUniform: [a, b] }`. */
  readonly over?: readonly string[] | undefined
  /** The seeds of each setting: `400,401`, or how many. */
  readonly seeds?: string | undefined
  /** How many folds of a cross-validation each setting runs with. */
  readonly folds?: number | undefined
  /** The metric that settings are compared by. */
  readonly monitor?: string | undefined
}

/** One value for each name that the sweep varies. Each setting runs with every seed. */
export type Setting = readonly Override[]

/** The largest number of settings, and of points. More is a mistake, or too much for one machine. */
const MAX_SETTINGS = 100_000

/** Throws a PipelineError `DEFINITION` if a sweep has too many points. */
export function checkCount(settings: number, runs: number): void {
  if (settings * runs > MAX_SETTINGS)
    throw new PipelineError(
      'DEFINITION',
      `sweep: expected at most ${MAX_SETTINGS} points, got ${settings * runs}: ${counted(settings, 'setting')} with ${counted(runs, 'run')} each`,
    )
}

const definition = z.strictObject({ sweep })

/** Joins the block `sweep:` and the flags into one checked block. Throws a PipelineError with every problem of both. */
export function sweepBlock(fromFile: Value | undefined, flags: SweepFlags): Value {
  const problems: Problem[] = []
  let block: Value = fromFile ?? { data: new Map(), origin: { kind: 'set', text: 'sweep' } }
  const put = (path: readonly string[], value: Value): void => {
    block = withValue(block, path, value)
  }
  const flag = (name: string, value: string | number): Value =>
    valueFrom(value, { kind: 'set', text: `--${name} ${value}` })
  for (const assignment of flags.grid ?? []) {
    const axis = parseAssignment('--grid', assignment, problems, (text) => `[${text}]`)
    if (axis) put(['grid', nameOf(axis)], axis.value)
  }
  for (const assignment of flags.over ?? []) {
    const over = parseAssignment('--over', assignment, problems)
    if (over) put(['random', 'over', nameOf(over)], over.value)
  }
  if (flags.random !== undefined) put(['random', 'n'], flag('random', flags.random))
  if (flags.monitor !== undefined) put(['monitor'], flag('monitor', flags.monitor))
  if (flags.seeds !== undefined) {
    const origin: Origin = { kind: 'set', text: `--seeds ${flags.seeds}` }
    const seeds = flags.seeds.split(',').map((text) => withReadings(z.int(), textValue(text.trim(), origin)))
    put(['repeat', 'seeds'], seeds.length === 1 ? seeds[0]! : { data: seeds, origin })
  }
  if (flags.folds !== undefined) put(['repeat', 'folds'], flag('folds', flags.folds))
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  const whole = withValue(undefined, ['sweep'], block)
  if (checkPart(definition, whole, '', problems, 'key')) problems.push(...misplacedSeeds(block))
  if (problems.length > 0) throw new PipelineError('DEFINITION', inFileOrder(problems))
  return block
}

function misplacedSeeds(block: Value): Problem[] {
  const list = part(block, 'list')
  const mappings = [part(block, 'grid'), part(part(block, 'random'), 'over'), ...(isList(list) ? list.data : [])]
  return mappings.flatMap((mapping) => {
    const seed = entriesOf(mapping).get('seed')
    const message = 'seed: is no setting; give the seeds under repeat: { seeds: [400, 401] }, or as --seeds 400,401'
    return seed ? [{ where: formatOrigin(seed.key), message }] : []
  })
}

/**
 * The settings of a checked block, each once: the grid (its last name changes fastest), the list, the random draws.
 * Throws a PipelineError if there are none or too many.
 */
export function settingsOf(block: Value): Setting[] {
  const data = plain(block) as Sweep
  const settings = [
    ...gridSettings(part(block, 'grid')),
    ...listSettings(part(block, 'list')),
    ...randomSettings(block),
  ]
  const distinct = new Map(
    settings.map((setting) => [
      JSON.stringify(setting.map(({ name, path, value }) => [name, path, asWritten(value)])),
      setting,
    ]),
  )
  if (distinct.size > 0 || data.repeat) return distinct.size > 0 ? [...distinct.values()] : [[]]
  throw new PipelineError('ARGUMENTS', [
    {
      ...(block.origin.kind === 'file' && { where: formatOrigin(block.origin) }),
      message: 'there is nothing to sweep: give settings in a block "sweep:" of the pipeline, or --grid eta=0.01,0.1',
    },
  ])
}

/**
 * The seeds to run each setting with. Throws a PipelineError `DEFINITION` if there are too many, or if they would go
 * beyond the largest seed.
 *
 * @param first the only seed if the block names none, the first one if the block says how many
 */
export function seedsOf(block: Value, first: number): number[] {
  const { seeds = [first] } = (plain(block) as Sweep).repeat ?? {}
  const most = Math.min(MAX_SETTINGS, Number.MAX_SAFE_INTEGER - first + 1)
  if (typeof seeds === 'number' && seeds > most)
    throw new PipelineError('DEFINITION', [
      {
        where: formatOrigin(locate(block, ['repeat', 'seeds']).origin),
        message:
          `sweep.repeat.seeds: expected at most ${most} seeds, got ${seeds}` +
          (most < MAX_SETTINGS
            ? `; they are counted up from ${first}, and the largest seed is ${Number.MAX_SAFE_INTEGER} (2^53 - 1)`
            : ''),
      },
    ])
  return [...new Set(typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => first + i) : seeds)]
}

function gridSettings(grid: Value | undefined): Setting[] {
  const axes = [...entriesOf(grid)].map(([name, { key, value }]) =>
    (value.data as readonly Value[]).map((each) => overrideOf(name, each, formatOrigin(key))),
  )
  if (axes.length === 0) return []
  const count = axes.reduce((product, axis) => product * axis.length, 1)
  if (count > MAX_SETTINGS)
    throw new PipelineError('DEFINITION', [
      {
        where: formatOrigin(grid!.origin),
        message: `sweep.grid: it has ${count} cells, expected at most ${MAX_SETTINGS}`,
      },
    ])
  return axes.reduce<Setting[]>(
    (settings, axis) => settings.flatMap((setting) => axis.map((each) => [...setting, each])),
    [[]],
  )
}

function listSettings(list: Value | undefined): Setting[] {
  if (!isList(list)) return []
  return list.data.map((entry) =>
    [...entriesOf(entry)].map(([name, { key, value }]) => overrideOf(name, value, formatOrigin(key))),
  )
}

/** Each name has a random stream of its own, so that a longer series begins with the draws of a shorter one. */
function randomSettings(block: Value): Setting[] {
  const random = part(block, 'random')
  const { random: options } = plain(block) as Sweep
  if (!random || !options) return []
  if (options.n > MAX_SETTINGS)
    throw new PipelineError('DEFINITION', [
      {
        where: formatOrigin(random.origin),
        message: `sweep.random.n: expected at most ${MAX_SETTINGS}, got ${options.n}`,
      },
    ])
  const names = [...entriesOf(part(random, 'over'))].map(([name, { key, value }]) => ({
    name,
    key,
    draws: drawValues(value, options.seed ?? 0, name, options.n),
  }))
  return Array.from({ length: options.n }, (_, i) =>
    names.map(({ name, key, draws }) => overrideOf(name, draws[i]!, formatOrigin(key))),
  )
}

function part(value: Value | undefined, key: string): Value | undefined {
  return entriesOf(value).get(key)?.value
}

/** The name of an override as the user wrote it: `eta`, `model.lambda`. */
export function nameOf({ name, path }: Override): string {
  return [name, ...path].join('.')
}
