import { isMap, isScalar, isSeq, type Node, visit } from 'yaml'
import { Pipeline } from '../index.js'
import { formatOrigin, locate, type Origin, type Value } from '../pipeline/definition/value.js'
import type { Output } from './output.js'
import { type ReadingFlags, readOptions } from './reading.js'

interface Setting {
  readonly path: string
  readonly value: unknown
  readonly origin: string
}

/** `millrace config`: the definition with all defaults filled in, each value with where it came from. */
export async function configCommand(
  name: string,
  flags: ReadingFlags & { readonly json?: boolean },
  output: Output,
): Promise<void> {
  const pipeline = await Pipeline.load(name, readOptions(flags))
  const { definition, graph } = pipeline
  const document = pipeline.toDocument({ resolved: true })
  const settings: Setting[] = []
  const say = (node: unknown, path: string, origin: Origin): void => {
    if (!isScalar(node)) return
    node.comment = ` ${formatOrigin(origin)}`
    settings.push({ path, value: node.value, origin: formatOrigin(origin) })
  }
  say(document.get('seed', true), 'seed', definition.seedOrigin)
  for (const [i, entry] of definition.stages.entries()) {
    const node = graph.nodes.find((each) => each.entry === entry)!
    const options = document.createNode(node.options)
    if (isMap(options) && options.items.length > 0) document.setIn(['stages', i, 'with'], options)
    say(document.getIn(['stages', i, 'use'], true), `${entry.id}.use`, entry.useOrigin)
    sayOptions(options, entry.with, (leaf, path, origin) => say(leaf, `${entry.id}.${path}`, origin))
  }
  output.write(flags.json ? `${JSON.stringify(settings)}\n` : String(document))
}

/** Visits every scalar of the options; what the definition does not hold is a default. */
function sayOptions(options: Node, given: Value, say: (leaf: unknown, path: string, origin: Origin) => void): void {
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
      say(node, steps.join('.'), isGiven ? found.origin : { kind: 'default' })
    },
  })
}
