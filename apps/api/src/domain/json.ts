/**
 * JSON as the API takes it (RFC 8259): duplicate names are refused, and a payload keeps its text, because
 * `JSON.parse` would change long numbers and the order of some keys, and lose what an escape looked like.
 */

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

/** A value that keeps its text: compact (no white space outside strings), otherwise as sent. */
export class RawJson {
  readonly kind: JsonKind
  readonly text: string
  /** Levels of nesting: 0 for a scalar, 1 for an object or array of scalars. */
  readonly depth: number

  constructor(kind: JsonKind, text: string, depth: number) {
    this.kind = kind
    this.text = text
    this.depth = depth
  }
}

/** A parsed body. Every member of an object is its own, `__proto__` too. */
export type BodyValue = string | number | boolean | null | RawJson | BodyValue[] | { [key: string]: BodyValue }

export class JsonSyntaxError extends Error {
  override name = 'JsonSyntaxError'
}

export class DuplicateKeyError extends Error {
  override name = 'DuplicateKeyError'
  /** Where the second of the two stands: `payload.user.id`, `items.3.source`. */
  readonly path: string

  constructor(path: (string | number)[]) {
    super('The same name stands twice in one object.')
    this.path = path.slice(0, SHOWN_LEVELS).join('.').slice(0, SHOWN_CHARACTERS)
  }
}

/** How much of a place is shown; a hostile body must not grow its answer. */
const SHOWN_LEVELS = 20
const SHOWN_CHARACTERS = 200

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

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /true|false|null/y
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Walks over JSON text, and checks the grammar of whatever it passes. */
class Scanner {
  readonly #text: string
  #at = 0
  /** The names and indexes that lead to where it stands. */
  readonly #path: (string | number)[] = []
  /** While a raw value is read: the pieces before white space that was left out, and where the present one begins. */
  #pieces: string[] | undefined
  #pieceStart = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The kind of the value that comes next. */
  peek(): JsonKind {
    this.#skipSpace()
    switch (this.#text.charCodeAt(this.#at)) {
      case OPEN_BRACE:
        return 'object'
      case OPEN_BRACKET:
        return 'array'
      case QUOTE:
        return 'string'
      case 0x74:
      case 0x66:
        return 'boolean'
      case 0x6e:
        return 'null'
      default:
        return 'number'
    }
  }

  /** Past an object; `member` is called with each name and goes past its value. */
  object(member: (name: string) => void): void {
    const names = new Names()
    this.#at++
    if (this.#passes(CLOSE_BRACE)) return
    do {
      const name = this.#name(names)
      this.#path.push(name)
      member(name)
      this.#path.pop()
    } while (this.#hasNext(CLOSE_BRACE))
  }

  /** Past an array; `element` is called for each and goes past it. */
  array(element: () => void): void {
    this.#at++
    if (this.#passes(CLOSE_BRACKET)) return
    let index = 0
    do {
      this.#path.push(index++)
      element()
      this.#path.pop()
    } while (this.#hasNext(CLOSE_BRACKET))
  }

  /** Past a string; its value. */
  string(): string {
    const start = this.#at++
    let escaped = false
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === QUOTE) break
      // NaN, the end of the text, is not `>=` either.
      if (!(code >= 0x20)) throw this.#unexpected()
      if (code === BACKSLASH) {
        escaped = true
        this.#at++
      }
      this.#at++
    }
    this.#at++
    if (!escaped) return this.#text.slice(start + 1, this.#at - 1)
    try {
      return JSON.parse(this.#text.slice(start, this.#at))
    } catch {
      throw new JsonSyntaxError(`A string has an escape that JSON does not know, at character ${start}.`)
    }
  }

  /** Past a number; its text. */
  number(): string {
    return this.#match(NUMBER)
  }

  /** Past `true`, `false` or `null`; its text. */
  word(): string {
    return this.#match(WORD)
  }

  /** Past a value of any kind and depth, kept as text. Without recursion: hostile nesting must not reach the stack's end. */
  raw(): RawJson {
    const kind = this.peek()
    this.#pieces = []
    this.#pieceStart = this.#at
    const depth = this.#skipValue()
    const text = this.#pieces.join('') + this.#text.slice(this.#pieceStart, this.#at)
    this.#pieces = undefined
    return new RawJson(kind, text, depth)
  }

  /** After the last value: nothing but white space may follow. */
  end(): void {
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#unexpected()
  }

  /** Past one value; how deep it is nested. */
  #skipValue(): number {
    const rootLength = this.#path.length
    /** The levels that are open: an object's names, or null for an array. */
    const open: (Names | null)[] = []
    let depth = 0
    for (;;) {
      const kind = this.peek()
      if (kind === 'object' || kind === 'array') {
        this.#at++
        depth = Math.max(depth, open.length + 1)
        const names = kind === 'object' ? new Names() : null
        if (!this.#passes(names ? CLOSE_BRACE : CLOSE_BRACKET)) {
          open.push(names)
          this.#path.push(names ? this.#name(names) : 0)
          continue
        }
      } else if (kind === 'string') this.string()
      else if (kind === 'number') this.number()
      else this.word()

      for (;;) {
        const names = open.at(-1)
        if (names === undefined) return depth
        const position = this.#path.pop()
        if (this.#hasNext(names ? CLOSE_BRACE : CLOSE_BRACKET)) {
          this.#path.push(names ? this.#name(names) : Number(position) + 1)
          break
        }
        open.pop()
        if (open.length === 0) {
          this.#path.length = rootLength
          return depth
        }
      }
    }
  }

  /** Past `"name":`. */
  #name(names: Names): string {
    this.#skipSpace()
    if (this.#text.charCodeAt(this.#at) !== QUOTE) throw this.#unexpected()
    const name = this.string()
    if (!names.add(name)) throw new DuplicateKeyError([...this.#path, name])
    if (!this.#passes(COLON)) throw this.#unexpected()
    return name
  }

  /** Past `,` (true) or the closing bracket (false). */
  #hasNext(closer: number): boolean {
    if (this.#passes(COMMA)) return true
    if (this.#passes(closer)) return false
    throw this.#unexpected()
  }

  /** Past white space and that character, if it comes next. */
  #passes(code: number): boolean {
    this.#skipSpace()
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#text)?.[0]
    if (text === undefined) throw this.#unexpected()
    this.#at += text.length
    return text
  }

  #skipSpace(): void {
    const start = this.#at
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
      this.#at++
    }
    if (this.#pieces !== undefined && this.#at > start) {
      this.#pieces.push(this.#text.slice(this.#pieceStart, start))
      this.#pieceStart = this.#at
    }
  }

  #unexpected(): JsonSyntaxError {
    const found = this.#at < this.#text.length ? `unexpected ${JSON.stringify(this.#text[this.#at])}` : 'the text ends too early'
    return new JsonSyntaxError(`Not valid JSON: ${found} at character ${this.#at}.`)
  }
}

/** The names of one object. Few are compared one by one; beyond, a set is faster. */
class Names {
  readonly #few: string[] = []
  #many: Set<string> | undefined

  /** False when the name is there already. */
  add(name: string): boolean {
    if (this.#many !== undefined) return this.#many.size < this.#many.add(name).size
    if (this.#few.includes(name)) return false
    this.#few.push(name)
    if (this.#few.length > 8) this.#many = new Set(this.#few)
    return true
  }
}

/** JSON text of a value that may hold `RawJson`, whose text goes in as it is. `undefined` members are left out. */
export function stringifyJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof RawJson) return value.text
  if (Array.isArray(value)) return `[${value.map(stringifyJson).join()}]`
  let members = ''
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${stringifyJson(member)}`
  }
  return `{${members}}`
}
