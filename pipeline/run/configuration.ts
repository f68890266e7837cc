import { isDeepStrictEqual } from 'node:util'
import { PipelineError, type Problem } from '../base/errors.js'
import { nonFiniteAsText } from '../base/json.js'
import { entriesOf, formatOrigin } from '../definition/value.js'
import type { Configuration, OptionChange } from '../directory/configuration.js'
import type { Node } from '../graph/node.js'
import type { Pipeline } from '../graph/pipeline.js'

/** Returns the configuration of a pipeline, for checkpoints. */
export function configurationOf({ seed, splitSeed, graph }: Pipeline): Configuration {
  return { seed, splitSeed, stages: Object.fromEntries(graph.nodes.map((node) => [node.id, stageOf(node)])) }
}

function stageOf({ stage, inputs, options }: Node): Configuration['stages'][string] {
  const sources = [...inputs].map(([port, source]) => [port, `${source.id}.${source.port}`])
  return {
    name: stage.name,
    inputs: Object.fromEntries(sources),
    options: asJson(options) as Record<string, unknown>,
  }
}

/** What JSON makes of a value. A program may have given options that are no JSON. */
function asJson(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value, nonFiniteAsText) ?? 'null')
  } catch {
    return {}
  }
}

/** An option that a run is resumed with another value of. */
export interface OptionDifference extends Omit<OptionChange, 'from'> {
  /** The id of the stage; undefined for the seed. */
  readonly stage: string | undefined
  /** What its stage says about such a change: see `Stage.onResume`; undefined if it may not change. */
  readonly counts: 'whole' | 'rest' | undefined
  /** Where the new value comes from. */
  readonly where: string | undefined
  /** The name of the stage in messages; empty for the seed. */
  readonly title: string
}

/** Returns what is different between the configuration of a checkpoint and the pipeline to go on with. */
export function differencesBetween(before: Configuration, pipeline: Pipeline): OptionDifference[] {
  const { graph } = pipeline
  const found: OptionDifference[] = []
  for (const option of ['seed', 'splitSeed'] as const) {
    const was = before[option]
    const is = pipeline[option]
    if (was !== undefined && was !== is)
      found.push({ stage: undefined, option, was, is, counts: undefined, where: undefined, title: '' })
  }
  for (const node of graph.nodes) {
    // A stage may have the id `constructor`. A stage that is new has no states yet.
    if (!Object.hasOwn(before.stages, node.id)) continue
    const [old, now] = [before.stages[node.id]!, stageOf(node)]
    const add = (option: string, was: unknown, is: unknown, rest: Partial<OptionDifference> = {}): void => {
      if (isDeepStrictEqual(was, is)) return
      found.push({
        stage: node.id,
        option: `${node.id}.${option}`,
        was: was ?? null,
        is: is ?? null,
        counts: undefined,
        where: node.where,
        title: node.title,
        ...rest,
      })
    }
    add('use', old.name, now.name)
    add('from', old.inputs, now.inputs)
    if (old.name !== now.name) continue
    const given = entriesOf(node.entry.with)
    for (const option of new Set([...Object.keys(old.options), ...Object.keys(now.options)])) {
      // An option that the earlier version did not have is no change if nobody has set it.
      if (!Object.hasOwn(old.options, option) && !given.has(option)) continue
      const value = given.get(option)?.value
      add(option, old.options[option], now.options[option], {
        ...(value?.reference !== undefined && { var: value.reference }),
        counts: node.stage.onResume?.[option],
        where: value ? formatOrigin(value.origin) : node.where,
      })
    }
  }
  return found
}

/**
 * Throws a PipelineError `DEFINITION` if an option may not change.
 *
 * @param keepsState whether the checkpoint has a state of a stage
 * @param force true if options of stages without a state may change
 */
export function checkDifferences(
  differences: readonly OptionDifference[],
  keepsState: (stage: string) => boolean,
  force: boolean,
): void {
  const problems = differences.flatMap(({ stage, option, was, is, counts, where, title }): Problem[] => {
    const isStored = stage !== undefined && keepsState(stage)
    if (counts !== undefined || (force && !isStored)) return []
    const why = isStored ? 'what the run has stored was made with the old value' : 'the run was made with the old value'
    const insist = isStored ? '' : ', or --force to go on with it'
    const name = title ? `${title}: ${option.slice(option.indexOf('.') + 1)}` : option
    return [
      {
        where,
        message: `${name}: was ${shown(was)}, is now ${shown(is)}; ${why}: put it back, or begin a new run${insist}`,
      },
    ]
  })
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)
}

/** Returns the changes to record. A forced change counts for the rest of the run. */
export function changesFrom(differences: readonly OptionDifference[], step: number): OptionChange[] {
  return differences.map(({ option, var: name, was, is, counts }) => ({
    option,
    ...(name !== undefined && { var: name }),
    was,
    is,
    from: counts === 'whole' ? 1 : step + 1,
  }))
}

/** The longest value in a message, in characters. */
const LONGEST = 200

/** Formats a value of an option for a message. */
export function shown(value: unknown): string {
  const text = value === null ? 'not set' : JSON.stringify(value)
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
