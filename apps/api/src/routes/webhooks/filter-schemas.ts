/** The filter of a webhook or a replay, as sent and as read. */
import { z } from '@hono/zod-openapi'
import { RawJson, setMember } from '../../domain/json.ts'
import { filterProblems } from '../../domain/webhook-filter.ts'
import { PRIORITIES } from '../../ports.ts'
import { isText, MAX_VALUE_CHARACTERS, METADATA_KEY, METADATA_KEY_RULE, NUL_OR_LONE_SURROGATE } from '../events/schemas.ts'
import { hasAtMost, nameOf } from '../schemas.ts'

const MAX_ENTRIES = 20
const MAX_PATH_CHARACTERS = 512
const MAX_TEXT_CHARACTERS = 1024

const entries = <Schema extends z.ZodType>(schema: Schema, whenEmpty = 'must not be empty: leave it out') =>
  z.array(schema).min(1, whenEmpty).max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`)

const text = z
  .string()
  .refine(hasAtMost(MAX_TEXT_CHARACTERS), `must have at most ${MAX_TEXT_CHARACTERS} characters`)
  .refine((value) => value.isWellFormed(), 'must not contain half of a surrogate pair')
  .openapi({ maxLength: MAX_TEXT_CHARACTERS })
const scalar = z.union([text, z.number(), z.boolean(), z.null()], 'must be a string, a number, a boolean or null')
const bound = z.union([text, z.number()], 'must be a string or a number')

const path = z.string().refine(hasAtMost(MAX_PATH_CHARACTERS), `must have at most ${MAX_PATH_CHARACTERS} characters`).openapi({
  minLength: 1,
  maxLength: MAX_PATH_CHARACTERS,
  description: "Where in the payload: names and indexes, no wildcards. `$.user.id`, `$.items[0].sku`, `$['a b']`.",
  example: '$.user.plan',
})

/** A condition on the payload, with what `value` is for its `op`. */
const PayloadConditionSchema = z
  .discriminatedUnion(
    'op',
    [
      z.strictObject({ path, op: z.literal('equals'), value: scalar }),
      z.strictObject({ path, op: z.literal('in'), value: entries(scalar, 'must have at least one entry') }),
      z.strictObject({ path, op: z.literal('exists'), value: z.boolean().optional() }),
      z.strictObject({ path, op: z.literal('prefix'), value: text }),
      z.strictObject({
        path,
        op: z.literal('range'),
        value: z
          .strictObject({ gt: bound.optional(), gte: bound.optional(), lt: bound.optional(), lte: bound.optional() })
          .openapi({ minProperties: 1, description: 'Numbers are compared with numbers, strings with strings.', example: { gte: 100 } }),
      }),
    ],
    'must be one of "equals", "in", "exists", "prefix", "range"',
  )
  .openapi('PayloadCondition', {
    description:
      'What the payload must have. `equals`: that value; `in`: one of them; `exists`: anything, null too (`value: false`: nothing); `prefix`: a string ' +
      'that begins so; `range`: a number or string within the bounds.',
    example: { path: '$.user.plan', op: 'in', value: ['pro', 'team'] },
  })

type Scalar = string | number | boolean

/** Made by hand: the keys are the user's, `__proto__` too. */
const metadata = z
  .unknown()
  .transform((value, ctx) => {
    const filter: Record<string, Scalar> = {}
    const report = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message })
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof RawJson) {
      report([], 'must be an object')
      return filter
    }
    const members = Object.entries(value)
    if (members.length === 0) report([], 'must not be empty: leave it out')
    if (members.length > MAX_ENTRIES) report([], `must have at most ${MAX_ENTRIES} keys`)
    for (const [key, given] of members) {
      const member = unwrapped(given)
      const problem = METADATA_KEY.test(key) ? valueProblem(member) : METADATA_KEY_RULE
      if (problem !== undefined) report([key], problem)
      else if (isScalar(member)) setMember(filter, key, member)
    }
    return filter
  })
  .openapi({
    type: 'object',
    minProperties: 1,
    maxProperties: MAX_ENTRIES,
    description: 'Metadata keys with the value that each must have.',
    additionalProperties: { type: ['string', 'number', 'boolean'], maxLength: MAX_VALUE_CHARACTERS },
    example: { region: 'eu-west-1' },
  })

/** A key called `payload` reads as an event's payload to the body's parser. */
function unwrapped(value: unknown): unknown {
  return value instanceof RawJson && value.depth === 0 ? JSON.parse(value.text) : value
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function valueProblem(value: unknown): string | undefined {
  if (!isScalar(value)) return 'must be a string, a number or a boolean'
  if (typeof value !== 'string') return undefined
  if ([...value].length > MAX_VALUE_CHARACTERS) return `must have at most ${MAX_VALUE_CHARACTERS} characters`
  return isText(value) ? undefined : NUL_OR_LONE_SURROGATE
}

/** All of it must hold for an event. */
export const WebhookFilterSchema = z
  .strictObject({
    source: entries(nameOf('A source.', 'shop')).optional().openapi({ description: 'Only events from one of these sources.' }),
    priority: entries(z.enum(PRIORITIES)).optional().openapi({ description: 'Only events of one of these priorities.' }),
    metadata: metadata.optional(),
    payload: entries(PayloadConditionSchema).optional().openapi({ description: 'Conditions on the payload.' }),
  })
  .superRefine((filter, ctx) => {
    for (const { path, message } of filterProblems(filter)) ctx.addIssue({ code: 'custom', path, message })
  })
  .openapi('WebhookFilter', {
    description: 'What an event must be like beside its type; all of it.',
    example: { source: ['shop'], payload: [{ path: '$.user.plan', op: 'equals', value: 'pro' }] },
  })

/** @param description of the field that it stands in */
export const filterOrNull = (description: string) => z.union([WebhookFilterSchema, z.null()]).openapi({ description })
