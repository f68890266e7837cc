import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { PipelineError } from '../pipeline/base/errors.js'
import { packagePath } from '../pipeline/base/package.js'
import { openRegularFile } from '../pipeline/files/regular-file.js'
import { withDarkStyle } from '../report/dark-figure.js'
import { Access } from './access.js'
import { Catalogue } from './catalogue.js'
import { differenceOf } from './difference.js'
import { LiveStream } from './live-stream.js'
import { detailOf } from './run-detail.js'
import { pathOf, typeOf } from './run-files.js'
import { Watches } from './watches.js'

/** How to serve a dashboard. */
export interface DashboardOptions {
  /** Directories of runs and of sweeps, or folders of those. */
  readonly roots: readonly string[]
  /** The port; default: a free one. */
  readonly port?: number | undefined
  /** The token; default: a random one. */
  readonly token?: string | undefined
}

/** A dashboard that is served. */
export interface Dashboard {
  /** The address, with the token. */
  readonly url: string
  /** Takes no new connections. Those that are open get what comes, until `close`. */
  refuseNewPages(): void
  /** Ends it. */
  close(): void
}

/** More pages are not served at the same time. */
const MOST_PAGES = 20

/** Milliseconds between two looks at what the system may not have told of: metrics, and all directories. */
const LOOKS = { metrics: 1000, directories: 3000 }

const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

/** The files of the page, by their addresses. */
const pages: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
}

/** Serves a dashboard on this machine alone. Rejects with a PipelineError `ARGUMENTS` if the port is taken. */
export async function serveDashboard({ roots, port = 0, token }: DashboardOptions): Promise<Dashboard> {
  const site = new Site(roots, new Access(token))
  const server = createServer((request, response) => void site.answer(request, response))
  await listening(server, port)
  void site.begin()
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${actual}/?token=${site.access.token}`,
    refuseNewPages: () => void server.close(),
    close: () => {
      site.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new PipelineError(
          'ARGUMENTS',
          error.code === 'EADDRINUSE'
            ? `--port ${port}: another program listens there; give another port, or none for a free one`
            : `--port ${port}: cannot listen: ${error.message}`,
        ),
      ),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
}

class Site {
  readonly access: Access
  private readonly catalogue: Catalogue
  private readonly streams = new Set<LiveStream>()
  private readonly watches = new Watches(() => void this.update(true))
  private readonly timers: NodeJS.Timeout[] = []

  constructor(roots: readonly string[], access: Access) {
    this.catalogue = new Catalogue(roots)
    this.access = access
  }

  async begin(): Promise<void> {
    this.timers.push(
      setInterval(() => this.streams.size > 0 && void this.update(false), LOOKS.metrics),
      setInterval(() => this.streams.size > 0 && void this.update(true), LOOKS.directories),
    )
    await this.catalogue.search()
  }

  close(): void {
    for (const timer of this.timers) clearInterval(timer)
    for (const stream of this.streams) stream.close()
    this.watches.close()
  }

  /** Answers a request. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    try {
      await this.route(request, response)
    } catch (error) {
      const isGone = error instanceof PipelineError
      if (!response.headersSent) end(response, isGone ? 404 : 500, isGone ? error.message : 'This failed.')
      else response.destroy()
    }
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.access.isKnownHost(request)) return end(response, 421, 'This name is not that of the dashboard.')
    const address = request.url ?? '/'
    if (!URL.canParse(address, 'http://localhost')) return end(response, 404, 'There is nothing here.')
    const { pathname, searchParams } = new URL(address, 'http://localhost')
    const token = searchParams.get('token')
    if (request.method === 'GET' && pathname === '/' && token !== null && this.access.isToken(token)) {
      response.setHeader('Set-Cookie', this.access.cookie(request))
      response.writeHead(303, { Location: '/' }).end()
      return
    }
    if (!this.access.hasCookie(request))
      return end(response, 401, 'Open the address that `millrace dashboard` printed: it has the token.')
    if (request.method !== 'GET') {
      response.setHeader('Allow', 'GET')
      return end(response, 405, 'The dashboard only reads.')
    }
    if (Object.hasOwn(pages, pathname)) {
      const [file, type] = pages[pathname]!
      return end(response, 200, readFileSync(packagePath(`lib/dashboard/${file}`)), type)
    }
    if (pathname === '/events') return this.stream(request, response, searchParams)
    if (pathname === '/api/runs') {
      await this.catalogue.search()
      return json(response, this.catalogue.runs)
    }
    const [, what, id = '', ...rest] = pathname.slice(1).split('/').map(decoded)
    const directory = this.catalogue.directoryOf(id)
    if (!pathname.startsWith('/api/') || directory === undefined) return end(response, 404, 'There is nothing here.')
    if (what === 'run' && rest.length === 0)
      return json(response, await detailOf(directory, this.catalogue.summaryOf(id)!))
    const second = this.catalogue.directoryOf(rest[0] ?? '')
    if (what === 'difference' && rest.length === 1 && second)
      return json(response, await differenceOf(directory, second))
    const path = what === 'file' && rest.length === 1 ? pathOf(directory, rest[0]!) : undefined
    if (path === undefined) return end(response, 404, 'There is nothing here.')
    return file(response, path, rest[0]!, searchParams.has('show'))
  }

  private stream(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    if (this.streams.size >= MOST_PAGES) {
      end(response, 503, `More than ${MOST_PAGES} pages are open.`)
      return
    }
    const stream = new LiveStream(this.catalogue, request, response, query)
    this.streams.add(stream)
    response.on('close', () => {
      stream.close()
      this.streams.delete(stream)
      this.watch()
    })
    this.watch()
    void this.update(true)
  }

  private watch(): void {
    const folders = [...this.streams].flatMap((stream) => stream.folders)
    this.watches.set(this.streams.size > 0 ? [...this.catalogue.watched, ...folders] : [])
  }

  /** @param isSearching whether to look at all directories, too */
  private async update(isSearching: boolean): Promise<void> {
    // Curves first: the look at many directories takes its time.
    for (const stream of this.streams) void stream.update()
    if (!isSearching) return
    const telling = setInterval(() => {
      for (const stream of this.streams) void stream.update()
    }, 100)
    await this.catalogue.search().finally(() => clearInterval(telling))
    this.watch()
    for (const stream of this.streams) void stream.update()
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}

function end(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type }).end(body)
}

function json(response: ServerResponse, value: unknown): void {
  end(response, 200, JSON.stringify(value), 'application/json; charset=utf-8')
}

/** A larger figure keeps its colours on a dark page, in bytes. */
const MOST_DARK = 2 << 20

/** Sends a file. Only images are shown; the rest is saved. A figure that is shown has colours for dark pages, too. */
async function file(response: ServerResponse, path: string, name: string, isShown: boolean): Promise<void> {
  const handle = await openRegularFile(path)
  try {
    const type = typeOf(name)
    const { size } = await handle.stat()
    const save = `attachment; filename*=UTF-8''${encodeURIComponent(name.replace(/^.*\//s, ''))}`
    // An SVG may be a stranger's: opened alone, it would be a page of this server.
    response.setHeader('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox")
    response.writeHead(200, {
      'Content-Type': type,
      ...(!(isShown && type.startsWith('image/')) && { 'Content-Disposition': save }),
    })
    if (isShown && type === 'image/svg+xml' && size <= MOST_DARK) {
      const bytes = Buffer.alloc(size)
      const { bytesRead } = await handle.read(bytes, 0, size, 0)
      response.end(withDarkStyle(bytes.toString('utf8', 0, bytesRead), /(^|\/)confusion/.test(name)))
    } else if (size === 0) response.end()
    // A file that grows while it is sent ends where it ended before. A page may hang up in the middle.
    else await pipeline(handle.createReadStream({ start: 0, end: size - 1 }), response).catch(() => {})
  } finally {
    await handle.close()
  }
}
