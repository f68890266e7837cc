import type { Problem } from '../base/errors.js'
import { defaultId, type StageEntry } from '../definition/entries.js'
import { checkPart } from '../definition/issues.js'
import type { Definition } from '../definition/read.js'
import { firstKeyProblem, formatOrigin, locate } from '../definition/value.js'
import type { Facts, Feed } from '../stage/facts.js'
import type { AnyStage } from '../stage/stage.js'
import { checkAsked } from './asked.js'
import { foldersOf, locatedOptions } from './input-files.js'
import { type Draft, wireInputs } from './inputs.js'
import type { Graph, Node } from './node.js'
import { checkOutputs } from './outputs.js'
import { checkWatched } from './watched.js'

/** Connects the stages of a definition. Adds every mistake that can be found without reading data to `problems`. */
export function buildGraph(
  definition: Definition,
  stages: ReadonlyMap<StageEntry, AnyStage>,
  problems: Problem[],
): Graph {
  const drafts = definition.stages.map((entry, i): Draft => {
    const stage = stages.get(entry)
    return {
      entry,
      stage,
      title: `stages[${entry.place ?? i}] ${entry.use}`.trim(),
      where: formatOrigin(entry.origin),
      options: undefined,
      inputs: new Map(),
    }
  })
  const byId = uniqueIds(drafts, problems)
  for (const draft of drafts) checkOptions(draft, problems)
  for (const draft of drafts) draft.stage = withOutputs(draft)
  for (const [i, draft] of drafts.entries()) wireInputs(draft, drafts.slice(0, i), byId, problems)
  for (const draft of drafts) draft.options = completed(draft, byId)
  const order = topologicalOrder(drafts, byId, problems)
  const nodes: Node[] = []
  for (const draft of order) nodes.push(withFacts(draft, nodes, definition, problems))
  checkOutputs(drafts, definition.trust.allowAbsolutePaths, (draft, option, message) =>
    problems.push(optionProblem(draft, option, message)),
  )
  if (definition.parallel) for (const draft of drafts) checkParallel(draft, problems)
  checkLearners(nodes, problems)
  const isChecked = ({ entry }: Node): boolean => drafts.some((draft) => draft.entry === entry && draft.options)
  const checked = { nodes: nodes.filter(isChecked) }
  const report = (node: Node, option: string, message: string): void => {
    problems.push(optionProblem(node, option, message))
  }
  checkAsked(checked, report)
  checkWatched(checked, definition.parallel !== undefined, report)
  return { nodes }
}

function uniqueIds(drafts: readonly Draft[], problems: Problem[]): Map<string, Draft> {
  const byId = new Map<string, Draft>()
  for (const draft of drafts) {
    const { id, idOrigin: origin, use } = draft.entry
    const other = byId.get(id)
    if (!draft.stage && id === defaultId(use)) {
      byId.set(id, other ?? draft)
      continue
    }
    if (!/^[A-Za-z][\w-]*$/.test(id))
      problems.push({
        where: formatOrigin(origin),
        message: `${draft.title}: id: expected a letter, then letters, digits, "_" and "-", got ${JSON.stringify(id)}`,
      })
    if (other)
      problems.push({
        where: formatOrigin(origin),
        message:
          `${draft.title}: duplicate id "${id}", also the id of ${other.title} at ${other.where}; ` +
          'give one of them another "id"',
      })
    else byId.set(id, draft)
  }
  return byId
}

function checkOptions(draft: Draft, problems: Problem[]): void {
  if (!draft.stage) return
  const wrong = firstKeyProblem(draft.entry.with)
  if (wrong) problems.push({ where: formatOrigin(wrong.key), message: `${draft.title}: ${wrong.problem}` })
  else
    draft.options = checkPart<AnyStage['options']>(draft.stage.options, draft.entry.with, `${draft.title}: `, problems)
}

/** The stage with the outputs that its options make. */
function withOutputs({ stage, options }: Draft): AnyStage | undefined {
  return stage?.outputsFor && options ? { ...stage, outputs: stage.outputsFor(options) } : stage
}

/** The options with those that the stage takes from what feeds it. */
function completed({ stage, options, inputs }: Draft, byId: ReadonlyMap<string, Draft>): Draft['options'] {
  if (!stage?.complete || !options) return options
  const feeds = [...inputs].map(([input, { id, port }]): [string, Feed] => [
    input,
    { id, type: byId.get(id)!.stage!.outputs[port]!.type },
  ])
  return stage.complete(options, Object.fromEntries(feeds))
}

/** A topological order, close to the order of the file. Circles are reported. */
function topologicalOrder(drafts: readonly Draft[], byId: ReadonlyMap<string, Draft>, problems: Problem[]): Draft[] {
  const order: Draft[] = []
  const state = new Map<Draft, 'visiting' | 'done'>()
  const path: Draft[] = []
  function visit(draft: Draft): void {
    if (state.get(draft) === 'done') return
    if (state.get(draft) === 'visiting') {
      const circle = [...path.slice(path.indexOf(draft)), draft].map((each) => each.entry.id)
      problems.push({ where: draft.where, message: `${draft.title}: the wires form a circle: ${circle.join(' ← ')}` })
      return
    }
    state.set(draft, 'visiting')
    path.push(draft)
    for (const source of draft.inputs.values()) {
      const maker = byId.get(source.id)
      if (maker) visit(maker)
    }
    path.pop()
    state.set(draft, 'done')
    order.push(draft)
  }
  for (const draft of drafts) visit(draft)
  return order
}

function withFacts(draft: Draft, before: readonly Node[], definition: Definition, problems: Problem[]): Node {
  const { entry, stage, title, where, options, inputs } = draft
  const inputFacts = Object.fromEntries(
    [...inputs].map(([port, source]) => [port, before.find((node) => node.id === source.id)?.facts[source.port] ?? {}]),
  )
  let facts: Readonly<Record<string, Facts>> = {}
  if (stage && options) {
    const problem = (path: string, message: string): void => {
      problems.push(optionProblem(draft, path, message))
    }
    const known = stage.facts?.({ options, inputs: inputFacts, problem }) as typeof facts | undefined
    facts = withLearner(stage, known ?? defaultFacts(stage, inputFacts), inputFacts)
  }
  const located = () => (stage && options ? locatedOptions(stage, options, foldersOf(definition)) : {})
  return {
    id: entry.id,
    title,
    where,
    entry,
    stage: stage!,
    options: options ?? {},
    located,
    inputs,
    facts,
    inputFacts,
  }
}

/**
 * Adds to each `parameters` output which learner made it: the stage's own, as its options make it, or that of the
 * parameters it was given.
 */
function withLearner(stage: AnyStage, facts: Node['facts'], inputFacts: Node['inputFacts']): Node['facts'] {
  const given = Object.keys(stage.inputs).find((port) => stage.inputs[port].type === 'parameters')
  const passed = given === undefined ? null : inputFacts[given]?.learner
  const entries = Object.keys(stage.outputs).map((port): [string, Facts] => {
    const known = facts[port] ?? {}
    if (stage.outputs[port].type !== 'parameters') return [port, known]
    const isOwn = known.learner?.name === stage.learner?.name
    const learner = (isOwn ? known.learner : stage.learner) ?? known.learner ?? passed
    return [port, learner === undefined ? known : { ...known, learner }]
  })
  return Object.fromEntries(entries)
}

/**
 * What is known about the outputs of a stage that does not say so itself: the facts of its input if it has exactly one.
 * With several inputs, nothing says which of them the outputs are like.
 */
function defaultFacts(stage: AnyStage, inputFacts: Node['inputFacts']): Node['facts'] {
  const [input, ...others] = Object.keys(stage.inputs)
  const facts = input !== undefined && others.length === 0 ? inputFacts[input] : undefined
  return Object.fromEntries(Object.keys(stage.outputs).map((port) => [port, facts ?? {}]))
}

/** Reports two different learners of one name: parameters name their learner, so it must be clear which one is meant. */
function checkLearners(nodes: readonly Node[], problems: Problem[]): void {
  const known = new Map<string, Node>()
  for (const node of nodes) {
    const learner = node.stage?.learner
    const other = learner && known.get(learner.name)
    if (other && other.stage.learner !== learner)
      problems.push({
        where: node.where,
        message: `${node.title}: its learner has the name "${learner.name}", as another learner of ${other.title}; rename one of them`,
      })
    else if (learner) known.set(learner.name, node)
  }
}

/** Reports a stage that cannot work in a divided run: it has examples, and does not say that it can work on shards. */
function checkParallel({ stage, title, where }: Draft, problems: Problem[]): void {
  if (!stage || stage.parallel) return
  const ports = [...Object.values(stage.inputs), ...Object.values(stage.outputs)] as AnyStage['inputs'][string][]
  const port = ports.find(({ type }) => type === 'examples' || type === 'batch')
  if (port)
    problems.push({
      where,
      message:
        `${title}: does not work in a parallel run: it has ${port.type === 'batch' ? 'batches' : 'examples'} ` +
        'and does not say what it does with shards of them',
    })
}

/** A problem with the option at a path such as `a.b[2]`. If the definition gives only `a`, it stands where `a` does. */
function optionProblem(
  { entry, title, where }: Pick<Draft, 'entry' | 'title' | 'where'>,
  option: string,
  message: string,
): Problem {
  const at = option ? locate(entry.with, option.replace(/\[(\d+)\]/g, '.$1').split('.')) : entry.with
  return {
    where: at === entry.with ? where : formatOrigin(at.origin),
    message: `${title}: ${option ? `${option}: ` : ''}${message}`,
  }
}
