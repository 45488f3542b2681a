import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { beginningOf, isEventPattern, isOwnType, matchesPattern } from './event-pattern.ts'

const type = fc.stringMatching(/^[a-z]{1,3}(\.[a-z]{1,3}){0,3}$/)
const anyType = fc.oneof(
  type,
  type.map((one) => `triggers.${one}`),
  fc.string({ minLength: 1, unit: 'binary' }),
)
const pattern = fc.oneof(
  fc.constant('*'),
  anyType,
  type.map((one) => `${one}.*`),
  fc.constant('triggers.*'),
)

describe('a pattern', () => {
  it.each([
    ['*', ['user.created', 'user', 'triggers', 'Triggers.x', 'triggersx.y', '*'], ['triggers.webhook.disabled', 'triggers.', 'triggers.x']],
    ['user.*', ['user.created', 'user.a.b', 'user.'], ['user', 'users.created', 'User.created', 'x.user.created', 'triggers.user.x']],
    ['user.address.*', ['user.address.changed'], ['user.address', 'user.created']],
    ['user.created', ['user.created'], ['user.created.x', 'user.create', 'user', 'xuser.created']],
    ['triggers.*', ['triggers.delivery.dead', 'triggers.x'], ['triggers', 'user.created']],
    ['triggers.delivery.*', ['triggers.delivery.dead'], ['triggers.webhook.disabled']],
    ['triggers.delivery.dead', ['triggers.delivery.dead'], ['triggers.delivery.deader']],
  ])('%s matches what it says', (one, matching, others) => {
    expect(isEventPattern(one)).toBe(true)
    for (const eventType of matching) expect([eventType, matchesPattern(one, eventType)]).toEqual([eventType, true])
    for (const eventType of others) expect([eventType, matchesPattern(one, eventType)]).toEqual([eventType, false])
  })

  it('matches only types that begin as it does', () => {
    fc.assert(fc.property(pattern, anyType, (one, eventType) => !matchesPattern(one, eventType) || eventType.startsWith(beginningOf(one))))
  })

  it('matches the type that it is, and all that go on behind its star', () => {
    fc.assert(
      fc.property(type, type, (a, b) => matchesPattern(a, a) && matchesPattern(`${a}.*`, `${a}.${b}`) && !matchesPattern(`${a}.*`, a)),
    )
  })

  it('asks for our own events only by their name', () => {
    fc.assert(fc.property(pattern, anyType, (one, eventType) => !isOwnType(eventType) || !matchesPattern(one, eventType) || isOwnType(one)))
  })
})

it.each([
  ['*', ''],
  ['user.*', 'user.'],
  ['user.created', 'user.created'],
])('%s begins with "%s"', (one, beginning) => {
  expect(beginningOf(one)).toBe(beginning)
})

describe('isEventPattern', () => {
  it.each(['x', 'user.created', 'user.*', 'a.b.c.*', '商店.*', 'order paid', '😀'.repeat(100), `${'x'.repeat(98)}.*`])(
    'takes %s',
    (text) => {
      expect(isEventPattern(text)).toBe(true)
    },
  )

  it.each([
    '',
    '.*',
    '**',
    '*.created',
    'user*',
    'user.*.x',
    'user.**',
    '*.*',
    ' user',
    'user ',
    'a\nb',
    'a\u0000',
    'a\ud800',
    'x'.repeat(101),
    '😀'.repeat(101),
    `${'x'.repeat(99)}.*`,
  ])('refuses "%s"', (text) => {
    expect(isEventPattern(text)).toBe(false)
  })

  it('takes whatever is an event type without a star', () => {
    fc.assert(fc.property(type, (one) => isEventPattern(one) && isEventPattern(`${one}.*`)))
  })
})
