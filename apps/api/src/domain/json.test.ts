import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BodyValue, canonicalJson, DuplicateKeyError, JsonSyntaxError, parseBody, RawJson, stringifyJson } from './json.ts'

/** What was parsed, as `JSON.parse` would have given it. */
function plain(value: BodyValue): unknown {
  if (value instanceof RawJson) return JSON.parse(value.text)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

/** An object with those members, `__proto__` among them, as `JSON.parse` makes it. */
function fromEntries(entries: [string, unknown][]): object {
  return Object.fromEntries(entries)
}

const payloadOf = (json: string): RawJson => {
  const body = parseBody(`{"payload":${json}}`)
  if (typeof body !== 'object' || body === null || Array.isArray(body) || body instanceof RawJson) throw new Error('not an object')
  const { payload } = body
  if (!(payload instanceof RawJson)) throw new Error('not raw')
  return payload
}

const json = fc.json({ maxDepth: 10, depthSize: 'medium', stringUnit: 'binary' })
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
/** The values of `JSON.parse` with their text in other spellings: white space, escapes, orders, number forms. */
const respelt = fc.tuple(json, fc.infiniteStream(space), fc.infiniteStream(fc.nat())).map(([text, spaces, choices]) => {
  const pad = () => String(spaces.next().value)
  const pick = (count: number) => Number(choices.next().value) % count
  const spellString = (value: string) =>
    `"${[...value].map((unit) => (pick(3) === 0 ? escapeAll(unit) : JSON.stringify(unit).slice(1, -1))).join('')}"`
  const spellNumber = (value: number) => {
    const shortest = JSON.stringify(value)
    if (shortest.includes('e'))
      return pick(2) === 0 ? shortest.replace('e', 'E') : shortest.replace('e', shortest.includes('.') ? '00e' : '.00e')
    return [shortest, `${shortest}e0`, `${shortest}E+0`, `${shortest}${shortest.includes('.') ? '0' : '.0'}`][pick(4)] ?? shortest
  }
  const spell = (value: unknown): string => {
    if (typeof value === 'string') return spellString(value)
    if (typeof value === 'number') return spellNumber(value)
    if (Array.isArray(value)) return `[${value.map((element) => pad() + spell(element) + pad()).join()}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const members = Object.entries(value)
    const first = pick(Math.max(members.length, 1))
    const rotated = [...members.slice(first), ...members.slice(0, first)]
    return `{${rotated.map(([name, member]) => `${pad()}${spellString(name)}${pad()}:${pad()}${spell(member)}${pad()}`).join()}}`
  }
  return { text, respelt: pad() + spell(JSON.parse(text)) + pad() }
})

function escapeAll(character: string): string {
  return [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
}

describe('parseBody', () => {
  it('agrees with JSON.parse on valid JSON', () => {
    fc.assert(fc.property(respelt, ({ respelt }) => void expect(plain(parseBody(respelt))).toEqual(JSON.parse(respelt))))
  })

  it('agrees with JSON.parse on what is not JSON', () => {
    const broken = fc
      .tuple(json, fc.nat(), fc.constantFrom('', ',', '}', ']', '"', '\\', '0', '-', '.', 'e', 'x', ':', '\t', '\u0000', '\u00a0'))
      .map(
        ([text, at, insert]) =>
          text.slice(0, at % (text.length + 1)) + insert + text.slice((at % (text.length + 1)) + (insert === '' ? 1 : 0)),
      )
    fc.assert(
      fc.property(broken, (text) => {
        try {
          parseBody(text)
        } catch (error) {
          if (error instanceof DuplicateKeyError) return
          expect(error).toBeInstanceOf(JsonSyntaxError)
          expect(() => JSON.parse(text)).toThrow()
          return
        }
        expect(() => JSON.parse(text)).not.toThrow()
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '{a:1}',
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    '1e',
    '0x1',
    'NaN',
    'Infinity',
    'nul',
    'True',
    '"a',
    '"\t"',
    '"\\x"',
    '"\\u12"',
    '1 2',
    '[1 2]',
    "'a'",
    '\u{feff}1',
    '[1]]',
  ])('refuses %j', (text) => {
    expect(() => parseBody(text)).toThrow(JsonSyntaxError)
    expect(() => parseBody(`{"payload":${text}}`)).toThrow(JsonSyntaxError)
  })

  it.each([
    ['{"a":1,"a":1}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"x":[{},{"a":{"b":1,"b":2}}]}', 'x.1.a.b'],
    ['{"payload":{"a":1,"b":2,"a":3}}', 'payload.a'],
    ['{"payload":{"x":[0,{"y":{"":1,"":2}}]}}', 'payload.x.1.y.'],
    ['{"payload":{},"payload":{}}', 'payload'],
    ['{"payload":{"__proto__":1,"__proto__":2}}', 'payload.__proto__'],
    ['{"items":[{},{"payload":{"é":1,"\\u00e9":2}}]}', 'items.1.payload.é'],
    ['[[[[[[[{"a":1,"a":2}]]]]]]]', '0.0.0.0.0.0.0.a'],
  ])('refuses the duplicate name in %s, and says where it is', (text, path) => {
    expect(() => parseBody(text)).toThrow(expect.objectContaining({ name: 'DuplicateKeyError', path }))
  })

  it('finds a duplicate among many names', () => {
    const members = Array.from({ length: 500 }, (_, index) => `"k${index}":0`)
    expect(parseBody(`{${members.join()}}`)).toHaveProperty('k499', 0)
    expect(() => parseBody(`{${[...members, '"k7":1'].join()}}`)).toThrow(DuplicateKeyError)
  })

  it('takes the same name in different objects', () => {
    expect(plain(parseBody('{"a":{"a":[{"a":1},{"a":2}]}}'))).toEqual({ a: { a: [{ a: 1 }, { a: 2 }] } })
  })

  it('shows no more of a place than fits into an answer', () => {
    const name = 'n'.repeat(1000)
    expect(() => parseBody(`{"${name}":1,"${name}":2}`)).toThrow(expect.objectContaining({ path: 'n'.repeat(200) }))
  })

  it('survives nesting of 200,000 levels', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(payloadOf(deep)).toMatchObject({ kind: 'array', depth: 200_000 })
    expect(() => parseBody('{"a":'.repeat(200_000))).toThrow(JsonSyntaxError)
    expect(() => parseBody(deep)).not.toThrow()
  })

  it('keeps `__proto__` as a name like others', () => {
    const body = parseBody('{"__proto__":{"polluted":true}}')
    expect(Object.entries(body ?? {})).toEqual([['__proto__', expect.anything()]])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('a raw value', () => {
  it('is equal to what was sent, as JSON', () => {
    fc.assert(fc.property(respelt, ({ respelt }) => void expect(JSON.parse(payloadOf(respelt).text)).toEqual(JSON.parse(respelt))))
  })

  it('has no white space outside strings, and is otherwise as sent', () => {
    fc.assert(
      fc.property(fc.tuple(json, space), ([text, indent]) => {
        const sent = JSON.stringify(JSON.parse(text), null, indent.replaceAll('\r', ' '))
        expect(payloadOf(sent).text).toBe(JSON.stringify(JSON.parse(text)))
      }),
    )
  })

  it.each([
    ['{ "b" : 1 ,\r\n\t"a" : [ 1 , 2 ] }', '{"b":1,"a":[1,2]}'],
    ['{"2":0,"1":0}', '{"2":0,"1":0}'],
    ['{"n":123456789012345678901234567890.10}', '{"n":123456789012345678901234567890.10}'],
    ['{"n":[1e5,1E+05,-0,-0.0,1e999]}', '{"n":[1e5,1E+05,-0,-0.0,1e999]}'],
    ['{"s":"\\ud800 \\u0000 \\/ \\u00e9 é  \\t"}', '{"s":"\\ud800 \\u0000 \\/ \\u00e9 é  \\t"}'],
    ['{"s":"a \\" b , c : d"}', '{"s":"a \\" b , c : d"}'],
    [' "x" ', '"x"'],
  ])('of %j is %j', (sent, text) => {
    expect(payloadOf(sent).text).toBe(text)
  })

  it.each([
    ['1', 'number', 0],
    ['"x"', 'string', 0],
    ['true', 'boolean', 0],
    ['null', 'null', 0],
    ['{}', 'object', 1],
    ['[]', 'array', 1],
    ['{"a":{}}', 'object', 2],
    ['[[],[[]],[]]', 'array', 3],
    ['{"a":[{"b":1}],"c":{}}', 'object', 3],
  ])('%s is of kind %s, nested %i levels', (text, kind, depth) => {
    expect(payloadOf(text)).toMatchObject({ kind, depth })
  })
})

describe('canonicalJson', () => {
  it('is equal for spellings of one value', () => {
    fc.assert(fc.property(respelt, ({ text, respelt }) => void expect(canonicalJson(respelt.trim())).toBe(canonicalJson(text))))
  })

  it('differs for different values', () => {
    const normal = (text: string) => JSON.stringify(sortNames(JSON.parse(text)))
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(canonicalJson(a) === canonicalJson(b)).toBe(normal(a) === normal(b))
      }),
    )
  })

  it.each([
    ['1', '1.0', '10e-1', '0.1e1', '1E0', '1e+0', '100e-00002'],
    ['0', '-0', '0.000', '0e5', '-0.0e-9'],
    ['-1200.50', '-1200.5', '-12005e-1', '-1.2005E3'],
    ['9007199254740993', '9007199254740993.0', '9.007199254740993e15'],
    ['"a\\u00e9/"', '"aé\\/"', '"\\u0061\\u00E9\\u002f"'],
    ['"\\ud83d\\ude00"', '"😀"'],
    ['{"a":1,"b":[true,null]}', '{"b":[true,null],"a":1}', '{ "b" : [ true , null ] , "\\u0061" : 1.0 }'],
  ])('has one text for %s and its other spellings', (...spellings) => {
    expect(new Set(spellings.map(canonicalJson)).size).toBe(1)
  })

  it.each([
    ['9007199254740993', '9007199254740992'],
    ['0.1', '0.10000000000000000001'],
    ['1e400', '1e401'],
    ['1', '-1'],
    ['1', '"1"'],
    ['1', '10'],
    ['null', 'false'],
    ['[1,2]', '[2,1]'],
    ['[[1],2]', '[[1,2]]'],
    ['{"a":1}', '{"a":2}'],
    ['{"a":null}', '{}'],
    ['{}', '[]'],
    ['"\\ud800"', '"\\ud801"'],
    ['"a"', '"A"'],
  ])('tells %s from %s', (a, b) => {
    expect(canonicalJson(a)).not.toBe(canonicalJson(b))
  })

  it('takes numbers with absurd exponents and digits', () => {
    const exponent = '9'.repeat(100_000)
    expect(canonicalJson(`1e${exponent}`)).not.toBe(canonicalJson(`2e${exponent}`))
    expect(canonicalJson(`1${'0'.repeat(100_000)}`)).toBe(canonicalJson('1e100000'))
  })
})

function sortNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortNames)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => ({ name, member: sortNames(member) }))
    .concat({ name: 'object', member: Object.keys(value).length })
}

describe('stringifyJson', () => {
  it('agrees with JSON.stringify', () => {
    fc.assert(fc.property(json, (text) => void expect(stringifyJson(JSON.parse(text))).toBe(JSON.stringify(JSON.parse(text)))))
  })

  it('puts a raw value in as it is, and leaves undefined members out', () => {
    expect(stringifyJson({ a: undefined, raw: new RawJson('object', '{"n":1.00}', 1), list: [new RawJson('number', '2.0', 0)] })).toBe(
      '{"raw":{"n":1.00},"list":[2.0]}',
    )
  })
})
