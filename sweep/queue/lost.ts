/** Codes of Node for a connection that cannot be made or has broken. */
const lostCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** Whether an error says that the connection to a server is lost, or that the server is going down or starting up. */
export function isLost(error: unknown): boolean {
  const { code = '', message = '' } = (error ?? {}) as { readonly code?: string; readonly message?: string }
  // Classes of PostgreSQL: 08 is a broken connection, 57P0x a shutdown or a start, 53300 too many connections.
  if (lostCodes.has(code) || /^(08\w{3}|57P0[1-5]|53300)$/.test(code)) return true
  return /^(Connection terminated|Client has encountered a connection error|timeout (expired|exceeded))/.test(message)
}
