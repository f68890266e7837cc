import type { Test } from 'tap'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { temporary } from '../harness.js'

/** The bytes of an IDX file: a header, and numbers. */
export function idxBytes(sizes: readonly number[], values: Iterable<number>, type = 0x08): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * sizes.length))
  header.setUint8(2, type)
  header.setUint8(3, sizes.length)
  for (const [i, size] of sizes.entries()) header.setUint32(4 + 4 * i, size)
  return Uint8Array.from([...new Uint8Array(header.buffer), ...values])
}

/** A folder with the four files of MNIST: 200 and 100 images of 28 × 28, noise on a brightness that tells the class. */
export function smallIdx(t: Test): string {
  const random = randomStream(1, 'test', 'idx')
  const files: Record<string, Uint8Array> = {}
  for (const [name, count] of [
    ['train', 200],
    ['t10k', 100],
  ] as const) {
    const labels = Array.from({ length: count }, () => random.below(10))
    const pixels = labels.flatMap((label) => Array.from({ length: 784 }, () => 20 * label + random.below(50)))
    files[`${name}-images-idx3-ubyte`] = idxBytes([count, 28, 28], pixels)
    files[`${name}-labels-idx1-ubyte`] = idxBytes([count], labels)
  }
  return temporary(t, files)
}
