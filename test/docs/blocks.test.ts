import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { inside, temporary } from '../stages/harness.js'
import { type Block, blocksOf, commandsOf, reasonFor, screensOf } from './blocks.js'
import { checkFragment, runPipeline } from './fragments.js'
import { furnish, hasPython, refusal, runLine, runModule, write } from './page-runner.js'

const listed = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...listed('docs'), 'stages/load/digits/README.md']
const texts = new Map(pages.map((page) => [page, readFileSync(page, 'utf8')]))

/** Languages that are drawn or read, but not run. */
const silent = new Set(['mermaid', 'text'])

/** A page while its blocks run: what its commands printed so far. */
interface Page {
  readonly t: Test
  printed: string
}

/** What the page shows, as a pattern: `…` stands for anything. */
const patternOf = (shown: string): RegExp =>
  new RegExp(
    shown
      .trimEnd()
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[\\s\\S]*?'),
  )

const runners: Record<string, (page: Page, block: Block) => Promise<void> | void> = {
  sh: async (page, block) => {
    const whole = reasonFor({ ...block, notRun: block.notRun.filter(({ words }) => words.length === 0) }, '')
    for (const command of commandsOf(block.text)) {
      if (whole || reasonFor(block, command)) page.t.equal(await refusal(command), undefined, `parsed: ${command}`)
      else {
        const { code, text } = await runLine(command)
        page.t.equal(code, 0, `${command}${code ? `\n${text}` : ''}`)
        page.printed += text
      }
    }
  },
  yaml: async (page, block) => {
    const content = parse(block.text)
    if (block.file) write(block.file, `${block.text}\n`)
    if (block.file?.endsWith('.test.yaml')) return // `millrace test` reads it.
    if (Array.isArray(content) || !(content?.stages || content?.extends)) return checkFragment(page.t, block, content)
    await runPipeline(page.t, block, content)
  },
  js: async (page, block) => {
    if (block.file) write(block.file, `${block.text}\n`)
    if (!reasonFor(block, '') && !/^export |from 'node:test'/m.test(block.text))
      page.printed += await runModule(block.text)
    page.t.pass('runs')
  },
  json: ({ t }, { text }) => {
    t.ok(JSON.parse(text))
  },
  csv: (page, block) => {
    if (block.file) write(block.file, block.text.replace(/^.*\n/, ''))
    page.t.pass('a file')
  },
  python: (page, block) => {
    if (!hasPython) return void page.t.skip('Python is not installed')
    const program = reasonFor(block, '') ? `import ast; ast.parse(${JSON.stringify(block.text)})` : block.text
    page.printed += execFileSync('/usr/bin/python3', ['-c', program], { encoding: 'utf8' })
    page.t.pass('runs')
  },
  /** The screen of a terminal: commands behind `$ ` with what they print; or lines that a command above has printed. */
  '': async (page, block) => {
    if (reasonFor(block, '')) return
    const screens = screensOf(block.text)
    for (const { command, printed } of screens) {
      const { text } = await runLine(command)
      page.t.match(text, patternOf(printed), `${command} prints what the page shows`)
      page.printed += text
    }
    if (screens.length === 0)
      for (const line of block.text.split('\n').filter((line) => line.trim() !== '…'))
        page.t.match(page.printed, patternOf(line), 'a line that a command above prints')
  },
}

for (const [name, text] of texts) {
  const blocks = blocksOf(name, text).filter(({ language }) => !silent.has(language))
  if (blocks.length === 0) continue
  t.test(`the blocks of ${name} run, and print what it shows`, async (t) => {
    const folder = inside(t, temporary(t))
    furnish(folder)
    const page: Page = { t, printed: '' }
    for (const block of blocks) {
      const run = runners[block.language]
      t.ok(run, `${block.where}: a language that the test knows: "${block.language}"`)
      await t.test(block.where, { timeout: 120_000 }, async (t) => run?.(Object.assign(page, { t }), block))
    }
  })
}

t.test('the cookbook names every pipeline of its folder, each of less than 40 lines', (t) => {
  const names = readdirSync('configs/cookbook')
  t.ok(names.length > 11)
  for (const name of names) {
    t.match(texts.get('docs/cookbook.md'), `cookbook/${name})`)
    t.ok(readFileSync(`configs/cookbook/${name}`, 'utf8').split('\n').length <= 40, name)
  }
  t.end()
})

t.test('words, marks and files of blocks are found', (t) => {
  const page =
    'a\n<!-- not run (fetch): network -->\n<!-- not run (run x, y): slow -->\n```sh\nmillrace fetch a # b\nrun x\nrun z\n```\n'
  const [block] = blocksOf('p.md', page)
  t.equal(block!.where, 'p.md:4')
  t.strictSame(commandsOf(block!.text), ['millrace fetch a', 'run x', 'run z'])
  t.strictSame(
    commandsOf(block!.text).map((line) => reasonFor(block!, line)),
    ['network', 'slow', undefined],
  )
  t.equal(blocksOf('p.md', '- a\n  ```yaml\n  # b.yaml\n  x: 1\n  ```')[0]!.text, '# b.yaml\nx: 1')
  t.equal(blocksOf('p.md', '```yaml\n# b.yaml\nx: 1\n```')[0]!.file, 'b.yaml')
  t.end()
})

t.test('a command with an unknown option is found without running it', async (t) => {
  t.match(await refusal('npx millrace run digits --sead 1'), /unknown option '--sead'/)
  t.match(await refusal('mpirun -n 4 npx millrace run'), /missing required argument/)
  t.equal(await refusal('millrace sweep work --jobs 8 --artifacts /shared'), undefined)
  t.equal(await refusal('sbatch --array=0-7 job.sh'), undefined)
})
