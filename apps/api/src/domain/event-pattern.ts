/** What a webhook is to get, by event type: `*` is all but our own, `user.*` all that begin with `user.`, anything else one type. */
import { isPlainText } from './plain-text.ts'

const OWN_PREFIX = 'triggers.'
/** As long as an event type may be. */
const MAX_CHARACTERS = 100

/** Whether it is a type of our own events, such as `triggers.delivery.dead`, which nobody else may create. */
export const isOwnType = (eventType: string): boolean => eventType.startsWith(OWN_PREFIX)

/** An event type whose name has a `*` cannot be asked for alone: people who write one mean a pattern. */
export function isEventPattern(text: string): boolean {
  if (text === '*') return true
  const type = text.endsWith('.*') ? text.slice(0, -2) : text
  if (type === '' || type.includes('*') || text.trim() !== text) return false
  return isPlainText(text) && [...text].length <= MAX_CHARACTERS
}

export function matchesPattern(pattern: string, eventType: string): boolean {
  if (pattern === '*') return !isOwnType(eventType)
  return pattern.endsWith('.*') ? eventType.startsWith(beginningOf(pattern)) : pattern === eventType
}

/** What every event type begins with that the pattern matches: nothing for `*`, `user.` for `user.*`. */
export function beginningOf(pattern: string): string {
  return pattern === '*' || pattern.endsWith('.*') ? pattern.slice(0, -1) : pattern
}
