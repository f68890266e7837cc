/** Bytes of each unit. */
const units: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}

/** How a size is written, for messages. */
export const byteSizeForm = 'a size such as 500MB, 1.5GB or 2GiB'

/** Reads a size such as `500MB` (a million bytes each) or `2GiB`. Returns undefined if the text is none. */
export function parseByteSize(text: string): number | undefined {
  const [, number, unit = 'B'] = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?\s*$/i.exec(text) ?? []
  const bytes =
    number === undefined ? undefined : Math.floor(Number(number) * (units[unit.toUpperCase()] ?? Number.NaN))
  return bytes !== undefined && Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Formats a size with three digits: `1.25 GB`. */
export function formatBytes(bytes: number): string {
  const unit = ['TB', 'GB', 'MB', 'KB'].find((name) => bytes >= units[name]!) ?? 'B'
  return `${Number((bytes / units[unit]!).toPrecision(3))} ${unit}`
}
