import { availableParallelism } from 'node:os'
import type { Adapter } from '../kernels/contract.js'
import { type KernelName, kernelNames } from '../kernels/index.js'
import { implementations } from '../kernels/registry.js'
import { messageOf } from '../pipeline/base/errors.js'
import { counted } from '../pipeline/base/words.js'
import { formatBytes, oneLine } from '../pipeline/stage-kit.js'
import type { Output } from './terminal.js'

/** A kernel of this machine. */
interface Listed {
  readonly name: KernelName
  /** Whether runs take it without `--kernel`. */
  readonly isDefault: boolean
  /** Why it is not there; left out if it is. */
  readonly missing?: string
  readonly detail?: string
  readonly precision?: string
  readonly threads?: number
  readonly adapter?: Adapter
}

/** The limits that are shown, and what they are called. */
const shownLimits: Readonly<Record<string, string>> = {
  maxBufferSize: 'buffer',
  maxStorageBufferBindingSize: 'storage binding',
  maxComputeWorkgroupStorageSize: 'workgroup memory',
}

/** `millrace kernels`: lists the kernels, each with what it computes on or with the reason why it is not there. */
export async function kernelsCommand({ json }: { readonly json?: boolean }, output: Output): Promise<void> {
  const found: Listed[] = []
  for (const name of kernelNames) found.push(await lookAt(name, found))
  if (json) output.write(`${JSON.stringify(found)}\n`)
  else output.write(found.map(lines).join(''))
}

async function lookAt(name: KernelName, before: readonly Listed[]): Promise<Listed> {
  const { missing, open, adapter } = implementations[name]
  const absent = (reason: string): Listed => ({ name, isDefault: false, missing: reason })
  const reason = await missing()
  if (reason !== undefined) return absent(reason)
  try {
    const kernels = await open({ threads: availableParallelism() })
    const { detail, precision, threads } = kernels
    kernels.close()
    // The first that is there, of those that compute in this process.
    const isDefault = !adapter && before.every(({ missing }) => missing !== undefined)
    return { name, isDefault, detail, precision, threads, ...(adapter && { adapter: await adapter() }) }
  } catch (error) {
    return absent(messageOf(error))
  }
}

function lines({ name, isDefault, missing, detail, precision, threads, adapter }: Listed): string {
  const head = name.padEnd(11)
  if (missing !== undefined) return `${head}not here: ${oneLine(missing)}\n`
  const [first, ...others] = [
    [
      oneLine(detail!),
      ...(detail === precision ? [] : [precision]),
      ...(adapter ? [] : [counted(threads!, 'thread')]),
    ].join(', ') + (isDefault ? ' (taken by itself)' : ''),
    ...(adapter ? adapterLines(adapter) : []),
  ]
  return `${head}${first}\n${others.map((line) => `${' '.repeat(11)}${line}\n`).join('')}`
}

function adapterLines({ name, vendor, architecture, backend, isSoftware, limits }: Adapter): string[] {
  const sizes = Object.entries(shownLimits).flatMap(([limit, what]) =>
    limits[limit] === undefined ? [] : [`${what} ${formatBytes(limits[limit])}`],
  )
  const maker = [vendor, architecture].filter((word) => word !== '').join(', ')
  return [
    oneLine(
      `${name}${maker ? ` (${maker})` : ''} through ${backend}${isSoftware ? ', emulated by the CPU: right, and slow' : ''}`,
    ),
    `at most: ${sizes.join(', ')}`,
  ]
}
