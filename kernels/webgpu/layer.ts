import type { NetworkShape } from '../contract.js'
import { suffixOf } from '../network-shape.js'
import type { Layout, Place } from './layout.js'
import { flag, type Params } from './params.js'

/** A dense layer as its shaders are told of it. */
export interface Layer {
  /** Groups of four inputs. */
  readonly inputs4: number
  /** Number of outputs. */
  readonly units: number
  /** Groups of four outputs. */
  readonly units4: number
  /** Where its arrays begin in the parameters. */
  readonly places: Params
  /** The flags of its activation that it always has. */
  readonly plain: number
  /** The flags that steps add. */
  readonly dropping: number
  /** What outputs that dropout leaves are multiplied by. */
  readonly factor: number
  /** Whether batch normalisation follows its products. */
  readonly isNormalised: boolean
  /** Whether steps leave its arrays as they are. */
  readonly isFrozen: boolean
}

/** The layers of a network. */
export function layersOf(shape: NetworkShape, layout: Layout): Layer[] {
  return shape.layers.map((layer, l) => {
    const { units, activation, batchNorm = false, dropout = 0, frozen = false } = layer
    const place = (name: string): Place | undefined => layout.places.get(name + suffixOf(shape, l))
    const W = place('W')!
    const at = (name: string): number => place(name)?.at ?? 0
    return {
      inputs4: W.width4,
      units,
      units4: Math.ceil(units / 4),
      places: {
        at: W.at,
        bias: at('b'),
        gamma: at('gamma'),
        beta: at('beta'),
        mean: at('mean'),
        variance: at('variance'),
      },
      plain: activation === 'relu' ? flag.relu : 0,
      dropping: dropout > 0 ? flag.dropout : 0,
      factor: 1 / (1 - dropout),
      isNormalised: batchNorm,
      isFrozen: frozen,
    }
  })
}
