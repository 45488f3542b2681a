import { ExactNumber } from './decimal.ts'
import type { ExactValue } from './exact-json.ts'

/** Leads from the payload to one value in it: names of members and indexes of elements. */
export type PayloadPath = readonly (string | number)[]

/** The shorthand of RFC 9535, and with `-` inside, as many names have it. */
const NAME = /\.([A-Za-z_\u0080-\u{10ffff}][-\w\u0080-\u{10ffff}]*)/uy
const INDEX = /\[(0|[1-9]\d{0,14})\]/y
const QUOTED = /\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/sy

/** Forms that JSONPath knows and a condition does not, by what stands where a step should begin. */
const REFUSED: readonly [form: RegExp, problem: string][] = [
  [/^\.\./, 'must not search all levels with `..`: a path leads to one value'],
  [/^(?:\.\*|\[\s*\*)/, 'must not have wildcards: a path leads to one value'],
  [/^\[\s*-\d/, 'must not have negative indexes: they count from 0'],
  [/^\[\s*[?(]/, 'must not have filters: a path leads to one value'],
  [/^\[[\s\d]*:/, 'must not have slices: a path leads to one value'],
  [/^\[\s*(?:\d+|'[^']*'|"[^"]*")\s*,/, 'must have one name or index between brackets'],
  [/^\[\s*\d+\s*\]/, 'has an index of another form than `[0]`, or one that is too large'],
]

/**
 * Reads a path such as `$.user.id`, `$.items[0].sku` or `$['any name']`.
 * @returns the path, or what is wrong with it ("must …")
 */
export function parsePayloadPath(text: string): { path: PayloadPath } | { problem: string } {
  if (!text.startsWith('$')) return { problem: 'must begin with $, as in $.user.id' }
  if (text === '$') return { problem: 'must lead to something in the payload, as $.user.id does' }
  const path: (string | number)[] = []
  let at = 1
  while (at < text.length) {
    const index = matchAt(INDEX, text, at)
    const name = matchAt(NAME, text, at)
    const quoted = matchAt(QUOTED, text, at)
    const step = index ? Number(index[1]) : (name?.[1] ?? unquote(quoted?.[1] ?? quoted?.[2]))
    if (step === undefined) return { problem: problemAt(text, at) }
    path.push(step)
    at += (index ?? name ?? quoted)?.[0].length ?? 0
  }
  return { path }
}

function matchAt(form: RegExp, text: string, at: number): RegExpExecArray | null {
  form.lastIndex = at
  return form.exec(text)
}

const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(.))/gs
const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '/': '/', '\\': '\\', "'": "'", '"': '"' }

/** @returns undefined where it has an escape that JSONPath does not know */
function unquote(quoted: string | undefined): string | undefined {
  let isValid = true
  const name = quoted?.replace(ESCAPE, (_, hex: string | undefined, character: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (!Object.hasOwn(ESCAPED, character)) isValid = false
    return ESCAPED[character] ?? ''
  })
  return isValid ? name : undefined
}

function problemAt(text: string, at: number): string {
  const rest = text.slice(at)
  const refused = REFUSED.find(([form]) => form.test(rest))
  return refused?.[1] ?? `has neither .name nor [0] nor ['any name'] at character ${[...text.slice(0, at)].length + 1}`
}

/** @returns undefined where the payload has nothing there */
export function valueAt(payload: ExactValue, path: PayloadPath): ExactValue | undefined {
  let value: ExactValue | undefined = payload
  for (const step of path) {
    if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return undefined
    if (Array.isArray(value)) value = typeof step === 'number' ? value[step] : undefined
    // Own members alone: `constructor` is a name like any other.
    else value = typeof step === 'string' && Object.hasOwn(value, step) ? value[step] : undefined
    if (value === undefined) return undefined
  }
  return value
}
