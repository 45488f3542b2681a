import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExactNumber } from './decimal.ts'

const signOf = (text: string, value: number) => Math.sign(new ExactNumber(text).compareTo(value))

/** ± digits × 10^exponent, exactly; and the same with zeros, points and exponents of many forms. */
const decimal = fc.record({
  units: fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
  exponent: fc.integer({ min: -30, max: 30 }),
})
const spelling = fc.record({ shift: fc.nat(40), zeros: fc.nat(3), mark: fc.constantFrom('e', 'E'), plus: fc.boolean() })

function spell(
  { units, exponent }: { units: bigint; exponent: number },
  { shift, zeros, mark, plus }: { shift: number; zeros: number; mark: string; plus: boolean },
) {
  const digits = (units < 0n ? -units : units).toString().padStart(shift + 1, '0')
  const whole = digits.slice(0, digits.length - shift).replace(/^0+(?=\d)/, '')
  const fraction = digits.slice(digits.length - shift) + '0'.repeat(zeros)
  const power = exponent + shift
  const sign = units < 0n ? '-' : ''
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}${power === 0 && !plus ? '' : `${mark}${plus && power >= 0 ? '+' : ''}${power}`}`
}

/** The sign of a − b, by whole numbers alone. */
function exactOrder(a: { units: bigint; exponent: number }, b: { units: bigint; exponent: number }): number {
  const least = Math.min(a.exponent, b.exponent)
  const difference = a.units * 10n ** BigInt(a.exponent - least) - b.units * 10n ** BigInt(b.exponent - least)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function decimalOf(value: number): { units: bigint; exponent: number } {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(JSON.stringify(value)) ?? []
  return { units: BigInt(`${sign}${whole}${fraction}`), exponent: Number(exponent) - fraction.length }
}

describe('compareTo', () => {
  it.each([
    ['9007199254740993', 9007199254740992, 1],
    ['9007199254740992', 9007199254740992, 0],
    ['9007199254740991.5', 9007199254740992, -1],
    ['0.1', 0.1, 0],
    ['0.1000000000000000055511151231257827', 0.1, 1],
    ['0.09999999999999999999999', 0.1, -1],
    ['-0.1000000000000000055511151231257827', -0.1, -1],
    ['1.0', 1, 0],
    ['10e-1', 1, 0],
    ['0.1E+1', 1, 0],
    ['1e21', 1e21, 0],
    ['1e-7', 1e-7, 0],
    ['0', 0, 0],
    ['-0', 0, 0],
    ['0.000e5', -0, 0],
    ['1e-400', 0, 1],
    ['-1e-400', 0, -1],
    ['1e400', Number.MAX_VALUE, 1],
    ['-1e400', -Number.MAX_VALUE, -1],
    ['1e99999999999999999999999999', 1, 1],
    ['-1e-99999999999999999999999999', 0, -1],
    ['0e99999999999999999999999999', 0, 0],
  ])('holds %s against %d', (text, value, order) => {
    expect(signOf(text, value)).toBe(order)
  })

  it('is that of whole numbers of any length, however the number is spelt', () => {
    fc.assert(
      fc.property(decimal, spelling, fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e40, max: 1e40 }), (one, form, value) => {
        expect(signOf(spell(one, form), value)).toBe(exactOrder(one, decimalOf(value)))
      }),
    )
  })

  it('tells a number from its neighbours that round to the same', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 }), spelling, (value, form) => {
        const { units, exponent } = decimalOf(value)
        for (const by of [-1n, 0n, 1n]) {
          const near = { units: units * 10n ** 30n + by, exponent: exponent - 30 }
          expect(signOf(spell(near, form), value)).toBe(Number(by))
        }
      }),
    )
  })

  it('takes hundreds of thousands of digits, and many comparisons of them', () => {
    const number = new ExactNumber(`0.1${'0'.repeat(400_000)}1`)
    let greater = 0
    for (let count = 0; count < 200_000; count++) if (number.compareTo(0.1) > 0) greater++
    expect(greater).toBe(200_000)
    expect(signOf(`1${'0'.repeat(400_000)}e-400000`, 1)).toBe(0)
  })
})
