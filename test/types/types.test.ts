import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** What TypeScript says about the programs of this folder, one line for each problem. */
function problems(): string[] {
  const { config, error } = ts.readConfigFile(`${folder}tsconfig.json`, ts.sys.readFile)
  const parsed = ts.parseJsonConfigFileContent(config, ts.sys, folder)
  const program = ts.createProgram(parsed.fileNames, parsed.options)
  return [...(error ? [error] : []), ...parsed.errors, ...ts.getPreEmitDiagnostics(program)].map(
    ({ file, start = 0, messageText }) => {
      const line = file && file.getLineAndCharacterOfPosition(start).line + 1
      const place = file ? `${relative(folder, file.fileName)}:${line} ` : ''
      return `${place}${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    },
  )
}

t.test('programs of strict users compile, and TypeScript refuses each wrong line in them', async (t) => {
  t.strictSame(problems(), [])
})

t.test('packages whose types the public types use are installed with Millrace', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.ok(dependencies['@types/ndarray'], 'without it, Result.parameters is any')
})
