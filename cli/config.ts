import { isMap, isScalar, isSeq, type Node, visit } from 'yaml'
import { Pipeline } from '../index.js'
import { formatOrigin, locate, type Origin, type Value } from '../pipeline/definition/value.js'
import { type ReadingFlags, readOptions } from './options.js'
import type { Output } from './terminal.js'

/** A value of a pipeline, as `--json` prints it. */
interface Setting {
  /** `seed`, or the stage's id and the option: `model.eta`. */
  readonly path: string
  readonly value: unknown
  /** Where the value comes from: `file:line:column`, `--set …` or `default`. */
  readonly origin: string
}

/** `millrace config`: prints the definition with all defaults filled in, and the origin of each value. */
export async function configCommand(
  name: string,
  flags: ReadingFlags & { readonly json?: boolean },
  output: Output,
): Promise<void> {
  const pipeline = await Pipeline.load(name, readOptions(flags))
  const { definition, graph } = pipeline
  const document = pipeline.toDocument({ resolved: true })
  const settings: Setting[] = []
  const note = (node: unknown, path: string, origin: Origin): void => {
    if (!isScalar(node)) return
    node.comment = ` ${formatOrigin(origin)}`
    settings.push({ path, value: node.value, origin: formatOrigin(origin) })
  }
  note(document.get('seed', true), 'seed', definition.seedOrigin)
  for (const [i, entry] of definition.stages.entries()) {
    const node = graph.nodes.find((each) => each.entry === entry)!
    const options = document.createNode(node.options)
    if (isMap(options) && options.items.length > 0) document.setIn(['stages', i, 'with'], options)
    note(document.getIn(['stages', i, 'use'], true), `${entry.id}.use`, entry.useOrigin)
    noteOptions(options, entry.with, (leaf, path, origin) => note(leaf, `${entry.id}.${path}`, origin))
  }
  output.write(flags.json ? `${JSON.stringify(settings)}\n` : String(document))
}

/** Calls `note` for every scalar of the options. One that the definition does not contain has the origin `default`. */
function noteOptions(options: Node, given: Value, note: (leaf: unknown, path: string, origin: Origin) => void): void {
  visit(options, {
    Scalar(key, node, ancestors) {
      if (key === 'key') return
      const steps: (string | number)[] = []
      for (const [i, at] of ancestors.entries()) {
        const next = ancestors[i + 1] ?? node
        if (isSeq(at)) steps.push(at.items.indexOf(next))
        else if (isMap(at)) {
          const pair = at.items.find((item) => item === next || item.value === next)
          steps.push(String(isScalar(pair?.key) ? pair.key.value : pair?.key))
        }
      }
      const found = locate(given, steps)
      const isGiven = found !== given && !(found.data instanceof Map)
      note(node, steps.join('.'), isGiven ? found.origin : { kind: 'default' })
    },
  })
}
