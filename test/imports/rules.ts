import { posix } from 'node:path'
import ts from 'typescript'

/**
 * The rooms from top to bottom: a file imports from its own room and from rooms below. The first entry that a path
 * begins with is its room.
 */
const rooms = [
  'reference/',
  'cli/',
  'dashboard/',
  'report/',
  'sweep/queue/',
  'sweep/',
  'testing.ts',
  'testing/',
  'index.ts',
  'stages/index.ts',
  'stages/',
  'model.ts',
  'learners/',
  'figures/',
  'pipeline/stage-kit.ts',
  'pipeline/thread-kit.ts',
  'pipeline/run/',
  'pipeline/live/',
  'pipeline/graph/',
  'pipeline/parallel/',
  'pipeline/directory/',
  'pipeline/definition/',
  'pipeline/formats/',
  'pipeline/flow/',
  'pipeline/files/',
  'pipeline/wires/',
  'pipeline/stage/',
  'pipeline/base/',
  'kernels/index.ts',
  'kernels/registry.ts',
  'kernels/wasm/',
  'kernels/native/',
  'kernels/webgpu/',
  'kernels/',
] as const

/** The only thing of the engine that stages and learners may import. */
const kit = 'pipeline/stage-kit.ts'

/** What their threads (`*-worker.ts`) import instead. */
const threadKit = 'pipeline/thread-kit.ts'

/** Finds the imports between source files that break a rule. Each problem names both files and the rule. */
export function importProblems(files: ReadonlyMap<string, string>): string[] {
  const imports = new Map([...files].map(([file, text]) => [file, importsOf(file, text, files)]))
  const stages = new Set([...files].filter(([file, text]) => isStage(file, text)).map(([file]) => file))
  const problems: string[] = []
  for (const [from, targets] of imports)
    for (const to of targets) {
      const rule = brokenRule(from, to, stages)
      if (rule) problems.push(`${from} imports ${to}: ${rule}`)
    }
  for (const circle of circles(imports)) problems.push(`${circle.join(' → ')}: the imports form a circle`)
  return problems
}

/**
 * Finds functions, constants and classes that are exported and named in no other file, as `file: name`.
 *
 * @param users further files that may use them, such as tests
 */
export function unusedExports(files: ReadonlyMap<string, string>, users: readonly string[]): string[] {
  const namesOf = (text: string): Set<string> => new Set(text.match(/[\w$]+/g))
  const named = new Map<string, number>()
  for (const text of [...files.values(), ...users])
    for (const name of namesOf(text)) named.set(name, (named.get(name) ?? 0) + 1)
  const exported = /^export (?:async )?(?:function\*?|const|class) ([\w$]+)/gm
  return [...files].flatMap(([file, text]) =>
    [...text.matchAll(exported)].flatMap(([, name]) => (named.get(name!) === 1 ? [`${file}: ${name}`] : [])),
  )
}

/** Whether a file exports a stage. */
function isStage(file: string, text: string): boolean {
  return file.startsWith('stages/') && /^export const \w+ = (defineStage|gradientStep)\(/m.test(text)
}

/** The files of this project that a file imports, types included. */
function importsOf(file: string, text: string, files: ReadonlyMap<string, string>): string[] {
  const { importedFiles } = ts.preProcessFile(text)
  const targets = importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => posix.join(posix.dirname(file), fileName).replace(/\.js$/, '.ts'))
    .map((target) => (files.has(target) ? target : target.replace(/\.ts$/, '.tsx')))
  return [...new Set(targets)].filter((target) => files.has(target))
}

function brokenRule(from: string, to: string, stages: ReadonlySet<string>): string | undefined {
  const [upper, lower] = [roomOf(from), roomOf(to)]
  if (upper < 0) return `${from} is in no known room`
  if (lower < upper) return `${rooms[upper]} lies below ${rooms[lower]}`
  const isStageOrLearner = /^(stages|learners)\//.test(from)
  const ownKit = from.endsWith('-worker.ts') ? threadKit : kit
  if (isStageOrLearner && to.startsWith('pipeline/') && to !== ownKit)
    return `stages and learners import ${kit} alone, their threads ${threadKit}`
  if (from !== 'stages/index.ts' && from.startsWith('stages/') && stages.has(to)) return 'a stage imports no stage'
  return undefined
}

function roomOf(file: string): number {
  return rooms.findIndex((room) => file.startsWith(room))
}

/** The circles among the imports, by depth-first search; one for each import that closes a circle. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  function visit(file: string): void {
    if (done.has(file)) return
    const at = path.indexOf(file)
    if (at >= 0) {
      found.push(closed(path.slice(at)))
      return
    }
    path.push(file)
    for (const target of imports.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of imports.keys()) visit(file)
  return found
}

/** A circle that begins and ends with the first of its files by name. */
function closed(circle: readonly string[]): string[] {
  const first = circle.indexOf([...circle].sort()[0]!)
  return [...circle.slice(first), ...circle.slice(0, first), circle[first]!]
}
