import { crc32, deflateSync } from 'node:zlib'
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

/** A pickle of protocol 2 as Python 2 writes it: a dictionary with `data`, bytes of `[rows, 3072]`, and lists of numbers. */
export function cifarPickle(pixels: Uint8Array, labels: Readonly<Record<string, readonly number[]>>): Buffer {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return bytes
  }
  const text = (value: string) => Buffer.concat([Buffer.from([0x55, value.length]), Buffer.from(value, 'latin1')])
  const int = (value: number) => Buffer.concat([Buffer.from('J'), u32(value >>> 0)])
  const ascii = (value: string) => Buffer.from(value, 'latin1')
  const array = Buffer.concat([
    ascii('cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n'),
    int(0),
    ascii('\x85'),
    text('b'),
    ascii('\x87R('),
    int(1),
    int(pixels.length / 3072),
    int(3072),
    ascii('\x86cnumpy\ndtype\n'),
    text('u1'),
    int(0),
    int(1),
    ascii('\x87R('),
    int(3),
    text('|'),
    ascii('NNN'),
    int(-1),
    int(-1),
    int(0),
    ascii('tb\x89T'),
    u32(pixels.length),
    pixels,
    ascii('tb'),
  ])
  const lists = Object.entries(labels).flatMap(([name, values]) => [
    text(name),
    ascii(']('),
    ...values.map((value) => Buffer.from([0x4b, value])),
    ascii('e'),
  ])
  return Buffer.concat([ascii('\x80\x02}('), text('data'), array, ...lists, ascii('u.')])
}

/** A MATLAB file of level 5 with arrays of bytes, given row by row, packed or not. */
export function matFile(
  arrays: Readonly<Record<string, { readonly shape: readonly [number, number]; readonly values: Uint8Array }>>,
  isPacked = false,
): Buffer {
  const header = Buffer.alloc(128, ' ')
  header.write('MATLAB 5.0 MAT-file, Platform: test')
  header.writeUInt16LE(0x0100, 124)
  header.write('IM', 126)
  const element = (type: number, data: Uint8Array) => {
    const tag = Buffer.alloc(8)
    tag.writeUInt32LE(type)
    tag.writeUInt32LE(data.length, 4)
    return Buffer.concat([tag, data, Buffer.alloc(type === 15 ? 0 : (8 - (data.length % 8)) % 8)])
  }
  const matrices = Object.entries(arrays).map(([name, { shape, values }]) => {
    const [rows, columns] = shape
    const byColumn = Uint8Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!)
    const matrix = element(
      14,
      Buffer.concat([
        element(6, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])),
        element(5, new Uint8Array(Int32Array.from(shape).buffer)),
        element(1, Buffer.from(name)),
        element(2, byColumn),
      ]),
    )
    return isPacked ? element(15, deflateSync(matrix)) : matrix
  })
  return Buffer.concat([header, ...matrices])
}

/** A PNG file of rows of bytes as they are before compression, without their filter bytes. */
export function pngFile(
  { width, height, depth = 8, color }: { width: number; height: number; depth?: number; color: 0 | 2 | 3 | 4 | 6 },
  rows: Uint8Array | readonly number[],
  chunks: Readonly<Record<string, readonly number[]>> = {},
): Buffer {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([depth, color, 0, 0, 0], 8)
  const perRow = rows.length / height
  const filtered = Array.from({ length: height }, (_, y) => [0, ...rows.slice(y * perRow, (y + 1) * perRow)]).flat()
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...Object.entries(chunks).map(([type, data]) => chunk(type, Uint8Array.from(data))),
    chunk('IDAT', deflateSync(Uint8Array.from(filtered))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A PNG file of the planes of an example, `[3, height, width]`. */
export function pngOfPlanes(planes: Uint8Array, height: number, width: number): Buffer {
  const pixels = height * width
  const colors = Uint8Array.from({ length: 3 * pixels }, (_, at) => planes[(at % 3) * pixels + Math.floor(at / 3)]!)
  return pngFile({ width, height, color: 2 }, colors)
}
