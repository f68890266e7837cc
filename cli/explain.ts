// Gives the built-in stages to the registry.
import '../index.js'
import { type ErrorCode, PipelineError } from '../pipeline/base/errors.js'
import { nearest } from '../pipeline/base/nearest.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { builtInStages, isFile } from '../pipeline/graph/registry.js'
import { errorCodes } from './error-codes.js'
import { stagesCommand } from './stages.js'
import type { Output } from './terminal.js'

/** `millrace explain [STAGE | CODE]`: explains a stage as `millrace stages` does, or a kind of error, or lists those. */
export async function explainCommand(
  name: string | undefined,
  flags: { readonly json?: boolean; readonly plugins?: boolean },
  output: Output,
): Promise<void> {
  if (name === undefined) return output.write(flags.json ? `${JSON.stringify(errorCodes)}\n` : codeList())
  const code = name.toUpperCase() as ErrorCode
  if (Object.hasOwn(errorCodes, code)) {
    const explanation = errorCodes[code]
    output.write(flags.json ? `${JSON.stringify({ code, ...explanation })}\n` : formatCode(code))
    return
  }
  const stages = [...(await builtInStages()).keys()]
  const mayBeStage = stages.includes(name) || isFile(name) || /[/#@]/.test(name)
  const meant = nearest(name, [...Object.keys(errorCodes), ...stages])
  if (!mayBeStage)
    throw new PipelineError(
      'ARGUMENTS',
      `no stage and no error code named "${name}"; ` +
        (meant === undefined
          ? `the codes are ${Object.keys(errorCodes).join(', ')}; millrace stages lists the stages`
          : `did you mean "${meant}"?`),
    )
  await stagesCommand(name, flags, output)
}

function codeList(): string {
  const rows = Object.entries(errorCodes).map(([code, { exit, meaning }]) => [code, String(exit), meaning])
  return `${textColumns([['code', 'exit', 'meaning'], ...rows], (column) => column === 1).join('\n')}\n`
}

function formatCode(code: ErrorCode): string {
  const { meaning, exit, example, fix } = errorCodes[code]
  const indented = example.split('\n').map((line) => `  ${line}`)
  return [`${code} (exit code ${exit}): ${meaning}`, '', 'example:', ...indented, '', `fix: ${fix}`, ''].join('\n')
}
