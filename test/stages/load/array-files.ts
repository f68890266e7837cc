import { zipSync } from 'fflate'

/** A `.npy` file of version 1 with this type, shape and data. */
export function npyFile(
  type: string,
  shape: readonly number[],
  data: Uint8Array | readonly number[],
  isFortran = false,
): Buffer {
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${type}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': (${extents}), }`
  const header = Buffer.from(text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11).concat('\n'))
  const length = Buffer.alloc(2)
  length.writeUInt16LE(header.length)
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, header, Buffer.from(data)])
}

/** A `.npz` file of these arrays. */
export function npzFile(arrays: Readonly<Record<string, Uint8Array>>, level: 0 | 6 = 0): Buffer {
  return Buffer.from(
    zipSync(Object.fromEntries(Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes])), { level }),
  )
}

/** A `.npy` file of bytes. */
export function bytesNpy(shape: readonly number[], data: Uint8Array | readonly number[]): Buffer {
  return npyFile('|u1', shape, data)
}
