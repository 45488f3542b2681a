/**
 * JSON as the API takes it (RFC 8259): duplicate names are refused, and a payload keeps its text, because
 * `JSON.parse` would change long numbers and the order of some keys, and lose what an escape looked like.
 */

import { RawJson, Scanner } from './json-scanner.ts'

export { DuplicateKeyError, JsonSyntaxError, RawJson } from './json-scanner.ts'

/** A parsed body. Every member of an object is its own, `__proto__` too. */
export type BodyValue = string | number | boolean | null | RawJson | BodyValue[] | { [key: string]: BodyValue }

/** Objects and arrays nested deeper than this come as `RawJson`, which no field but a payload accepts. */
const PARSED_DEPTH = 6
/** Where an item of a bulk body's `items` is. */
const ITEM_DEPTH = 2

/**
 * Parses a request body. The member `payload` of an event, alone or in `items`, comes as `RawJson`; so does whatever is
 * nested deeper than any other field can be.
 * @throws JsonSyntaxError, DuplicateKeyError
 */
export function parseBody(text: string): BodyValue {
  const scanner = new Scanner(text)
  const value = parseValue(scanner, 0)
  scanner.end()
  return value
}

function parseValue(scanner: Scanner, depth: number): BodyValue {
  switch (scanner.peek()) {
    case 'object':
      return depth === PARSED_DEPTH ? scanner.raw() : parseObject(scanner, depth)
    case 'array':
      return depth === PARSED_DEPTH ? scanner.raw() : parseArray(scanner, depth)
    case 'string':
      return scanner.string()
    case 'number':
      return Number(scanner.number())
    case 'boolean':
      return scanner.word() === 'true'
    case 'null':
      scanner.word()
      return null
  }
}

function parseObject(scanner: Scanner, depth: number): BodyValue {
  const object: Record<string, BodyValue> = {}
  scanner.object((name) => {
    const value = name === 'payload' && (depth === 0 || depth === ITEM_DEPTH) ? scanner.raw() : parseValue(scanner, depth + 1)
    setMember(object, name, value)
  })
  return object
}

/** Sets an own member of any name. (An object without a prototype would do the same, but is slow in every use.) */
export function setMember<Value>(object: Record<string, Value>, name: string, value: Value): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
  else object[name] = value
}

function parseArray(scanner: Scanner, depth: number): BodyValue {
  const array: BodyValue[] = []
  scanner.array(() => array.push(parseValue(scanner, depth + 1)))
  return array
}

/**
 * The text that two JSON values share exactly when they are equal: names sorted, strings compared after their escapes,
 * numbers by their exact decimal value (`1.0`, `1` and `10e-1` are one).
 * @param json valid JSON, nested at most as deep as a payload may be
 */
export function canonicalJson(json: string): string {
  return canonicalValue(new Scanner(json))
}

function canonicalValue(scanner: Scanner): string {
  switch (scanner.peek()) {
    case 'object': {
      const members: [name: string, value: string][] = []
      scanner.object((name) => members.push([name, canonicalValue(scanner)]))
      members.sort(([a], [b]) => (a < b ? -1 : 1))
      return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`
    }
    case 'array': {
      const values: string[] = []
      scanner.array(() => values.push(canonicalValue(scanner)))
      return `[${values.join()}]`
    }
    case 'string':
      return JSON.stringify(scanner.string())
    case 'number':
      return canonicalNumber(scanner.number())
    case 'boolean':
    case 'null':
      return scanner.word()
  }
}

/** Sign, digits without zeros at either end, `e`, power of ten: `-1200.50` is `-12005e-1`. */
function canonicalNumber(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const all = (whole + fraction).replace(/^0+/, '')
  const digits = withoutZerosAtEnd(all)
  if (digits === '') return '0'
  // BigInt reads no plus sign; its work grows with the square of the digits, of which no sane exponent has as many.
  const power = exponent.replace('+', '')
  if (power.length > MAX_EXPONENT_DIGITS) return text
  return `${sign}${digits}e${BigInt(power) - BigInt(fraction.length) + BigInt(all.length - digits.length)}`
}

const MAX_EXPONENT_DIGITS = 1000

function withoutZerosAtEnd(digits: string): string {
  let end = digits.length
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--
  return digits.slice(0, end)
}

/** JSON text of a value that may hold `RawJson`, whose text goes in as it is. `undefined` members are left out. */
export function stringifyJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof RawJson) return value.text
  if (Array.isArray(value)) return `[${value.map(stringifyJson).join()}]`
  // Most answers: one call in place of two for each member.
  if (isFlat(value)) return JSON.stringify(value)
  let members = ''
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${stringifyJson(member)}`
  }
  return `{${members}}`
}

function isFlat(value: object): boolean {
  for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) return false
  return true
}
