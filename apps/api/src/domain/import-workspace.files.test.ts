import { describe, expect, it } from 'vitest'
import { countLines, fullPlace, imported, newPlace } from '../testing/moves.ts'
import { newUuid } from '../uuid.ts'
import { createApiKey } from './api-keys.ts'
import { lineOf } from './moved-out.ts'

const BY = { principal: null, ip: null, requestId: null }

describe('a file that is broken', () => {
  const HEADER = '{"header":{"format":1,"workspaceId":"shop","exportedAtUs":1763712000000000,"withSecrets":false}}'
  const EVENT = {
    ...{ eventId: '019aa56d-6000-7000-98ac-5a6889b9f2de', createdAtUs: 1_763_712_000_000_000, source: 's', eventType: 't', payload: '{}' },
    ...{ status: 'pending', metadata: '{"priority":"low"}', acknowledgedAtUs: null },
  }
  const event = (fields: object) => JSON.stringify({ event: { ...EVENT, ...fields } })
  const IN_2200 = 7_258_118_400_000_000

  it.each<[what: string, lines: string[], said: string]>([
    ['empty', [], 'Line 1 is missing'],
    ['of something else', ['[{"api_key":"canary"}]'], 'Line 1 is not the header of an exported workspace'],
    ['no JSON', ['\u0000canary'], 'Line 1 is not the header'],
    ['of a newer version', [HEADER.replace('"format":1', '"format":2')], 'Line 1 is of format 2, and this program knows 1'],
    ['with a field more in its header', [HEADER.replace('"format":1', '"format":1,"x":1')], 'Line 1 is not the header'],
    ['of a workspace that cannot be', [HEADER.replace('shop', '../etc')], 'Line 1 is not the header'],
    ['only a header', [HEADER], 'Line 1 is the last, and not the closing line'],
    ['with a kind that is not known', [HEADER, '{"canary":{}}'], 'Line 2 is no record of a kind that is known'],
    ['with half a record', [HEADER, event({}).slice(0, 50)], 'Line 2 is no JSON text'],
    ['with two records in a line', [HEADER, `${event({})}${event({})}`], 'Line 2 is no JSON text'],
    ['with a second field in a line', [HEADER, `${event({}).slice(0, -1)},"canary":1}`], 'Line 2 (event)'],
    ['with a field more', [HEADER, event({ canary: 1 })], 'Line 2 (event) has a field that is not known'],
    ['with a field less', [HEADER, event({ payload: undefined })], 'Line 2 (event) payload: '],
    ['with a payload that is none', [HEADER, event({ payload: '[]' })], 'Line 2 (event) payload: is no JSON object'],
    ['with metadata that is none', [HEADER, event({ metadata: '{"priority":"canary"}' })], 'Line 2 (event) metadata: '],
    ['with an id of another time', [HEADER, event({ createdAtUs: 5 })], 'Line 2 (event) has an id of another time'],
    ['with an id that is none', [HEADER, event({ eventId: 'canary' })], 'Line 2 (event) eventId: '],
    ['with half of a surrogate pair', [HEADER, event({ source: '\ud83d' })], 'Line 2 (event) source: '],
    [
      'from the far future',
      [HEADER, event({ createdAtUs: IN_2200, eventId: newUuid(IN_2200) })],
      "Line 2 (event) is more than a day ahead of this machine's clock",
    ],
    [
      'with wrong counts',
      [HEADER, event({}), lineOf('end', { ...countLines(''), event: 2 }).trim()],
      'Line 3 counts 2 lines of event, and there are 1',
    ],
    ['with lines behind its end', [HEADER, lineOf('end', countLines('')).trim(), event({})], 'Line 3 is behind the closing line'],
  ])('is refused with the number of the line, and none of its values: %s', async (_, lines, said) => {
    const target = await newPlace()
    const text = lines.map((line) => `${line}\n`).join('')
    const error = await imported(target, text, { takeOver: false }).then(
      () => expect.fail('it was taken'),
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ name: 'LineError', message: expect.stringContaining(said) })
    expect(String(error)).not.toContain('canary')
  })

  it('was imported as far as the line before', async () => {
    const target = await newPlace()
    const second = { eventId: '019aa56d-6000-7004-82be-8b7f28c051d3', createdAtUs: EVENT.createdAtUs + 1 }
    const text = [HEADER, event({}), event({ ...second, payload: '7' }), event({ ...second, payload: '{"a":1}' })].join('\n')
    await expect(imported(target, text, { takeOver: false })).rejects.toThrow('Line 3')
    const page = await target.deps.store.listEvents({ workspaceId: 'shop', filter: {}, order: 'asc', limit: 10, maxBytes: 1e6 })
    expect(page.events).toEqual([EVENT])
  })

  it('ends in words, whatever was changed in it', async () => {
    const { text } = await fullPlace()
    const bytes = Buffer.from(text)
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    const target = await newPlace()
    for (let n = 0; n < 120; n++) {
      const changed = Buffer.from(bytes)
      for (let flips = 0; flips <= n % 3; flips++) changed[random(changed.length)] = random(256)
      const lines = changed.toString('latin1').split('\n')
      if (n % 4 === 0) lines.splice(random(lines.length), 1)
      if (n % 5 === 0) lines.splice(random(lines.length), 0, lines[random(lines.length)] ?? '')
      try {
        await imported(target, Buffer.from(lines.join('\n'), 'latin1'))
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
        expect(String(error)).toMatch(/^LineError: Line \d+ |^Error: (ENCRYPTION_KEY|The data key|The file)/)
      }
    }
    await createApiKey(target.deps, BY, 'shop', { name: 'a', scopes: [], allowedIps: [] })
  })
})
