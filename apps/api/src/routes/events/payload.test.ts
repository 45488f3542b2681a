import { describe, expect, it } from 'vitest'
import { expectRefused, INPUT } from '../../testing/events.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

/** Sends an event whose payload is that text, as it is. */
const send = (payload: string | Uint8Array, key = app.key()) => {
  const around = JSON.stringify({ ...INPUT, payload: '|' }).split('"|"')
  const body = Buffer.concat([Buffer.from(around[0] ?? ''), Buffer.from(payload), Buffer.from(around[1] ?? '')])
  return app.request('/v1/events', { method: 'POST', key, body })
}

/** The payload's text as the API gives it back, from each of its reads. */
async function readBack(payload: string): Promise<string[]> {
  const key = app.key()
  const created = await send(payload, key)
  expect(created.status, created.text).toBe(201)
  const paths = [`/v1/events/${created.body.event_id}`, '/v1/inbox', '/v1/events']
  const answers = await Promise.all(paths.map((path) => app.request(path, { key })))
  return answers.map(({ text }) => text.slice(text.indexOf('"payload":') + 10, text.indexOf(',"status":')))
}

const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`
const ofBytes = (bytes: number, unit = 'x') => {
  const room = bytes - '{"t":""}'.length
  const size = Buffer.byteLength(unit)
  return `{"t":"${unit.repeat(Math.floor(room / size))}${'x'.repeat(room % size)}"}`
}

describe('a payload', () => {
  it.each([
    ['an empty object', '{}'],
    ['the order of its keys, those like numbers too', '{"b":1,"a":2,"10":3,"9":4}'],
    ['integers beyond 2^53', '{"n":9007199254740993,"m":-123456789012345678901234567890}'],
    ['long decimals', '{"n":0.1000000000000000055511151231257827,"m":3.141592653589793238462643383279}'],
    ['the form of its numbers', '{"n":[1.0,1e5,1E+05,-0,0.10,1e999]}'],
    ['its escapes', '{"s":"\\u00e9\\/\\u0041\\b"}'],
    ['lone surrogates as escapes', '{"s":"\\ud800","\\udfff":"\\udc00\\ud800"}'],
    ['NUL as an escape', '{"s":"a\\u0000b","\\u0000":1}'],
    ['any script', '{"ключ":"значение","絵":"😀"}'],
    ['names that mean something to JavaScript', '{"__proto__":{"x":1},"constructor":null,"toString":"x"}'],
    ['every kind of value', '{"a":[null,true,false,"x",1,{},[]],"":""}'],
    ['names that differ in case alone', '{"a":1,"A":2}'],
    ['white space within strings', '{"a b":" c\u2028d  "}'],
  ])('is given back with %s as sent', async (_, payload) => {
    expect(await readBack(payload)).toEqual([payload, payload, payload])
  })

  it('is given back without white space outside strings', async () => {
    const compact = '{"a":[1,{"b":" , "}],"c":{}}'
    expect(await readBack('\n{ "a" : [ 1 ,\t{ "b" : " , " } ] ,\r\n "c" : { } } ')).toEqual([compact, compact, compact])
  })

  it.each(['null', '[]', '[{}]', '"text"', '1', 'true', '""'])('that is %s is refused', async (payload) => {
    expectRefused(await send(payload), 400, 'payload')
  })

  it.each([
    ['NaN', '{"n":NaN}'],
    ['Infinity', '{"n":-Infinity}'],
    ['undefined', '{"n":undefined}'],
    ['a trailing comma', '{"n":1,}'],
    ['a leading zero', '{"n":01}'],
    ['a comment', '{/* x */}'],
    ['an unescaped control character', '{"s":"\u0001"}'],
    ['an unescaped NUL', '{"s":"\u0000"}'],
    ['an unknown escape', '{"s":"\\x41"}'],
    ['single quotes', "{'s':1}"],
    ['an end too early', '{"s":'],
  ])('with %s is refused', async (_, payload) => {
    expectRefused(await send(payload), 400, 'body')
  })

  it.each([
    ['{"a":1,"a":1}', 'payload.a'],
    ['{"x":{"y":[{"a":1,"\\u0061":2}]}}', 'payload.x.y.0.a'],
    ['{"__proto__":1,"__proto__":1}', 'payload.__proto__'],
  ])('with a duplicate key is refused: %s', async (payload, field) => {
    expectRefused(await send(payload), 400, field)
  })

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong form', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a sequence that is cut off', [0xe2, 0x82]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['Latin-1', [0xe9]],
  ])('with invalid UTF-8 is refused: %s', async (_, bytes) => {
    expectRefused(await send(Buffer.concat([Buffer.from('{"s":"'), Buffer.from(bytes), Buffer.from('"}')])), 400, 'body')
  })
})

describe("a payload's depth", () => {
  it('may be 128 levels, counting itself', async () => {
    expect((await send(nested(128))).status).toBe(201)
    expect((await send(`{"a":${'['.repeat(127)}${']'.repeat(127)}}`)).status).toBe(201)
    expect(await readBack(nested(128))).toEqual([nested(128), nested(128), nested(128)])
  })

  it.each([129, 1000, 80_000])('may not be %i levels', async (levels) => {
    expectRefused(await send(nested(levels)), 400, 'payload')
  })

  it.each(['{"a":', '['])('of 100,000 levels of %s is survived, closed or not', async (opener) => {
    const levels = 100_000
    const closed = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
    expectRefused(await send(closed), 400, 'payload')
    expectRefused(await send(opener.repeat(levels)), 400, 'body')
    expect((await app.request('/v1/health')).status).toBe(200)
  })
})

describe("a payload's size", () => {
  it('may be 409,600 bytes as compact JSON', async () => {
    const payload = ofBytes(409_600)
    expect(await readBack(payload)).toEqual([payload, payload, payload])
    expect((await send(payload.replace(':', ' : '))).status).toBe(201)
  })

  it.each([
    ['one byte more', ofBytes(409_601), 409_601],
    ['far more', ofBytes(500_000), 500_000],
  ])('may not be %s', async (_, payload, bytes) => {
    const answer = await send(payload)
    expect([answer.status, answer.body.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    expect(answer.body.error.details).toMatchObject({ limit_bytes: 409_600, actual_bytes: bytes })
  })

  it.each(['é', '漢', '😀'])('counts %s in UTF-8', async (character) => {
    expect((await send(ofBytes(409_600, character))).status).toBe(201)
    expect((await send(ofBytes(409_601, character))).body.error.details).toMatchObject({ limit_bytes: 409_600, actual_bytes: 409_601 })
  })

  it('counts escapes as sent', async () => {
    expect((await send(ofBytes(409_600, '\\u0041'))).status).toBe(201)
    expect((await send(ofBytes(409_601, '\\u0041'))).status).toBe(413)
  })
})
