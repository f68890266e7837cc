import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../pipeline/base/errors.js'
import { askRun } from '../pipeline/live/client.js'
import type { Catalogue } from './catalogue.js'
import { type LiveEvent, type MetricsEvent, MOST_CURVES } from './contract.js'
import { GrowingMetrics } from './growing-metrics.js'
import { filesVersion } from './run-files.js'

/** A page that is so many bytes behind is dropped; it connects again and goes on where it was. */
const MOST_WAITING = 4 << 20

/** Milliseconds between two tries to reach a run that goes on. */
const RETRY = 1000

/** Milliseconds between two looks at what is new: each lets the page draw, which takes time from a training on the same machine. */
const GAP = 400

/** Without events, a comment shows every so many milliseconds that the server is there. */
const HEARTBEAT = 10_000

/**
 * What one page hears of: changes of the list, rows of the metrics of the runs that it shows, and changes of the files of
 * the run that it looks at. Server-sent events, whose ids say how far each file was read, so that a page that comes back
 * goes on there, also with another server.
 */
export class LiveStream {
  /** The folders in which changes matter to the page. */
  readonly folders: readonly string[]
  private readonly catalogue: Catalogue
  private readonly response: ServerResponse
  private readonly readers = new Map<string, GrowingMetrics>()
  private readonly focus: { readonly id: string; readonly directory: string } | undefined
  private version: string
  private files: string | undefined
  private isBusy = false
  private isDue = false
  private readonly heart: NodeJS.Timeout
  private readonly end = new AbortController()

  /** Answers a request for `/events?runs=ID:POSITION,…&list=VERSION&focus=ID`. */
  constructor(catalogue: Catalogue, request: IncomingMessage, response: ServerResponse, query: URLSearchParams) {
    this.catalogue = catalogue
    this.response = response
    const [lastRuns, lastList] = String(request.headers['last-event-id'] ?? '').split(' ')
    this.version = lastList ?? query.get('list') ?? ''
    const positions = new Map((lastRuns ?? '').split(',').map((part) => part.split(':') as [string, string]))
    for (const part of (query.get('runs') ?? '').split(',').slice(0, MOST_CURVES)) {
      const [id = '', position] = part.split(':')
      const directory = catalogue.directoryOf(id)
      if (directory !== undefined) this.readers.set(id, new GrowingMetrics(directory, positions.get(id) ?? position))
    }
    const focus = query.get('focus') ?? ''
    const directory = catalogue.directoryOf(focus)
    this.focus = directory === undefined ? undefined : { id: focus, directory }
    this.folders = [
      ...[...this.readers.keys()].map((id) => catalogue.directoryOf(id)!),
      ...(directory === undefined ? [] : [directory, join(directory, 'figures')]),
    ]
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('retry: 1000\n\n')
    this.heart = setInterval(() => response.write(': here\n\n'), HEARTBEAT)
    if (this.focus) void this.follow(this.focus).catch(() => {})
  }

  /** Sends what is new. Calls while it does so, and shortly after, are one call afterwards. */
  async update(): Promise<void> {
    this.isDue = true
    if (this.isBusy) return
    this.isBusy = true
    try {
      while (this.isDue && !this.response.destroyed) {
        this.isDue = false
        await this.send()
        await pause(GAP, undefined, { signal: this.end.signal })
      }
    } catch {
      // The page is gone. If not, it connects again.
      this.response.destroy()
    } finally {
      this.isBusy = false
    }
  }

  /** Ends it. */
  close(): void {
    clearInterval(this.heart)
    this.end.abort()
    this.response.destroy()
  }

  private async send(): Promise<void> {
    const changes = this.catalogue.since(this.version)
    if (changes) {
      this.version = changes.version
      await this.event('runs', changes)
    }
    for (const [id, reader] of this.readers)
      try {
        for await (const part of reader.read()) await this.event('metrics', { run: id, ...part } satisfies MetricsEvent)
      } catch (error) {
        this.readers.delete(id)
        await this.event('problem', { run: id, message: messageOf(error) })
      }
    if (!this.focus) return
    const files = filesVersion(this.focus.directory)
    if (files === this.files) return
    this.files = files
    await this.event('files', { run: this.focus.id })
  }

  /** Tells what goes on in a run, four times a second, for as long as it runs. */
  private async follow({ id, directory }: { readonly id: string; readonly directory: string }): Promise<void> {
    const { signal } = this.end
    for (; !signal.aborted; await pause(RETRY, undefined, { signal })) {
      if (this.catalogue.summaryOf(id)?.status !== 'running') continue
      for await (const state of (await askRun(directory, { type: 'state' }, signal)) ?? []) {
        // A page that is behind misses some states.
        if (state.type !== 'state' || this.response.writableNeedDrain) continue
        const { bottleneck, stages, wires } = state
        await this.event('live', { run: id, bottleneck, stages, wires } satisfies LiveEvent)
      }
      await this.event('live', { run: id, stages: [], wires: [] } satisfies LiveEvent)
    }
  }

  private async event(name: string, data: unknown): Promise<void> {
    const positions = [...this.readers].map(([id, reader]) => `${id}:${reader.position}`).join()
    const { response } = this
    response.write(`id: ${positions} ${this.version}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    if (response.writableLength > MOST_WAITING) response.destroy()
    if (response.destroyed) throw new Error('the page is gone')
    if (response.writableNeedDrain) await drained(response)
  }
}

/** Resolves when the page has taken what waits. A page that takes nothing for long is dropped. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), 30_000)
    const done = (): void => {
      clearTimeout(timer)
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
