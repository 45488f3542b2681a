import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseExactly } from './exact-json.ts'
import { parsePayloadPath, valueAt } from './payload-path.ts'

describe('a path', () => {
  it.each([
    ['$.user.id', ['user', 'id']],
    ['$.items[0].sku', ['items', 0, 'sku']],
    ['$[0][12]', [0, 12]],
    ["$['a b']", ['a b']],
    ['$["a b"].c', ['a b', 'c']],
    ["$['it\\'s']['\\u00e9\\n\\\\']", ["it's", 'é\n\\']],
    ["$['']", ['']],
    ["$['[0]']", ['[0]']],
    ["$['0']", ['0']],
    ['$.user-id._x9', ['user-id', '_x9']],
    ['$.größe.商店.😀', ['größe', '商店', '😀']],
    ['$.__proto__.constructor', ['__proto__', 'constructor']],
  ])('%s', (text, path) => {
    expect(parsePayloadPath(text)).toEqual({ path })
  })

  it.each([
    ['', 'must begin with $'],
    ['user.id', 'must begin with $'],
    [' $.user', 'must begin with $'],
    ['$', 'must lead to something'],
    ['$..id', 'must not search all levels'],
    ['$.a..b', 'must not search all levels'],
    ['$.*', 'must not have wildcards'],
    ['$.a[*]', 'must not have wildcards'],
    ['$.a[ * ].b', 'must not have wildcards'],
    ['$.a[-1]', 'must not have negative indexes'],
    ['$.a[1:2]', 'must not have slices'],
    ['$.a[:2]', 'must not have slices'],
    ['$.a[::2]', 'must not have slices'],
    ['$.a[?@.b == 1]', 'must not have filters'],
    ['$.a[?(@.b)]', 'must not have filters'],
    ['$.a[(@.length-1)]', 'must not have filters'],
    ['$.a[0,1]', 'must have one name or index'],
    ["$['a','b']", 'must have one name or index'],
    ['$.a[01]', 'has an index of another form'],
    ['$.a[ 1 ]', 'has an index of another form'],
    [`$.a[${'9'.repeat(16)}]`, 'has an index of another form'],
    ['$user', 'at character 2'],
    ['$.', 'at character 2'],
    ['$.9a', 'at character 2'],
    ['$.a.-b', 'at character 4'],
    ['$.a b', 'at character 4'],
    ['$.a[b]', 'at character 4'],
    ['$.a[', 'at character 4'],
    ['$.a[]', 'at character 4'],
    ['$.😀.', 'at character 4'],
    ["$['a]", 'at character 2'],
    ["$['a'x]", 'at character 2'],
    ["$['\\x']", 'at character 2'],
    ["$['\\u12']", 'at character 2'],
    ['$.a ', 'at character 4'],
    ['$.a()', 'at character 4'],
  ])('is not "%s"', (text, problem) => {
    expect(parsePayloadPath(text)).toEqual({ problem: expect.stringContaining(problem) })
  })

  it('is read or refused, whatever it is, in a time that grows with its length alone', () => {
    const piece = fc.constantFrom(
      '$',
      '.',
      '..',
      '[',
      ']',
      '[0]',
      "['",
      "']",
      '["',
      '"]',
      '\\',
      "\\'",
      '\\u',
      '*',
      '-1',
      ':',
      '?',
      ',',
      'a',
      '\ud800',
      '\n',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 20 }), (pieces) => {
        const parsed = parsePayloadPath(`$${pieces.join('')}`)
        expect('path' in parsed ? parsed.path.length > 0 : parsed.problem.length > 0).toBe(true)
      }),
    )
    for (const text of [
      "$['".repeat(5000),
      `$['${'\\'.repeat(9999)}`,
      `$${'[0]'.repeat(5000)}`,
      `$[${' '.repeat(9999)}`,
      `$['${"a'".repeat(5000)},`,
    ])
      parsePayloadPath(text)
  })
})

const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'length', 'toString', '0', 'a b'))

/** A path to each value of a parsed text, with what it leads to. */
function* walk(value: unknown, path: (string | number)[] = []): Generator<[path: (string | number)[], value: unknown]> {
  yield [path, value]
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) yield* walk(member, [...path, Array.isArray(value) ? Number(key) : key])
}

const spelled = (path: readonly (string | number)[]) =>
  `$${path.map((step) => (typeof step === 'number' ? `[${step}]` : `[${JSON.stringify(step)}]`)).join('')}`

describe('a value', () => {
  it('is found by its path, at any place', () => {
    const scalar = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null))
    const { root } = fc.letrec((tie) => ({
      root: fc.oneof(
        { maxDepth: 4 },
        scalar,
        fc.array(tie('root'), { maxLength: 4 }),
        fc.array(fc.tuple(name, tie('root')), { maxLength: 4 }).map(Object.fromEntries),
      ),
    }))
    fc.assert(
      fc.property(root, (value) => {
        const text = JSON.stringify(value)
        const payload = parseExactly(text)
        for (const [path, found] of walk(JSON.parse(text))) {
          const parsed = path.length === 0 ? { path } : parsePayloadPath(spelled(path))
          expect(parsed).toEqual({ path })
          // Both as text: a deep comparison looks at prototypes.
          expect(JSON.stringify(valueAt(payload, path))).toBe(JSON.stringify(found))
        }
      }),
    )
  })

  it('is no member of a prototype, no length, no character', () => {
    const payload = parseExactly('{"list":[1],"text":"abc","number":1.5,"long":12345678901234567890,"null":null}')
    const paths = [
      ['__proto__'],
      ['constructor'],
      ['toString', 'name'],
      ['list', 'length'],
      ['list', '0'],
      ['list', 1],
      ['text', 0],
      ['text', 'length'],
      ['number', 'toFixed'],
      ['long', 'compareTo'],
      ['null', 'x'],
      [0],
    ]
    for (const path of paths) expect([path, valueAt(payload, path)]).toEqual([path, undefined])
  })
})
