import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Kernels, Network, Origin, Rows } from '../../dist/kernels/index.js'
import { outOfMemory } from '../../dist/kernels/memory.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { INSTALL, INSTALL_LOADERS, openDevice } from '../../dist/kernels/webgpu/device.js'
import { kernelsOn, webgpuKernels } from '../../dist/kernels/webgpu/index.js'
import { compiler } from '../../dist/kernels/webgpu/shader.js'
import { webgpuSkip } from './adapter.js'
import {
  agrees,
  bothNetworks,
  type Case,
  cases,
  parametersFor,
  plain,
  rowsFor,
  rules,
  rulesAgree,
  shapeOf,
  stepperOf,
} from './networks.js'
import { part, randomRows, sgd } from './problems.js'

const skip = await webgpuSkip()
const kernels = skip ? undefined : await webgpuKernels()
t.teardown(() => kernels?.close())

const six: Case = { ...plain([6, 5], 12), batchNorm: true, seed: 3 }
const line: Case = { ...plain([], 10), classes: 3, rows: 9, seed: 4 }

/** A test on the GPU, skipped by name where there is none. */
function onGpu(name: string, run: (t: Test, kernels: Kernels) => Promise<void>): void {
  t.test(name, { skip }, (t) => run(t, kernels!))
}

/** Next to the sizes of tiles, of groups of four and of divided sums; as small as they can be, for software adapters. */
const edges: Omit<Case, 'seed'>[] = [
  { ...plain([], 515), kind: 'uint8 with affine', rows: 10 },
  { ...plain([], 7), classes: 2, rows: 1 },
  { ...plain([1], 1), classes: 2, rows: 2, kind: 'uint8' },
  { ...plain([65, 33], 130), batchNorm: true, rows: 67, kind: 'uint8 with affine' },
  { ...plain([33], 40), rows: 70, loss: 'hinge' },
  { ...plain([6], 17), classes: 1000, rows: 5 },
  { ...plain([20, 17], 20), rows: 64, smoothing: 0.2, batchNorm: true },
  { ...plain([20, 30], 50), rows: 30, dropout: 0.5, weighted: true, kind: 'uint8 with affine' },
  { ...plain([20, 30, 9], 50), rows: 40, dropout: 0.2, batchNorm: true, frozen: 1 },
  { ...plain([20, 30], 50), rows: 20, frozen: 0 },
  { ...plain([20, 140], 30), rows: 20 },
  { ...plain([9], 20), rows: 200 },
  { ...plain([], 64), rows: 33, weighted: true, smoothing: 0.3 },
]

onGpu('networks are those of the reference', async (_, kernels) => {
  for (const [i, each] of edges.entries()) await agrees(kernels, { ...each, seed: i + 5 })
  const small = cases.map((each) => ({ ...each, rows: (each.rows % 60) + 20, features: (each.features % 100) + 5 }))
  const property = fc.asyncProperty(small, (each) => agrees(kernels, each))
  await fc.assert(property, { seed: 400, numRuns: 5, endOnFailure: true })
})

onGpu('large products, which have tiles of their own, are those of the reference', async (_, kernels) => {
  await agrees(kernels, { ...plain([260], 130), rows: 258, classes: 3, kind: 'uint8 with affine', seed: 3 })
})

onGpu('rows that are larger than what gathers for many steps are uploaded on their own', async (_, kernels) => {
  await agrees(kernels, { ...plain([], 4100), rows: 1100, classes: 2, kind: 'uint8', seed: 3 })
})

onGpu('rules that keep state make the steps of the reference', async (t, kernels) => {
  const few = [edges[0]!, edges[6]!, edges[8]!, edges[9]!]
  for (const [i, each] of few.entries()) await rulesAgree(t, kernels, { ...each, seed: i + 30 }, rules[i]!)
})

onGpu('l1 and a limit of the norm are those of the reference, and part of the step', async (t, kernels) => {
  const [first, , , deep, hinge, , , , frozen] = edges
  for (const [i, [each, update, change]] of (
    [
      [first, 'sgd', { l1: 0.01 }],
      [hinge, { momentum: 0.7 }, { clip: 0.5 }],
      [deep, 'sgd', { clip: 0.1, l1: 0.02 }],
      [frozen, rules[3], { clip: 0.05, l1: 0.1 }],
      [hinge, 'sgd', { clip: 1e6 }],
    ] as const
  ).entries())
    await rulesAgree(t, kernels, { ...each!, seed: i + 60 }, update!, change)
  // The squares of this gradient are too large for float32.
  const rows = randomRows(line)
  const large = { ...rows, values: rows.values.map((value) => value * 1e24) as Float32Array }
  await rulesAgree(t, kernels, { ...line, loss: 'hinge' }, 'sgd', { clip: 2 }, large)
  const { isWhole } = stepperOf(kernels, bothNetworks(kernels, line)[0], shapeOf(line), 'adam', { clip: 1, l1: 1 })
  t.ok(isWhole)
})

/** The bits of all results of a short training. */
async function fingerprint(kernels: Kernels, each: Case, more: Partial<Rows> = {}): Promise<string[]> {
  const shape = shapeOf(each)
  const model = kernels.network(shape)
  model.load(parametersFor(shape, each))
  const rows: Rows = { ...rowsFor(each), ...more }
  const stepper = stepperOf(kernels, model, shape, 'adam')
  const losses = [model.step(rows, sgd(0.01, 0.1)), stepper.step(rows, 0.01, 1), stepper.step(rows, 0.01, 2)]
  model.accumulate(rows)
  const { arrays, loss } = await model.gradient(0.1)
  const found = [String(await Promise.all(losses)), String(loss), JSON.stringify(await model.evaluate(rows))]
  const scores = new Float32Array(each.rows * each.classes)
  await model.scores(rows, scores)
  const all = { ...arrays, ...(await model.read()), scores, ...stepper.state() }
  for (const values of Object.values(all)) found.push(Buffer.from(Float32Array.from(values).buffer).toString('base64'))
  model.free()
  return found
}

onGpu('the same bits again, also for rows that stay on the device', async (t, kernels) => {
  const again = await webgpuKernels()
  for (const i of [0, 3, 7]) {
    const each = { ...edges[i]!, seed: 50 }
    const once = await fingerprint(kernels, each)
    t.same(await fingerprint(kernels, each, { isFixed: true }), once)
    t.same(await fingerprint(kernels, each, { origin: originOf(rowsFor(each), each.features) }), once, 'gathered')
    if (i === 0) t.same(await fingerprint(again, each), once, 'opened again')
  }
  again.close()
})

/** Rows as they may lie elsewhere: backwards, and two of others in front of them. */
function originOf({ values, labels }: Rows, features: number): Origin {
  const count = labels.length
  const moved =
    values instanceof Uint8Array ? new Uint8Array(features * (count + 2)) : new Float32Array(features * (count + 2))
  for (let i = 0; i < count; i++) moved.set(values.subarray(i * features, (i + 1) * features), (count - i) * features)
  // The memory of the origin begins with a row that is not part of it.
  return { values: moved.subarray(features), rows: Uint32Array.from({ length: count }, (_, i) => count - 1 - i) }
}

onGpu('rows are gathered from their origin where it is on the device, and uploaded where it has no room', async (t) => {
  const gpu = await openDevice()
  const uploaded: number[] = []
  const { queue } = gpu.device
  const writeBuffer: typeof queue.writeBuffer = (...args) => {
    uploaded.push((args[4] as number | undefined) ?? (args[2] as Uint8Array).byteLength)
    queue.writeBuffer(...args)
  }
  const watched = { writeBuffer, submit: queue.submit.bind(queue) }
  const device = new Proxy(gpu.device, {
    get: (target, key) => {
      const found = key === 'queue' ? watched : target[key as keyof GPUDevice]
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
  for (const most of [gpu.most, 4000]) {
    const kernels = kernelsOn({ ...gpu, device, most })
    const each: Case = { ...plain([], 515), kind: 'uint8 with affine', rows: 8, seed: 3 }
    const [model] = bothNetworks(kernels, each)
    const rows = rowsFor(each)
    const given = { ...rows, origin: originOf(rows, 515) }
    const losses = [model.step(given, sgd(0.1, 0)), model.step(given, sgd(0.1, 0))]
    await losses[1]
    uploaded.length = 0
    await model.step(given, sgd(0.1, 0))
    const isUploaded = uploaded.some((bytes) => bytes >= rows.values.length)
    t.equal(isUploaded, most === 4000)
    uploaded.length = 0
    for (let i = 0; i < 3; i++) model.step(given, sgd(0.1, 0))
    await model.settle!()
    t.equal(uploaded.length, 2, 'one write of what three steps need, and one of what their dispatches are told')
    const wrong = { ...given, origin: { ...given.origin, rows: given.origin.rows.map((row) => row + 2) } }
    t.throws(() => model.step(wrong, sgd(0.1, 0)), /row 0 was copied from row 9 of 9/)
    model.free()
  }
  gpu.close()
})

onGpu('rows that no buffer of the device holds are kept in parts, and evaluated in passes', async (t) => {
  const gpu = await openDevice()
  const kernels = kernelsOn({ ...gpu, most: 200 })
  const shape = shapeOf({ ...line, features: 13 })
  const [own, oracle] = [kernels.network(shape), referenceKernels().network(shape)]
  for (const each of [own, oracle]) each.load(parametersFor(shape, line))
  const all: Rows = { ...randomRows({ ...line, features: 13, rows: 40, kind: 'uint8' }), isFixed: true }
  for (const [from, to] of [
    [0, 9],
    [3, 5],
    [10, 17],
    [2, 40],
    [39, 40],
  ] as const) {
    const rows = part(all, 13, from, to)
    const [found, expected] = [new Float32Array(3 * (to - from)), new Float32Array(3 * (to - from))]
    await own.scores(rows, found)
    oracle.scores(rows, expected)
    t.ok(
      found.every((score, i) => Math.abs(score - expected[i]!) <= 1e-4 * Math.max(100, Math.abs(score))),
      `${from} to ${to}`,
    )
    t.equal((await own.evaluate(rows)).correct, (await oracle.evaluate(rows)).correct)
  }
  kernels.close()
})

onGpu('losses come later and in order; a call that needs them has them read', async (t, kernels) => {
  t.equal(kernels.stepsAhead, 64)
  const [model, oracle] = bothNetworks(kernels, line)
  const rows = rowsFor(line)
  const order: number[] = []
  const step = (i: number) => {
    const expected = oracle.step(rows, sgd(0.01, 0))
    return (model.step(rows, sgd(0.01, 0)) as Promise<number>).then((loss) => {
      order.push(i)
      if (Math.abs(loss - expected) > 1e-5) throw new Error(`loss ${i}: ${loss}, not ${expected}`)
    })
  }
  const all = Array.from({ length: 150 }, (_, i) => step(i))
  await all[85]
  t.ok(order.length >= 86 && order.length <= 128, 'the oldest is settled without another call')
  await model.settle!()
  t.equal(order.length, 150)
  t.same(order, [...order.keys()])
  await step(150)
  t.equal(order.length, 151, 'a loss that is waited for comes soon')
  const last = step(151)
  await model.evaluate(rows)
  await last
  model.free()
})

onGpu(
  'read gives the same arrays each time, with the state of the rule, which the host may then change',
  async (t, kernels) => {
    const shape = shapeOf(six)
    const [model, same] = [0, 1].map(() => {
      const model = kernels.network(shape)
      model.load(parametersFor(shape, six))
      return model
    }) as [Network, Network]
    const rows = rowsFor(six)
    const [one, other] = [model, same].map((each) => stepperOf(kernels, each, shape, 'momentum')) as [
      ReturnType<typeof stepperOf>,
      ReturnType<typeof stepperOf>,
    ]
    const arrays = await model.read()
    for (const step of [1, 2, 3]) {
      one.step(rows, 0.1, step)
      other.step(rows, 0.1, step)
      // A read changes nothing.
      t.equal(await model.read(), arrays)
    }
    t.same(await same.read(), arrays)
    t.same(other.state(), one.state())
    const copies = [arrays, one.state()].map((each) =>
      Object.fromEntries(Object.entries(each).map(([name, values]) => [name, values.slice()])),
    )
    // A read that is under way while steps go on has the parameters from before them.
    const reading = model.read()
    one.step(rows, 0.1, 4)
    t.same(await reading, copies[0])
    await model.read()
    t.notSame(arrays, copies[0])
    // The run goes on from what was kept.
    model.load(copies[0]!)
    for (const [name, values] of Object.entries(one.state())) values.set(copies[1]![name]!)
    one.step(rows, 0.1, 4)
    other.step(rows, 0.1, 4)
    t.same(await model.read(), await same.read())
    t.same(one.state(), other.state())
    await model.change(({ b3 }) => b3!.fill(7))
    t.same((await model.read()).b3, new Float32Array(10).fill(7))
    for (const each of [model, same]) each.free()
    model.free()
  },
)

onGpu('a batch in parts makes the step of the whole', async (t, kernels) => {
  const rows = rowsFor(line)
  const [whole] = bothNetworks(kernels, line)
  const [parts] = bothNetworks(kernels, line)
  whole.step(rows, sgd(0.1, 0.1))
  parts.accumulate(part(rows, 10, 0, 4))
  parts.accumulate(part(rows, 10, 4, 4))
  parts.accumulate(part(rows, 10, 4, 9))
  const loss = await parts.step(part(rows, 10, 9, 9), sgd(0.1, 0.1))
  t.ok(Math.abs(loss - (await (await bothNetworks(kernels, line))[0].step(rows, sgd(0, 0)))) < 1e-6)
  const [found, expected] = [await parts.read(), await whole.read()]
  for (const [name, values] of Object.entries(expected))
    for (const [i, value] of values.entries()) if (Math.abs(value - found[name]![i]!) > 1e-6) t.fail(`${name} ${i}`)
  t.same(await whole.evaluate(part(rows, 10, 0, 0)), { loss: 0, correct: 0 })
})

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  onGpu(`${value} in a row gives a loss of NaN, and scores that are not finite in this row`, async (t, kernels) => {
    for (const each of [line, { ...six, batchNorm: false }]) {
      const [model] = bothNetworks(kernels, each)
      const rows = randomRows(each)
      rows.values[4 * each.features + 5] = value
      t.ok(Number.isNaN((await model.evaluate(rows)).loss))
      const scores = new Float64Array(each.rows * each.classes)
      await model.scores(rows, scores)
      const bad = [...scores.keys()].filter((i) => !Number.isFinite(scores[i]))
      if (each === line) t.same(bad, [12, 13, 14])
      t.ok(bad.every((i) => Math.floor(i / each.classes) === 4))
      t.ok(Number.isNaN(await model.step(rows, sgd(0.1, 0))))
    }
  })

onGpu('wrong arguments are refused, and change nothing', async (t, kernels) => {
  const [model] = bothNetworks(kernels, six)
  const [same] = bothNetworks(kernels, six)
  const rows = randomRows(six)
  const wrong = { ...rows, labels: rows.labels.map(() => 10) }
  const short = { ...rows, values: new Float32Array(3) }
  const weighted = { ...rows, weights: new Float64Array(9) }
  for (const [bad, message] of [
    [wrong, /label 10 of row 0 is not in 0 … 9/],
    [short, /9 rows of 12 features need 108 values, got 3/],
    [weighted, /the network is not weighted/],
  ] as const) {
    t.throws(() => model.accumulate(bad), message)
    t.throws(() => model.step(bad, sgd(0.1, 0)), message)
    if (bad !== weighted) await t.rejects(model.evaluate(bad) as Promise<unknown>, message)
  }
  t.throws(() => model.step(part(rows, 12, 0, 0), sgd(1, 1)), /expected at least one row/)
  await t.rejects(model.gradient(0) as Promise<unknown>, /expected at least one row/)
  await t.rejects(model.scores(rows, new Float32Array(89)) as Promise<unknown>, /there is room for 89/)
  t.throws(() => model.load({ ...six } as never), /W1 of 72/)
  t.throws(() => kernels.network({ features: 4, layers: [], loss: 'hinge' }), RangeError)
  t.throws(
    () => kernels.network({ ...shapeOf(six), layers: Array(251).fill({ units: 2 }) }),
    /250 layers at most, got 251/,
  )
  t.throws(() => kernels.network(shapeOf({ ...six, features: 2 ** 21, hidden: [1000] })), {
    code: 'OUT_OF_MEMORY',
    message: /^cannot allocate \d+ bytes: the GPU \(.+\) has buffers of \d+ bytes at most/,
  })
  t.equal(await model.step(rows, sgd(0.1, 0)), await same.step(rows, sgd(0.1, 0)))
  t.same(await model.read(), await same.read())
})

onGpu('a batch that the device has no room for is refused, and a smaller one goes on', async (t) => {
  const gpu = await openDevice()
  const memory: typeof gpu.memory = (label, bytes, ...use) => {
    if (label === 'slopes' && bytes > 1000) throw outOfMemory(bytes)
    return gpu.memory(label, bytes, ...use)
  }
  const kernels = kernelsOn({ ...gpu, memory })
  const [[model], [same]] = [bothNetworks(kernels, line), bothNetworks(kernels, line)]
  const [rows, many] = [rowsFor(line), rowsFor({ ...line, rows: 100 })]
  const losses = [model.step(rows, sgd(0.1, 0))]
  t.throws(() => model.step(many, sgd(0.1, 0)), { code: 'OUT_OF_MEMORY' })
  losses.push(model.step(rows, sgd(0.1, 0)), same.step(rows, sgd(0.1, 0)), same.step(rows, sgd(0.1, 0)))
  const [first, second, ...expected] = await Promise.all(losses)
  t.same([first, second], expected)
  model.free()
  t.throws(() => model.step(rows, sgd(0.1, 0)), /this network has been freed/)
  await t.rejects(model.evaluate(rows) as Promise<unknown>, /this network has been freed/)
  t.ok((await same.evaluate(rows)).loss > 0, 'the device goes on')
  kernels.close()
})

/** Opens the kernels, and has `ruin` do something to the device while calls wait. Returns what becomes of them. */
async function ruined(
  ruin: (gpu: Awaited<ReturnType<typeof openDevice>>, kernels: Kernels) => void,
): Promise<string[]> {
  const gpu = await openDevice()
  const kernels = kernelsOn(gpu)
  const [model] = bothNetworks(kernels, line)
  const rows = rowsFor(line)
  await model.step(rows, sgd(0.1, 0))
  const calls = [
    () => model.step(rows, sgd(0.1, 0)),
    () => model.read(),
    () => model.evaluate(rows),
    () => model.settle!(),
  ]
  const waiting = calls.map((call) => call())
  ruin(gpu, kernels)
  const message = (error: Error) => error.message
  const found = await Promise.all(waiting.map((each) => (each as Promise<unknown>).then(() => 'resolved', message)))
  for (const call of calls) found.push(await (async () => call())().then(() => 'resolved', message))
  model.free()
  kernels.close()
  return found
}

onGpu('a lost device is an error of all calls, and says what to do', async (t) => {
  const lost =
    /^the GPU \(.+\) failed: it was lost \(destroyed.*\); the last checkpoint is good: resume the run, or use another kernel$/
  for (const found of await ruined((gpu) => gpu.device.destroy())) t.match(found, lost)
  for (const found of await ruined((_, kernels) => kernels.close())) t.equal(found, 'these kernels are closed')
})

onGpu('a shader that does not compile is named, with the line', async (t) => {
  const wrong = { label: 'wrong', bindings: [], code: '@compute @workgroup_size(1) fn main() { let x = nothing; }' }
  const found = await ruined((gpu) => compiler(gpu)(wrong))
  t.match(
    found.at(-1),
    /^the GPU \(.+\) failed: the shader "wrong" does not compile: line \d+:\d+: unresolved value 'nothing'/,
  )
})

t.test('a machine without a driver is told what is missing', { skip }, (t) => {
  const kernels = new URL('../../dist/kernels/webgpu/index.js', import.meta.url)
  const program = `const { webgpuMissing, webgpuKernels } = await import('${kernels}')
console.log(await webgpuMissing())
await webgpuKernels().catch(({ message }) => console.log(message))`
  const env = { ...process.env, VK_ICD_FILENAMES: '/nonexistent/driver.json' }
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env })
  const message =
    'no GPU was found: VK_ICD_FILENAMES names the driver /nonexistent/driver.json, which does not work or does not exist\n'
  t.equal(stdout, message + message)
  t.end()
})

/** Runs a program with an own copy of the kernels, far from any package. */
function alone(t: Test, program: string): string {
  const folder = t.testdir({ 'package.json': '{"type":"module"}', 'program.js': program })
  const outside = mkdtempSync(join(tmpdir(), 'millrace-kernels-'))
  t.teardown(() => rmSync(outside, { recursive: true }))
  cpSync(folder, outside, { recursive: true })
  cpSync('dist/kernels', join(outside, 'kernels'), { recursive: true })
  return execFileSync(process.execPath, ['program.js'], { cwd: outside, encoding: 'utf8' })
}

t.test('a machine without the package is told the command that installs it', async (t) => {
  const program = `import { implementations } from './kernels/registry.js'
console.log(await implementations.webgpu.missing())
await implementations.webgpu.open({ threads: 1 }).catch(({ message }) => console.log(message))`
  const line = `the package webgpu is not installed; install it: ${INSTALL}\n`
  t.equal(alone(t, program), line + line)
})

onGpu(
  'a process with an open device, and one that has closed it with calls under way, end by themselves',
  async (t) => {
    const kernels = new URL('../../dist/kernels/webgpu/index.js', import.meta.url)
    const program = `const { webgpuKernels } = await import('${kernels}')
const kernels = await webgpuKernels()
const model = kernels.network({ features: 8, layers: [{ units: 2 }], loss: 'hinge' })
const step = () => model.step({ values: new Uint8Array(8), labels: new Int32Array(1) }, { rule: 'sgd', eta: 0.1, lambda: 0 })
await step()
step().catch(() => {})
if (process.argv[1] === 'close') kernels.close()`
    // Mesa prints an error where there is no such folder.
    const env = { XDG_RUNTIME_DIR: tmpdir(), ...process.env }
    for (const how of ['close', 'leave']) {
      const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, how], {
        encoding: 'utf8',
        env,
      })
      t.same({ status, stderr }, { status: 0, stderr: '' }, how)
    }
  },
)

t.test('a package that does not load, or is another one, is named with what it throws', async (t) => {
  const broken: [body: string, reason: string][] = [
    ['throw new Error("no libEGL\\nat all")', 'the package webgpu does not load on this machine: no libEGL'],
    ['throw undefined', 'the package webgpu does not load on this machine: undefined'],
    [
      'export const x = 1',
      `the package webgpu that is installed is none that Millrace knows; install this one: ${INSTALL}`,
    ],
  ]
  const program = `import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
for (const [i, body] of ${JSON.stringify(broken.map(([body]) => body))}.entries()) {
  cpSync('kernels', i + '/kernels', { recursive: true })
  mkdirSync(i + '/node_modules/webgpu', { recursive: true })
  writeFileSync(i + '/node_modules/webgpu/package.json', '{"type":"module","main":"index.js"}')
  writeFileSync(i + '/node_modules/webgpu/index.js', body)
  console.log(await (await import('./' + i + '/kernels/webgpu/device.js')).deviceMissing())
}`
  t.equal(alone(t, program), broken.map(([, reason]) => `${reason}\n`).join(''))
})

t.test('messages, the page and the package name the same versions and packages', async (t) => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const { peerDependencies } = JSON.parse(read('package.json')) as { peerDependencies: Record<string, string> }
  t.equal(INSTALL, `npm install webgpu@${peerDependencies.webgpu!.slice(1)}`)
  for (const command of [INSTALL, INSTALL_LOADERS]) t.ok(read('docs/gpu.md').includes(command), command)
})
