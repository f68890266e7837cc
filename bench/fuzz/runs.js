import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { Pipeline, run } from '../../dist/index.js'
import { checkpointFile, decodeCheckpoint, soundCheckpoints } from '../../dist/pipeline/directory/checkpoint.js'
import { exportFormats, exportParameters, readParameters } from '../../dist/pipeline/formats/export.js'
import { writeReport } from '../../dist/report/index.js'
import { absurdNumbers, absurdPaths, mutated, prototypeKeys } from './mutations.js'
import { outcomeOf } from './outcome.js'

/** Makes a short run. Returns its checkpoint and all files that a report reads, by name. */
async function filesOfARun() {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'))
  try {
    const pipeline = (await Pipeline.load('digits', { set: ['epochs=2'] }))
      .insertAfter('metrics', { use: 'sink/arrow' })
      .insertAfter('metrics', { use: 'sink/jsonl' })
    const out = join(folder, 'run')
    await run(pipeline, { out, kernel: 'reference', checkpoint: 'epoch' })
    const checkpoint = newestName(out)
    const names = [
      'run.json',
      'pipeline.yaml',
      'metrics.csv',
      'metrics.jsonl',
      'metrics.arrows',
      'figures/confusion.csv',
      'figures/curves.svg',
      'parameters.arrow',
      checkpoint,
    ]
    return new Map(names.map((name) => [name, readFileSync(join(out, name))]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function newestName(out) {
  const [newest] = soundCheckpoints(out, () => {})
  return checkpointFile(newest)
}

const tokens = [
  ...prototypeKeys,
  ...absurdPaths,
  ...absurdNumbers.map(String),
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '\n',
  '\0',
  '<script>',
  '</script>',
  '&lt;',
  '<svg',
  '\x89PNG',
  '"__proto__": { "x": 1 },',
  '- use: x\n',
  'published: { source: x }\n',
  'epoch,step,a_cost\n1,1,1\n',
  '{"epoch":1,"step":1}\n',
  Buffer.alloc(8, 255),
  Buffer.alloc(8, 127),
] // prettier-ignore

/** Writes a report on a run directory in which one or more files are damaged or missing (null). */
function report(original) {
  return async (changed, folder) => {
    const directory = join(folder, 'run')
    rmSync(directory, { recursive: true, force: true })
    for (const [name, bytes] of new Map([...original, ...Object.entries(changed)])) {
      if (bytes === null) continue
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), bytes)
    }
    return outcomeOf(() => writeReport([directory], { out: join(folder, 'report.html') }), ['ARGUMENTS', 'DATA'], /run/)
  }
}

/** Exports the parameters of a run. A bad file must give a DATA error that names it. */
async function exported(bytes, folder) {
  const file = join(folder, 'parameters.arrow')
  writeFileSync(file, bytes)
  const read = async () => {
    const table = readParameters(file)
    for (const format of exportFormats) exportParameters(table, format)
  }
  return outcomeOf(read, ['DATA'], /parameters/)
}

/** Reads a checkpoint: it is whole, or it is refused with a reason, which `soundCheckpoints` gives as a warning. */
async function decode(bytes) {
  try {
    decodeCheckpoint(bytes)
    return 'sound'
  } catch (error) {
    if (!(error instanceof Error) || /\n\s+at |Cannot read|not iterable|array length|offset is out/.test(error.message))
      throw error
    return 'refused'
  }
}

/** The readers of run directories. */
export async function runs() {
  const original = await filesOfARun()
  const checkpoint = [...original.keys()].at(-1)
  const text = [
    'run.json',
    'pipeline.yaml',
    'metrics.csv',
    'metrics.jsonl',
    'figures/confusion.csv',
    'figures/curves.svg',
  ]
  const damaged = (names) =>
    fc.record(Object.fromEntries(names.map((name) => [name, fc.option(mutated([original.get(name)], tokens))])), {
      requiredKeys: [],
    })
  const shown = new Map([...original].filter(([name]) => text.includes(name)))
  const arrow = new Map(
    [...original].filter(([name]) => ['run.json', 'pipeline.yaml', 'metrics.arrows'].includes(name)),
  )
  return [
    { name: 'report on a run', weight: 3, inputs: damaged(text), check: report(shown) },
    { name: 'report on Arrow metrics', weight: 1, inputs: damaged(['metrics.arrows']), check: report(arrow) },
    { name: 'parameters', weight: 4, inputs: mutated([original.get('parameters.arrow')], tokens), check: exported },
    { name: 'checkpoint', weight: 12, inputs: mutated([original.get(checkpoint)], tokens), check: decode },
  ]
}
