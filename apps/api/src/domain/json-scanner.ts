/** A walk over JSON text (RFC 8259) that checks the grammar, refuses duplicate names, and can keep a value as its text. */

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
export class Scanner {
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
