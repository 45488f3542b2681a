import { ExactNumber } from './decimal.ts'
import { setMember } from './json.ts'
import { Scanner } from './json-scanner.ts'

/** A JSON value. A number that JavaScript's might change is `ExactNumber`; every member of an object is its own, `__proto__` too. */
export type ExactValue = string | number | boolean | null | ExactNumber | ExactValue[] | { [name: string]: ExactValue }

/** Every decimal of so few digits has a double of its own. */
const SURE_LENGTH = 15

/** @param json valid JSON, nested at most as deep as a payload may be */
export function parseExactly(json: string): ExactValue {
  return parseValue(new Scanner(json))
}

function parseValue(scanner: Scanner): ExactValue {
  switch (scanner.peek()) {
    case 'object': {
      const object: { [name: string]: ExactValue } = {}
      scanner.object((name) => setMember(object, name, parseValue(scanner)))
      return object
    }
    case 'array': {
      const array: ExactValue[] = []
      scanner.array(() => array.push(parseValue(scanner)))
      return array
    }
    case 'string':
      return scanner.string()
    case 'number': {
      const text = scanner.number()
      return text.length <= SURE_LENGTH && !/e/i.test(text) ? Number(text) : new ExactNumber(text)
    }
    case 'boolean':
      return scanner.word() === 'true'
    case 'null':
      scanner.word()
      return null
  }
}
