/** `Retry-After` of an answer (RFC 9110, section 10.2.3): seconds, or a date in one of the three forms that receivers may send. */

const IMF = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const RFC_850 = /^([A-Z][a-z]{2})[a-z]{3,6}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/
const ASCTIME = /^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}:\d{2}:\d{2}) (\d{4})$/

/** @returns how long to wait, in microseconds, 0 for a time gone by; undefined when the header says nothing that can be read */
export function readRetryAfter(header: string, nowUs: number): number | undefined {
  const text = header.trim()
  if (/^\d+$/.test(text)) return Number(text) * 1e6
  const dateMs = readHttpDate(text, nowUs)
  return dateMs === undefined ? undefined : Math.max(0, dateMs * 1000 - nowUs)
}

/** @returns milliseconds since the Unix epoch */
function readHttpDate(text: string, nowUs: number): number | undefined {
  if (IMF.test(text)) return readImf(text)
  const [, day, date, month, shortYear, time] = RFC_850.exec(text) ?? []
  if (shortYear !== undefined) {
    // Of two digits: the year that is no more than 50 years ahead.
    const thisYear = new Date(nowUs / 1000).getUTCFullYear()
    const year = thisYear - (thisYear % 100) + Number(shortYear)
    return readImf(`${day}, ${date} ${month} ${year > thisYear + 50 ? year - 100 : year} ${time} GMT`)
  }
  const [, asctimeDay, asctimeMonth, asctimeDate, asctimeTime, asctimeYear] = ASCTIME.exec(text) ?? []
  return readImf(`${asctimeDay}, ${asctimeDate?.replace(' ', '0')} ${asctimeMonth} ${asctimeYear} ${asctimeTime} GMT`)
}

/** `Date` reads much more; what it writes is this form alone, with the right day of the week. */
function readImf(text: string): number | undefined {
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toUTCString() === text ? ms : undefined
}
