import { existsSync } from 'node:fs'

/** A fenced block of a page. */
export interface Block {
  /** `PAGE:LINE` of its fence. */
  readonly where: string
  /** What stands behind the fence: `sh`, `yaml`, `js` …; empty for the screen of a terminal. */
  readonly language: string
  /** Its lines, without the indentation of the fence. */
  readonly text: string
  /** The file that its first line names in a comment: `# mine.yaml`, `// mine.js`. */
  readonly file: string | undefined
  /** Why its lines are not run, if they have one of the words; all lines if there are no words. */
  readonly notRun: readonly { readonly words: readonly string[]; readonly reason: string }[]
}

/**
 * The fenced blocks of a Markdown page. A comment in the lines before a block says what is not run:
 * `<!-- not run: needs a server -->` the whole block, `<!-- not run (fetch, srun): need a network -->` the lines with one of these words,
 * `<!-- needs: PATH -->` the whole block where there is no such file or folder.
 */
export function blocksOf(page: string, markdown: string): Block[] {
  const lines = markdown.split('\n')
  const blocks: Block[] = []
  for (let at = 0; at < lines.length; at++) {
    const [, indent, language] = /^( *)```([\w-]*)/.exec(lines[at]!) ?? []
    if (indent === undefined) continue
    const start = at
    while (at + 1 < lines.length && lines[++at]!.trim() !== '```');
    const inner = lines.slice(start + 1, at).map((line) => line.slice(indent.length))
    const [, file] = /^(?:#|\/\/) ([\w./-]+\.(?:js|yaml|csv|json))$/.exec(inner[0] ?? '') ?? []
    const text = inner.join('\n')
    blocks.push({ where: `${page}:${start + 1}`, language: language!, text, file, notRun: marksAbove(lines, start) })
  }
  return blocks
}

function marksAbove(lines: readonly string[], fence: number): Block['notRun'] {
  const marks: { words: readonly string[]; reason: string }[] = []
  for (let at = fence - 1; at >= 0; at--) {
    const [, words, reason] = /^ *<!-- not run(?: \(([^)]+)\))?: (.+) -->$/.exec(lines[at]!) ?? []
    const [, path] = /^<!-- needs: (\S+) -->$/.exec(lines[at]!) ?? []
    if (path !== undefined && !existsSync(path)) marks.push({ words: [], reason: `needs ${path}` })
    if (path !== undefined) continue
    if (reason === undefined) break
    marks.push({ words: words?.split(', ') ?? [], reason })
  }
  return marks
}

/** Why a line of a block is not run; undefined if it is. */
export function reasonFor(block: Block, line: string): string | undefined {
  return block.notRun.find(({ words }) => words.length === 0 || words.some((word) => line.includes(word)))?.reason
}

/** The commands of a block in `sh`: lines without comments and blank lines; a line that ends with `\` goes on. */
export function commandsOf(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}

/** The screens of a terminal: each command behind `$ `, and the lines that it printed. */
export function screensOf(text: string): { command: string; printed: string }[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command, ...printed] = part.split('\n')
      return { command: command!, printed: printed.join('\n') }
    })
}

/** The words of a command; undefined if a shell is needed to read it. */
export function wordsOf(command: string): string[] | undefined {
  const words = [...command.matchAll(/(?:'[^']*'|"[^"$`]*"|[^\s'"])+/g)].map(([word]) => word)
  const bare = words.map((word) => word.replaceAll(/'[^']*'|"[^"]*"/g, ''))
  if (bare.some((word) => /[|&;<>$`*(){}~]/.test(word))) return undefined
  return words.map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'))
}
