import type { Mirror, OpenModel, Position } from '../../pipeline/stage-kit.js'

/** A model on a device, whose steps are called before the losses of earlier ones are known. */
export interface StepsAhead {
  /** Tells of which step the arrays in this process are. */
  readonly mirror: Mirror
  /**
   * Adds a step that was called. Returns a promise if the next one must wait: until this step's parameters are here, or until
   * there is room for another. The promise rejects as `check` does.
   *
   * @param isRead whether a stage reads the parameters of this step
   */
  add(loss: Promise<number>, position: Position, eta: number, isRead: boolean): Promise<void> | undefined
  /** Throws the failure of an earlier step, if there is one by now. */
  check(): void
}

/**
 * Follows the steps of a model on a device. Losses come in the order of the steps, many at once; a failure is therefore known
 * at most `most` steps after it happened, and before anybody gets parameters that it has spoilt.
 *
 * @param most the most steps whose losses are not known, at least 1
 * @param step the last step of the parameters as they are loaded
 * @param checkLoss throws if the run must not go on after this loss
 */
export function stepsAhead(
  model: Pick<OpenModel, 'read'>,
  most: number,
  step: number,
  checkLoss: (loss: number, position: Position, eta: number) => void,
): StepsAhead {
  const open = new Set<Promise<void>>()
  let called = step
  let copied = step
  let isWanted = false
  let failure: { readonly error: unknown } | undefined

  function check(): void {
    if (failure) throw failure.error
  }

  async function refresh(): Promise<void> {
    const upTo = called
    if (copied !== upTo) await Promise.all([model.read(), ...open])
    check()
    copied = upTo
  }

  function add(loss: Promise<number>, position: Position, eta: number, isRead: boolean): Promise<void> | undefined {
    called = position.step
    const known = loss
      .then((value) => checkLoss(value, position, eta))
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .then(() => {
        open.delete(known)
      })
    open.add(known)
    if (isRead || isWanted) {
      isWanted = false
      return refresh()
    }
    const [oldest] = open
    return open.size < most ? undefined : oldest!.then(check)
  }

  const mirror: Mirror = {
    get step() {
      return copied
    },
    refresh,
    want: () => {
      isWanted = true
    },
  }
  return { mirror, add, check }
}
