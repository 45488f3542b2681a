import type { EventRecord } from '../ports.ts'
import type { PayloadCondition, PayloadRange, PayloadValue, WebhookFilter } from '../webhook-ports.ts'
import { ExactNumber } from './decimal.ts'
import { type ExactValue, parseExactly } from './exact-json.ts'
import { type PayloadPath, parsePayloadPath, valueAt } from './payload-path.ts'

/** A filter is read for every event: it must stay small, whatever its lists and texts are. */
const MAX_FILTER_BYTES = 16_384

export interface FilterProblem {
  path: (string | number)[]
  /** "must …" */
  message: string
}

/** What is wrong with a filter of the right shape: paths, numbers that cannot be compared exactly, and what could never match. */
export function filterProblems(filter: WebhookFilter): FilterProblem[] {
  const problems: FilterProblem[] = []
  if (Buffer.byteLength(JSON.stringify(filter)) > MAX_FILTER_BYTES) {
    problems.push({ path: [], message: `must have at most ${MAX_FILTER_BYTES} bytes as JSON` })
  }
  const check = (path: (string | number)[], message: string | undefined) => message !== undefined && problems.push({ path, message })
  for (const [key, value] of Object.entries(filter.metadata ?? {})) check(['metadata', key], numberProblem(value))
  filter.payload?.forEach((condition, index) => {
    const parsed = parsePayloadPath(condition.path)
    check(['payload', index, 'path'], 'problem' in parsed ? parsed.problem : undefined)
    check(['payload', index, 'value'], valueProblem(condition))
  })
  return problems
}

function valueProblem(condition: PayloadCondition): string | undefined {
  switch (condition.op) {
    case 'equals':
      return numberProblem(condition.value)
    case 'in':
      return condition.value.map(numberProblem).find((problem) => problem !== undefined)
    case 'range':
      return rangeProblem(condition.value)
    case 'exists':
    case 'prefix':
      return undefined
  }
}

function numberProblem(value: PayloadValue): string | undefined {
  if (typeof value !== 'number') return undefined
  if (!Number.isFinite(value)) return 'is beyond the range of numbers'
  return Number.isInteger(value) && !Number.isSafeInteger(value)
    ? 'has an integer beyond ±(2^53 − 1), which is not read exactly'
    : undefined
}

function rangeProblem(range: PayloadRange): string | undefined {
  const bounds = [range.gt, range.gte, range.lt, range.lte].filter((bound) => bound !== undefined)
  if (bounds.length === 0) return 'must have at least one of gt, gte, lt, lte'
  if (new Set(bounds.map((bound) => typeof bound)).size > 1) return 'must have bounds of one kind: all numbers, or all strings'
  const problem = bounds.map(numberProblem).find((one) => one !== undefined)
  if (problem !== undefined) return problem
  const { gt, gte, lt, lte } = range
  const holdsSomething = isBelow(gte, lte, true) && isBelow(gt, lte) && isBelow(gte, lt) && isBelow(gt, lt)
  return holdsSomething ? undefined : 'must have an upper bound above the lower one'
}

function isBelow(low: string | number | undefined, high: string | number | undefined, orEqual = false): boolean {
  if (low === undefined || high === undefined) return true
  const order = compare(low, high)
  return order < 0 || (orEqual && order === 0)
}

/** Conditions are stored with their webhook and read for every event; their paths are parsed once. */
const paths = new WeakMap<PayloadCondition, PayloadPath | null>()

/** What filters look at, parsed when the first of them asks. */
interface Content {
  event: EventRecord | undefined
  payload?: ExactValue
  metadata?: Readonly<Record<string, unknown>>
}

/** Of the last event that was looked at: one event is held against many webhooks, then the next. More would be memory in a sender's hands. */
let last: Content = { event: undefined }

/**
 * Holds an event against a filter. Numbers compare by their exact decimal value, and a number is never equal to a string, but in metadata,
 * where both compare as text, as in the filters of lists.
 * @returns undefined when it matches; else the first part that does not, for people. It names no values of the payload and the metadata, which may be secret
 */
export function filterMismatch(filter: WebhookFilter, event: EventRecord): string | undefined {
  if (filter.source !== undefined && !filter.source.includes(event.source)) {
    return `source is ${event.source}, the filter wants ${listed(filter.source)}`
  }
  if (filter.priority === undefined && filter.metadata === undefined && filter.payload === undefined) return undefined
  return metadataMismatch(filter, event) ?? payloadMismatch(filter.payload ?? [], event)
}

function metadataMismatch(filter: WebhookFilter, event: EventRecord): string | undefined {
  if (filter.priority === undefined && filter.metadata === undefined) return undefined
  const metadata = metadataOf(event)
  const priority = metadata['priority']
  if (filter.priority !== undefined && !filter.priority.some((wanted) => wanted === priority)) {
    return `priority is ${priority}, the filter wants ${listed(filter.priority)}`
  }
  for (const [key, wanted] of Object.entries(filter.metadata ?? {})) {
    if (!Object.hasOwn(metadata, key)) return `metadata.${key} is missing`
    if (String(metadata[key]) !== String(wanted)) return `metadata.${key} has another value than the filter wants`
  }
  return undefined
}

function payloadMismatch(conditions: readonly PayloadCondition[], event: EventRecord): string | undefined {
  for (const condition of conditions) {
    const path = pathOf(condition)
    const difference = path === null ? 'is not a path' : conditionMismatch(condition, valueAt(payloadOf(event), path))
    if (difference !== undefined) return `payload ${shortened(condition.path)} ${difference}`
  }
  return undefined
}

/** @param value undefined where the payload has nothing there */
function conditionMismatch(condition: PayloadCondition, value: ExactValue | undefined): string | undefined {
  if (condition.op === 'exists') {
    const wanted = condition.value ?? true
    if (wanted === (value !== undefined)) return undefined
    return wanted ? 'is missing' : 'is there, the filter wants it absent'
  }
  if (value === undefined) return 'is missing'
  switch (condition.op) {
    case 'equals':
      return isEqual(value, condition.value) ? undefined : 'has another value than the filter wants'
    case 'in':
      return condition.value.some((wanted) => isEqual(value, wanted)) ? undefined : 'has none of the values that the filter wants'
    case 'prefix':
      return typeof value === 'string' && value.startsWith(condition.value) ? undefined : 'does not begin as the filter wants'
    case 'range':
      return isWithin(value, condition.value) ? undefined : 'is not in the range that the filter wants'
  }
}

function isEqual(value: ExactValue, wanted: PayloadValue): boolean {
  if (value === wanted) return true
  return value instanceof ExactNumber && typeof wanted === 'number' && value.compareTo(wanted) === 0
}

function isWithin(value: ExactValue, { gt, gte, lt, lte }: PayloadRange): boolean {
  const isOn = (bound: string | number | undefined, holds: (order: number) => boolean) =>
    bound === undefined || holds(compare(value, bound))
  return (
    isOn(gt, (order) => order > 0) && isOn(gte, (order) => order >= 0) && isOn(lt, (order) => order < 0) && isOn(lte, (order) => order <= 0)
  )
}

/** Numbers by their exact value, strings by code points. @returns NaN, on no side of anything, for values of two kinds */
function compare(value: ExactValue, bound: string | number): number {
  if (typeof bound === 'string') return typeof value === 'string' ? compareText(value, bound) : Number.NaN
  if (typeof value === 'number') return value < bound ? -1 : value > bound ? 1 : 0
  return value instanceof ExactNumber ? value.compareTo(bound) : Number.NaN
}

function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
  }
  return a.length - b.length
}

/** UTF-16 has the halves of code points beyond U+FFFF before U+E000. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit
}

function pathOf(condition: PayloadCondition): PayloadPath | null {
  let path = paths.get(condition)
  if (path === undefined) {
    const parsed = parsePayloadPath(condition.path)
    path = 'path' in parsed ? parsed.path : null
    paths.set(condition, path)
  }
  return path
}

function contentOf(event: EventRecord): Content {
  if (last.event !== event) last = { event }
  return last
}

function payloadOf(event: EventRecord): ExactValue {
  const content = contentOf(event)
  content.payload ??= parseExactly(event.payload)
  return content.payload
}

function metadataOf(event: EventRecord): Readonly<Record<string, unknown>> {
  const content = contentOf(event)
  const metadata: Readonly<Record<string, unknown>> = content.metadata ?? JSON.parse(event.metadata)
  content.metadata = metadata
  return metadata
}

const SHOWN_NAMES = 3
const SHOWN_CHARACTERS = 100

function listed(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).join(' or ')
  return names.length > SHOWN_NAMES ? `${shown} or ${names.length - SHOWN_NAMES} more` : shown
}

function shortened(text: string): string {
  const characters = [...text]
  return characters.length > SHOWN_CHARACTERS ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : text
}
