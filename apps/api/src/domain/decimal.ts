interface Decimal {
  isNegative: boolean
  /** Without zeros at either end; empty for zero. */
  digits: string
  /** The value is 0.<digits> times ten to this power; infinite for an exponent beyond all numbers. */
  power: number
}

/** A number as JSON writes it, compared by its exact decimal value: JavaScript takes 9007199254740993 for 9007199254740992. */
export class ExactNumber {
  readonly #text: string
  /** Made once: a hostile number has hundreds of thousands of digits, and is compared for every webhook. */
  #decimal: Decimal | undefined

  /** @param text a JSON number of any length */
  constructor(text: string) {
    this.#text = text
  }

  /**
   * @param value finite; it counts as what JSON writes for it
   * @returns negative, zero or positive, as this number is less, equal or greater
   */
  compareTo(value: number): number {
    this.#decimal ??= decimalOf(this.#text)
    return compareDecimals(this.#decimal, decimalOf(JSON.stringify(value)))
  }
}

function decimalOf(json: string): Decimal {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(json) ?? []
  const all = whole + fraction
  let start = 0
  while (all.charCodeAt(start) === ZERO) start++
  let end = all.length
  while (end > start && all.charCodeAt(end - 1) === ZERO) end--
  return { isNegative: sign === '-', digits: all.slice(start, end), power: Number(exponent) + whole.length - start }
}

const ZERO = 0x30

function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.digits === '' || b.digits === '') return signOf(a) - signOf(b)
  if (a.isNegative !== b.isNegative) return a.isNegative ? -1 : 1
  return a.isNegative ? compareSizes(b, a) : compareSizes(a, b)
}

function compareSizes(a: Decimal, b: Decimal): number {
  if (a.power !== b.power) return a.power < b.power ? -1 : 1
  // Digits behind a point: the order of their text is that of their value.
  return a.digits === b.digits ? 0 : a.digits < b.digits ? -1 : 1
}

function signOf({ isNegative, digits }: Decimal): number {
  return digits === '' ? 0 : isNegative ? -1 : 1
}
