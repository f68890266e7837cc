import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { appendOutcome, pointDirectory, readAllOutcomes } from './directory.js'
import type { Outcome } from './executor.js'
import type { Point } from './point.js'

/** The outcomes in the directory of a sweep, of whole runs and of the rungs of a halving. */
export class Results {
  private readonly directory: string
  private readonly known = new Map<string, Outcome>()

  /** Reads the outcomes in the directory of a sweep. */
  constructor(directory: string) {
    this.directory = directory
    for (const outcome of readAllOutcomes(directory)) this.known.set(slot(outcome), outcome)
  }

  /**
   * The outcome of a point after so many epochs, or of its whole run if `epochs` is undefined. The outcome of a whole
   * run counts for fewer epochs, too. Returns undefined if there is none, or if the directory of the run is gone.
   */
  of(point: Point, epochs?: number): Outcome | undefined {
    const found = this.known.get(slot(point)) ?? this.known.get(slot({ key: point.key, epochs }))
    return found?.status === 'done' && !this.hasDirectory(point) ? undefined : found
  }

  /** Adds an outcome, in memory and on the disk. */
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
