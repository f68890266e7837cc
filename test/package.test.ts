import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { userEnvironment } from './cli/millrace.js'
import { sources } from './sources.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const run = promisify(execFile)

// Not below the project, whose packages would be found from there.
const cwd = mkdtempSync(join(tmpdir(), 'millrace-package-'))
const env = userEnvironment()
t.teardown(() => rmSync(cwd, { recursive: true, force: true }))

const main = 'node_modules/millrace/lib/cli/main.js'
let packed = 0
let files: readonly { readonly path: string }[] = []

t.before(async () => {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', cwd], {
    cwd: root,
    env,
  })
  files = (JSON.parse(stdout) as [{ files: typeof files }])[0].files
  const [tarball] = readdirSync(cwd)
  packed = statSync(join(cwd, tarball!)).size
  writeFileSync(join(cwd, 'package.json'), '{ "private": true, "type": "module" }')
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', `./${tarball}`], { cwd, env })
})

t.test('the packed package works when it is installed into an empty folder', async (t) => {
  const { stdout } = await run('npx', ['--no-install', 'millrace', 'run', 'digits', '--set', 'epochs=2'], { cwd, env })
  t.match(stdout, /\nfiles in runs\/digits-001: .*figures\/curves.png, .*metrics.csv/)

  for (const [url, driver] of [
    ['redis://127.0.0.1:1', 'ioredis'],
    ['postgres://127.0.0.1:1/x', 'pg'],
  ])
    await t.rejects(run(process.execPath, [main, 'sweep', 'status', '--queue', url!], { cwd, env }), {
      code: 2,
      stderr: `sweeps on many machines need packages that Millrace does not bring along; install them beside it: npm install bullmq ${driver}\n`,
    })

  const program = `
    import { Pipeline, run } from 'millrace'
    import { batchRows } from 'millrace/stages'
    import { openKernels } from 'millrace/kernels'
    const kernels = await openKernels({ kernel: 'reference' })
    const { history } = await run(await Pipeline.load('csv', { set: ['rows.epochs=5'] }), { kernel: 'reference' })
    console.log(batchRows.name, kernels.name, history.length)
    kernels.close()`
  writeFileSync(join(cwd, 'program.js'), program)
  t.equal((await run(process.execPath, ['program.js'], { cwd, env })).stdout, 'batch/rows reference 1\n')
})

t.test('the package has every file that is started by its name', (t) => {
  const named = [...sources().values()].flatMap((text) =>
    [...text.matchAll(/entryPoint\('([^']+)'\)/g)].map(([, path]) => `lib/${path}`),
  )
  t.ok(named.length > 4, named.join(', '))
  const packedFiles = new Set(files.map(({ path }) => path))
  t.strictSame(
    named.filter((path) => !packedFiles.has(path)),
    [],
  )
  for (const text of sources().values()) t.notMatch(text, /new Worker\(new URL\(/)
  t.end()
})

t.test('a strict TypeScript project compiles against every entry of the package', async (t) => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }
  const entries = Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => entry.replace('.', 'millrace'))
  const program = `
    ${entries.map((entry, i) => `export * as entry${i} from '${entry}'`).join('\n    ')}
    import type { Result } from 'millrace'
    type IsAny<T> = 0 extends 1 & T ? true : false
    export const isUntyped: IsAny<Result['parameters'][string]> = false`
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    // Those of TypeScript itself, which take as long as ours.
    skipDefaultLibCheck: true,
    noEmit: true,
  }
  writeFileSync(join(cwd, 'program.ts'), program)
  writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
  const { code = 0, stdout } = await run(process.execPath, [tsc, '--project', '.'], { cwd, env }).catch(
    (error) => error,
  )
  t.strictSame([code, stdout], [0, ''], 'types that the published ones import come from dependencies')
})

t.test('the package holds what users need and nothing else', (t) => {
  t.notOk(
    files.some(({ path }) => path.endsWith('.map')),
    'no map to sources that it does not hold',
  )
  const tops = new Set(files.map(({ path }) => path.split('/')[0]))
  t.same([...tops].sort(), [
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'configs',
    'dist',
    'docs',
    'examples',
    'kernels',
    'lib',
    'package.json',
    'pipeline',
    'stages',
  ])
  t.end()
})

t.test('every link of a page in the package leads to a file and a heading of the package', async (t) => {
  const home = join(cwd, 'node_modules/millrace')
  const pages = (readdirSync(home, { recursive: true }) as string[]).filter((path) => path.endsWith('.md'))
  t.ok(pages.includes('README.md') && pages.includes(join('docs', 'decisions.md')), `${pages.length} pages`)
  const broken = pages.flatMap((page) =>
    linksOf(readFileSync(join(home, page), 'utf8')).flatMap((link) => {
      const [path, heading] = link.split('#') as [string, string?]
      const target = path === '' ? join(home, page) : join(home, dirname(page), decodeURIComponent(path))
      const isInside = !relative(home, target).startsWith(`..${sep}`) && existsSync(target)
      const isThere = isInside && (!heading || anchorsOf(target).has(heading.toLowerCase()))
      return isThere ? [] : [`${page}: ${link}`]
    }),
  )
  t.strictSame(broken, [])
})

t.test('the examples of the package run where it is installed', async (t) => {
  const examples = 'node_modules/millrace/examples'
  const { stdout } = await run(process.execPath, [`${examples}/in-code.js`], { cwd, env })
  t.not(stdout, '')
  for (const name of ['noise', 'hinge'])
    t.match(
      (await run(process.execPath, [main, 'run', `${examples}/${name}.yaml`, '--set', 'epochs=1'], { cwd, env }))
        .stdout,
      /\nfiles in runs\//,
    )
})

t.test('the package stays small', async (t) => {
  t.ok(packed > 0 && packed < 2_300_000, `${packed} bytes`)
})

/** The relative links and pictures of a page; those in code are left out. */
function linksOf(markdown: string): string[] {
  const text = markdown.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`(?!\])/g, '')
  const links = [...text.matchAll(/\]\(([^)\s]+)[^)]*\)|(?:src|href)="([^"]+)"/g)].map(([, a, b]) => (a ?? b)!)
  return links.filter((link) => !/^[a-z]+:/i.test(link))
}

/** The anchors of a page: those that it names, and those of its headings as GitHub makes them. */
function anchorsOf(file: string): Set<string> {
  const text = readFileSync(file, 'utf8').replace(/^```.*?^```/gms, '')
  const seen = new Map<string, number>()
  const named = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!)
  return new Set(
    [...text.matchAll(/^#+ +(.*)$/gm)]
      .map(([, heading]) => {
        const slug = heading!
          .toLowerCase()
          .replace(/[^\p{L}\p{N}_ -]/gu, '')
          .replaceAll(' ', '-')
        const before = seen.get(slug) ?? 0
        seen.set(slug, before + 1)
        return before === 0 ? slug : `${slug}-${before}`
      })
      .concat(named),
  )
}
