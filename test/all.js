// npm test: all tests. To start a process and to load tap and `dist/` takes longer than the tests of most files take.
// Files that need no process of their own therefore run one after the other in a process of their folder.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { reasonToLeaveOut, testFiles } from './fast.js'

/** At most so many files share a process, so that both cores have work until the end. */
const most = 10

/** What a file does that measures or changes its process, or holds for all tests of a process. */
const ownProcess = [
  /^t\.(?:after|before|teardown)/m,
  /\bt\.(?:capture|intercept)\b/,
  /\bprocess\.(?:chdir|cpuUsage|emitWarning|exitCode|memoryUsage|on|once|resourceUsage)\b/,
  /\b(?:process\.env(?:\.\w+|\[[^\]]+\])|(?:process|globalThis)\.\w+) = |\bdelete process\./,
  /\b(?:eventLoopUtilization|monitorEventLoopDelay|WeakRef)\b|\bgc\(/,
]

/** Whether a test file has a process of its own; those that `npm run test:fast` leaves out are long, or kill. */
export function isAlone(file) {
  const text = readFileSync(file, 'utf8')
  return reasonToLeaveOut(file) !== undefined || ownProcess.some((pattern) => pattern.test(text))
}

/** The test files that share processes: lists of files of one folder below `test/`, by the names of the processes. */
export function sharedProcesses(files) {
  const folders = new Map()
  for (const file of files.filter((file) => !isAlone(file))) {
    const folder = file.split('/').slice(1, -1)[0] ?? 'test'
    folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  return new Map(
    [...folders].flatMap(([folder, files]) => parts(files).map((part, at) => [`${folder}-${at + 1}`, part])),
  )
}

/** Parts of a list, equally long, of at most `most`. */
function parts(files) {
  const length = Math.ceil(files.length / Math.ceil(files.length / most))
  return Array.from({ length: Math.ceil(files.length / length) }, (_, at) =>
    files.slice(at * length, (at + 1) * length),
  )
}

/** The program of a process. A file's tests are done before the next file is loaded; its name stands above them. */
function program(files) {
  const lines = files.map((file) => `await run(${JSON.stringify(file)}, () => import('../../${file}'))`)
  return `import t from 'tap'
async function run(file, load) {
  t.comment(file)
  await load().catch((error) => t.fail(\`\${file} cannot be loaded\`, { error }))
  await t.test(\`end of \${file}\`, async () => {})
}
${lines.join('\n')}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = testFiles()
  const folder = '.tap/joined'
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const shared = sharedProcesses(files)
  const made = [...shared].map(([name, files]) => {
    writeFileSync(`${folder}/${name}.mjs`, program(files))
    return `${folder}/${name}.mjs`
  })
  const alone = files.filter(isAlone)
  console.log(`${files.length} test files in ${alone.length + made.length} processes`)
  if (process.argv.includes('--list')) {
    for (const [name, files] of shared) console.log(`${name}\n  ${files.join('\n  ')}`)
    console.log(`alone\n  ${alone.join('\n  ')}`)
  } else {
    const tap = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))
    const { status } = spawnSync(process.execPath, [tap, ...process.argv.slice(2), ...made, ...alone], {
      stdio: 'inherit',
    })
    process.exitCode = status ?? 1
  }
}
