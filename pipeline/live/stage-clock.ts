import type { PushClock } from '../flow/wire.js'

/** Every call to a stage is measured until such calls come faster than this, in milliseconds. */
const SPACING = 0.2
/** At least one call in so many is measured. */
const WIDEST = 256

/**
 * Finds out how a run spends its time: at every moment, one stage works, or several share the moment, or none does.
 *
 * A stage works while a table is pushed into it (`enter`, `leave`), until it pushes a table further. Beside that, it
 * works while it is active (`activity`): it emits as a source, or an asynchronous call of it is under way.
 * Reading the clock for each table would cost more than some stages do, so only one push in `stride` is measured and
 * counts that many times. The time of the others was counted for the stage that emits, and is taken off there.
 */
export class StageClock implements PushClock {
  /** Milliseconds that each stage has worked while the clock was on. */
  readonly worked: Float64Array
  /** Milliseconds that the clock was on. */
  measured = 0
  /** As in `PushClock`. */
  isOn = false
  private readonly active = new Set<number>()
  /** The stages that a table is being pushed into, outermost first. */
  private readonly stack: number[] = []
  private depth = 0
  private isMeasured = false
  /** Whether a stage became active, or was so no longer, during the push that is measured. */
  private hasChanged = false
  private readonly ofPush: Float64Array
  private stride = 1
  private countdown = 1
  private lastMeasured = 0
  private last = 0

  private readonly now: () => number

  /**
   * @param stages number of stages
   * @param now tells the time in milliseconds
   */
  constructor(stages: number, now = () => performance.now()) {
    this.now = now
    this.worked = new Float64Array(stages)
    this.ofPush = new Float64Array(stages)
  }

  /** Begins to measure. No stage is active yet. */
  start(): void {
    this.isOn = true
    this.last = this.now()
    this.lastMeasured = this.last
  }

  /** Stops to measure. Not called while a table is being pushed. */
  stop(): void {
    this.mark()
    this.isOn = false
    this.active.clear()
  }

  /** Tells that a stage is active from now on, or not. */
  activity(stage: number, isActive: boolean): void {
    if (this.active.has(stage) === isActive) return
    this.mark()
    this.hasChanged = true
    if (isActive) this.active.add(stage)
    else this.active.delete(stage)
  }

  /** As in `PushClock`. */
  enter(stage: number): void {
    if (this.depth === 0) {
      this.isMeasured = --this.countdown <= 0
      if (this.isMeasured) this.hasChanged = false
    }
    if (this.isMeasured) this.mark()
    this.stack[this.depth++] = stage
  }

  /** As in `PushClock`. */
  leave(): void {
    if (this.isMeasured) this.mark()
    this.depth--
    if (this.depth === 0 && this.isMeasured) this.countPush()
  }

  /** Counts the time until now. */
  mark(): void {
    if (!this.isOn) return
    const now = this.now()
    const time = now - this.last
    this.last = now
    this.measured += time
    if (this.depth > 0 && this.isMeasured) this.ofPush[this.stack[this.depth - 1]!]! += time
    else this.charge(time)
  }

  private charge(time: number): void {
    for (const stage of this.active) this.worked[stage]! += time / this.active.size
  }

  private countPush(): void {
    this.isMeasured = false
    const total = this.ofPush.reduce((sum, time) => sum + time, 0)
    const spacing = this.last - this.lastMeasured
    this.lastMeasured = this.last
    // A push that made a stage active or idle is a rare one, such as an evaluation: it does not stand for others. One that
    // took longer than usual, as when the machine was busy with something else, stands for no more time than there was.
    const weight = this.hasChanged ? 1 : Math.max(1, Math.min(this.stride, spacing / Math.max(total, 1e-6)))
    for (let stage = 0; stage < this.ofPush.length; stage++) {
      const time = this.ofPush[stage]!
      if (time === 0) continue
      this.worked[stage]! += time * weight
      this.ofPush[stage] = 0
    }
    this.charge(-total * (weight - 1))
    if (spacing < SPACING) this.stride = Math.min(WIDEST, this.stride * 2)
    else if (spacing > 4 * SPACING) this.stride = Math.max(1, this.stride >> 1)
    this.countdown = this.stride
  }
}
