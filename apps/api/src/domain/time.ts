/** Times as the wire has them: UTC, ISO 8601, microseconds, `Z`. */

export const DAY_US = 86_400e6

/** The last second that was formatted: times come in runs, and a calendar costs more than the rest. */
let lastSecond = { second: 0, text: '1970-01-01T00:00:00' }

/** @param us microseconds since the Unix epoch */
export function formatTime(us: number): string {
  const second = Math.floor(us / 1e6)
  if (second !== lastSecond.second) lastSecond = { second, text: new Date(second * 1000).toISOString().slice(0, 19) }
  return `${lastSecond.text}.${String(us - second * 1e6).padStart(6, '0')}Z`
}

const ISO_8601 = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/i

/**
 * The instant of an ISO 8601 date or date-time, in microseconds since the Unix epoch. Without an offset it is UTC; a bare
 * date is its midnight. Digits beyond the microsecond are rounded towards `round`, so that a bound stays inclusive.
 * @returns undefined when the text is no such time, or no real one (30 February)
 */
export function parseTime(text: string, round: 'up' | 'down'): number | undefined {
  const [, date, hourMinute = '00:00', second = '00', fraction = '', offset = 'Z'] = ISO_8601.exec(text) ?? []
  if (date === undefined) return undefined
  const midnight = Date.parse(`${date}T00:00:00Z`)
  // `Date` turns 30 February into 1 March, where a calendar knows no such day.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date) return undefined
  const zone = offset.toUpperCase() === 'Z' || offset.includes(':') ? offset.toUpperCase() : `${offset.slice(0, 3)}:${offset.slice(3)}`
  const seconds = Date.parse(`${date}T${hourMinute}:${second}${zone}`)
  if (Number.isNaN(seconds) || Number(hourMinute.slice(0, 2)) > 23) return undefined
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'))
  const beyond = round === 'up' && Number(fraction.slice(6) || 0) > 0 ? 1 : 0
  const us = seconds * 1000 + micros + beyond
  // Nothing is older than the epoch, and times before it can be beyond the numbers that are exact.
  return Math.max(us, 0)
}

/** Whole seconds until then, begun ones counted: what `Retry-After` and its like say. */
export function secondsUntil(us: number, nowUs: number): number {
  return Math.max(0, Math.ceil((us - nowUs) / 1e6))
}
