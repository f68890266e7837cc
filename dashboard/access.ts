import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { PipelineError } from '../pipeline/base/errors.js'

/** The names under which the page may ask. Another name would be that of a stranger's page that points here. */
const HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** The shortest token that a user may choose. */
const SHORTEST = 16

/** Decides who may read: whoever had the token once, and asks under a name of this machine. */
export class Access {
  /** The secret that stands in the address once. */
  readonly token: string
  private readonly secret: Buffer

  /**
   * Makes a random token. Throws a PipelineError `ARGUMENTS` if one is given that is too short.
   *
   * @param token of the user; pages that are open then stay connected when the server starts anew
   */
  constructor(token: string | undefined) {
    if (token !== undefined && !/^[\w-]{16,200}$/.test(token))
      throw new PipelineError(
        'ARGUMENTS',
        `MILLRACE_DASHBOARD_TOKEN: expected ${SHORTEST} to 200 letters, digits, - or _; found ${token.length} characters`,
      )
    this.token = token ?? randomBytes(24).toString('base64url')
    this.secret = createHmac('sha256', this.token).update('cookie').digest()
  }

  /** Whether the header `Host` has a name of this machine. The port may be that of a tunnel. */
  isKnownHost({ headers: { host = '' } }: IncomingMessage): boolean {
    return HOSTS.has(host.replace(/:\d+$/, '').toLowerCase())
  }

  /** Whether this is the token. */
  isToken(given: string): boolean {
    return timingSafeEqual(digestOf(given), digestOf(this.token))
  }

  /** Whether a request has the cookie. */
  hasCookie(request: IncomingMessage): boolean {
    const cookies = (request.headers.cookie ?? '').split(/; */)
    return cookies.some((cookie) => timingSafeEqual(digestOf(cookie), digestOf(this.nameAndValue(request))))
  }

  /** The header that sets the cookie, until the browser is closed. */
  cookie(request: IncomingMessage): string {
    return `${this.nameAndValue(request)}; HttpOnly; SameSite=Strict; Path=/`
  }

  /** Cookies do not know ports, so the name has it: two dashboards do not log each other out. */
  private nameAndValue({ socket }: IncomingMessage): string {
    return `millrace-${socket.localPort}=${this.secret.toString('base64url')}`
  }
}

/** Of one length, whatever was given. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
