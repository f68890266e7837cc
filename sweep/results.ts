import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { allOutcomes, appendOutcome, pointDirectory } from './directory.js'
import type { Outcome } from './executor.js'
import type { Point } from './point.js'

/** The results that lie in the directory of a sweep, of whole runs and of those that were ended by halving. */
export class Results {
  private readonly directory: string
  private readonly known = new Map<string, Outcome>()

  constructor(directory: string) {
    this.directory = directory
    for (const outcome of allOutcomes(directory)) this.known.set(slot(outcome), outcome)
  }

  /** Of a point after so many epochs, or at its end: what is there of the end counts for less epochs, too. */
  of(point: Point, epochs?: number): Outcome | undefined {
    const found = this.known.get(slot(point)) ?? this.known.get(slot({ key: point.key, epochs }))
    return found?.status === 'done' && !this.hasDirectory(point) ? undefined : found
  }

  /** Writes it down; what was interrupted is no result. */
  add(outcome: Outcome): void {
    this.known.set(slot(outcome), outcome)
    appendOutcome(this.directory, outcome)
  }

  private hasDirectory(point: Point): boolean {
    return existsSync(join(pointDirectory(this.directory, point), 'run.json'))
  }
}

function slot({ key, epochs }: { readonly key: string; readonly epochs?: number | undefined }): string {
  return `${key} ${epochs ?? ''}`
}
