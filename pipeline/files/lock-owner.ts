import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'

/** The process that has locked a directory, or is about to. Its lock file contains this as JSON. */
const ownerRecord = z.object({
  /** Tells the locks of one process apart. Missing in locks of version 0.1.0. */
  id: z.string().optional(),
  /** The process id. */
  pid: z.int().positive(),
  /** The name of the machine. */
  host: z.string(),
  /** The start time of the process, in ticks since the machine started. Systems use process ids again. */
  began: z.string(),
  /** The machine: machines that share a folder may share their name, too. Missing in locks of version 0.1.0. */
  machine: z.string().optional(),
  /** The time from one start of the machine to the next has an id. Missing in locks of version 0.1.0. */
  boot: z.string().optional(),
  /**
   * The PID and time namespaces of the process. In another namespace, a process id means another process, and the start
   * times differ. Missing in locks of version 0.1.0.
   */
  space: z.string().optional(),
})

/** The process that has locked a directory, or is about to. */
export type Owner = Readonly<z.output<typeof ownerRecord>>

/** What is known of an owner: it runs, it has ended, or this process cannot tell. */
export type OwnerState = 'running' | 'ended' | 'unknown'

/** The initial PID namespace of Linux has this number on every machine (`PROC_PID_INIT_INO`). */
const INITIAL = 'pid:[4026531836]'

/** Where this process runs. What the system does not tell is an empty text. */
export type Place = { readonly [K in 'host' | 'machine' | 'boot' | 'space']: string }

let here: Place | undefined

function placeOfThisProcess(): Place {
  here ??= {
    host: hostname(),
    machine: textOf('/etc/machine-id'),
    boot: textOf('/proc/sys/kernel/random/boot_id'),
    space: [linkOf('/proc/self/ns/pid'), linkOf('/proc/self/ns/time')].join(' ').trim(),
  }
  return here
}

/** This process as the owner of a lock with this id. */
export function thisProcess(id: string): Owner {
  return { id, pid: process.pid, ...placeOfThisProcess(), began: statusOf(process.pid)?.began ?? '' }
}

/** The owner that the text of a lock file names, or undefined if it names none. */
export function ownerIn(text: string): Owner | undefined {
  try {
    return ownerRecord.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/**
 * Whether an owner still runs. `unknown` if it was started where this process sees no processes: on another machine, in
 * another PID namespace (a container), or perhaps before this machine was started again.
 *
 * @param place where this process runs; another one only for tests
 */
export function stateOf(owner: Owner, place: Place = placeOfThisProcess()): OwnerState {
  // A lock of version 0.1.0 does not name its place. Its author took host and process id to be enough.
  const { host, machine = place.machine, boot = place.boot, space = place.space } = owner
  if (host !== place.host || machine !== place.machine) return 'unknown'
  if (boot !== place.boot) {
    // No process outlives a restart. But containers of two machines may have the same name and the same machine id.
    const isInitial = space.startsWith(INITIAL) && place.space.startsWith(INITIAL)
    return isInitial && boot !== '' && place.boot !== '' ? 'ended' : 'unknown'
  }
  if (space !== place.space) return 'unknown'
  return stateOfProcess(owner)
}

function stateOfProcess({ pid, began }: Owner): OwnerState {
  const status = statusOf(pid)
  if (status) return status.isEnded || (began !== '' && status.began !== began) ? 'ended' : 'running'
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'ended'
  }
  // The system has no /proc, or hides the processes of other users. Another process may have this id by now.
  return began === '' ? 'unknown' : 'running'
}

/** What `/proc` says about a process; undefined if it says nothing. */
function statusOf(pid: number): { readonly began: string; readonly isEnded: boolean } | undefined {
  const text = textOf(`/proc/${pid}/stat`)
  // The name of the program is in brackets and may itself contain brackets.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, threads, began] = [fields[0], fields[17], fields[19]]
  if (text === '' || began === undefined) return undefined
  // A zombie has ended, and only its parent has not asked yet. Other threads of it may still be ending.
  return { began, isEnded: state === 'X' || (state === 'Z' && Number(threads) <= 1) }
}

/** Says who an owner is, for messages: `process 7`, and where it runs if that is not here. */
export function formatOwner({ pid, host, machine, space }: Owner): string {
  const place = placeOfThisProcess()
  if (host !== place.host) return `process ${pid} on ${host}`
  if (machine !== undefined && machine !== place.machine) return `process ${pid} on another machine named ${host}`
  if (space !== undefined && space !== place.space) return `process ${pid} in another container of ${host}`
  return `process ${pid}`
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
