import { plainText } from '../pipeline/base/plain-text.js'

/** Text that is HTML. Only `html` and `style` make it. */
export class Html {
  /** The HTML. */
  readonly text: string

  /** @param text HTML, with everything escaped that comes from outside */
  constructor(text: string) {
    this.text = text
  }
}

/** A value for the template tag `html`. `undefined` and `false` leave nothing. */
export type Content = string | number | Html | undefined | false | readonly Content[]

/**
 * A template tag for HTML. It escapes every value that is not `Html` itself, so that text from a file never becomes
 * markup. Values may be used in the content of elements and in quoted attributes, nowhere else.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.map((text, i) => text + (i < values.length ? contentOf(values[i]) : '')).join(''))
}

function contentOf(value: Content): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(contentOf).join('')
  return escapeText(String(value))
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

/** Escapes text for content and quoted attributes. Control characters, which HTML forbids, are spelled out. */
function escapeText(text: string): string {
  return plainText(text).replace(/[&<>"']/g, (character) => entities.get(character)!)
}

/** A style element. Its content is not escaped. */
export function style(css: string): Html {
  return new Html(`<style>${css}</style>`)
}
