import { z } from 'zod'
import { inFileOrder, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { formatIssues } from '../pipeline/definition/issues.js'
import { type Override, overrideOf, parseAssignment } from '../pipeline/definition/overrides.js'
import { type Sweep, sweep } from '../pipeline/definition/sweep.js'
import {
  entriesOf,
  formatOrigin,
  isList,
  type Origin,
  plain,
  type Value,
  valueFrom,
  withValue,
} from '../pipeline/definition/value.js'
import { drawn } from './draw.js'

/** What the command line adds to the block `sweep:`; names given here win over the same names there. */
export interface SweepFlags {
  /** `name=value,value` each. */
  readonly grid?: readonly string[] | undefined
  /** How many settings to draw. */
  readonly random?: number | undefined
  /** `name={ logUniform: [a, b] }` each. */
  readonly over?: readonly string[] | undefined
  /** `400,401`, or how many. */
  readonly seeds?: string | undefined
  readonly monitor?: string | undefined
}

/** One value for each of some names, before it is known which seeds it is run with. */
export type Setting = readonly Override[]

/** Settings times seeds; no more than this: it is a mistake, or not for one machine. */
const MOST = 100_000

const named = z.strictObject({ sweep })

/** The block as it counts. Throws a PipelineError with every problem of block and flags. */
export function sweepBlock(written: Value | undefined, flags: SweepFlags): Value {
  const problems: Problem[] = []
  let block: Value = written ?? { data: new Map(), origin: { kind: 'set', text: 'sweep' } }
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
    const seeds = flags.seeds.split(',').map((text) => (text.trim() === '' ? text : Number(text)))
    put(['repeat', 'seeds'], valueFrom(seeds.length === 1 ? seeds[0] : seeds, origin))
  }
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  const whole = withValue(undefined, ['sweep'], block)
  const checked = named.safeParse(plain(whole))
  if (!checked.success) problems.push(...formatIssues(checked.error, named, whole, '', 'key'))
  else problems.push(...misplacedSeeds(block))
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

/** The settings of a checked block, each once: grid (the last name changes fastest), list, draws. */
export function settingsOf(block: Value): Setting[] {
  const data = plain(block) as Sweep
  const settings = [...gridSettings(part(block, 'grid')), ...listSettings(part(block, 'list')), ...drawnSettings(block)]
  const distinct = new Map(
    settings.map((setting) => [
      JSON.stringify(setting.map(({ name, path, value }) => [name, path, plain(value)])),
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

/** The seeds to run each setting with; the pipeline's own where the block names none. */
export function seedsOf(block: Value, own: number): number[] {
  const { seeds = [own] } = (plain(block) as Sweep).repeat ?? {}
  return [...new Set(typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => own + i) : seeds)]
}

function gridSettings(grid: Value | undefined): Setting[] {
  const axes = [...entriesOf(grid)].map(([name, { key, value }]) =>
    (value.data as readonly Value[]).map((each) => overrideOf(name, each, formatOrigin(key))),
  )
  if (axes.length === 0) return []
  const count = axes.reduce((product, axis) => product * axis.length, 1)
  if (count > MOST)
    throw new PipelineError('DEFINITION', [
      { where: formatOrigin(grid!.origin), message: `sweep.grid: it has ${count} cells, expected at most ${MOST}` },
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

/** A longer series begins with the draws of a shorter one: each name has a stream of its own. */
function drawnSettings(block: Value): Setting[] {
  const random = part(block, 'random')
  const { random: given } = plain(block) as Sweep
  if (!random || !given) return []
  if (given.n > MOST)
    throw new PipelineError('DEFINITION', [
      { where: formatOrigin(random.origin), message: `sweep.random.n: expected at most ${MOST}, got ${given.n}` },
    ])
  const names = [...entriesOf(part(random, 'over'))].map(([name, { key, value }]) => ({
    name,
    key,
    draws: drawn(value, given.seed ?? 0, name, given.n),
  }))
  return Array.from({ length: given.n }, (_, i) =>
    names.map(({ name, key, draws }) => overrideOf(name, draws[i]!, formatOrigin(key))),
  )
}

function part(value: Value | undefined, key: string): Value | undefined {
  return entriesOf(value).get(key)?.value
}

/** The name as it was written: `eta`, `model.lambda`. */
export function nameOf({ name, path }: Override): string {
  return [name, ...path].join('.')
}
