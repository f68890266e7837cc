import { createHmac, timingSafeEqual } from 'node:crypto'
import { PipelineError } from '../../pipeline/base/errors.js'
import { isDeeper, MAX_DEPTH } from '../../pipeline/base/json.js'

/** What is signed. A signature of one kind is not valid for another. */
type Kind = 'job' | 'sweep' | 'result'

/** Something with its signature, as it lies at the queue. */
export type Signed<T> = T & { readonly signature?: string | undefined }

/**
 * Signs what is sent to a queue and checks what comes from it, with a secret that submitters, workers and collectors
 * share (HMAC-SHA256). Without a secret, nothing is signed and everything counts as valid.
 */
export class Signer {
  private readonly secret: string | undefined

  /** Throws a PipelineError `ARGUMENTS` if the secret is empty. */
  constructor(secret: string | undefined) {
    if (secret === '')
      throw new PipelineError('ARGUMENTS', 'MILLRACE_QUEUE_SECRET is empty: give a secret, or unset the variable')
    this.secret = secret
  }

  /** Whether there is a secret, so that signatures are required. */
  get isRequired(): boolean {
    return this.secret !== undefined
  }

  /** Adds the signature. `data` must be plain data. */
  sign<T extends object>(kind: Kind, data: T): Signed<T> {
    return this.secret === undefined ? data : { ...data, signature: this.digest(kind, data).toString('hex') }
  }

  /** Says what is wrong with the signature. Returns undefined if it is valid, or if none is required. */
  problem(kind: Kind, data: unknown): string | undefined {
    if (this.secret === undefined) return undefined
    const { signature, ...rest } = (typeof data === 'object' && data !== null ? data : {}) as Signed<object>
    if (typeof signature !== 'string') return `this ${kind} is not signed, but MILLRACE_QUEUE_SECRET is set here`
    if (isDeeper(rest, MAX_DEPTH)) return `this ${kind} is nested more than ${MAX_DEPTH} deep`
    const [given, expected] = [Buffer.from(signature, 'hex'), this.digest(kind, rest)]
    if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined
    return `the signature of this ${kind} is wrong: it was signed with another secret, or changed`
  }

  private digest(kind: Kind, data: object): Buffer {
    return createHmac('sha256', this.secret!)
      .update(`millrace ${kind}\n${canonical(data)}`)
      .digest()
  }
}

/** The same text for the same data as JSON has it, whatever the order of keys, which servers do not keep. */
function canonical(data: unknown): string {
  return JSON.stringify(JSON.parse(JSON.stringify(data)), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { entries: Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) }
      : value,
  )
}
