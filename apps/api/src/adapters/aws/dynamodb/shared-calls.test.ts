import { describe, expect, it } from 'vitest'
import { type Sharing, shareCalls } from './shared-calls.ts'

/** Doubles what it is asked; each call waits until it is let go. */
function doubling(sharing: Sharing<number>) {
  const calls: { asked: readonly number[]; end: (fate?: Error) => void }[] = []
  const ask = shareCalls(sharing, async (asked) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    calls.push({ asked, end: (fate) => (fate === undefined ? resolve() : reject(fate)) })
    await promise
    return asked.map((number) => number * 2)
  })
  return { ask, calls, askedFor: () => calls.map(({ asked }) => asked) }
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

describe('shared calls', () => {
  it('take together what one turn asks, and give each its answer', async () => {
    const { ask, calls, askedFor } = doubling({ most: 10, atOnce: 1 })
    const answers = [1, 2, 2, 3].map(ask)
    await turn()
    expect(askedFor()).toEqual([[1, 2, 2, 3]])
    calls[0]?.end()
    expect(await Promise.all(answers)).toEqual([2, 4, 4, 6])
  })

  it('let what comes meanwhile wait for the next call, when as many as may be are under way', async () => {
    const { ask, calls, askedFor } = doubling({ most: 2, atOnce: 2 })
    const answers = [1, 2, 3, 4, 5, 6, 7].map(ask)
    await turn()
    expect(askedFor()).toEqual([
      [1, 2],
      [3, 4],
    ])
    calls[1]?.end()
    expect(await Promise.all(answers.slice(2, 4))).toEqual([6, 8])
    await turn()
    expect(askedFor().slice(2)).toEqual([[5, 6]])
    calls[0]?.end()
    calls[2]?.end()
    await turn()
    calls[3]?.end()
    expect(await Promise.all(answers)).toEqual([2, 4, 6, 8, 10, 12, 14])
  })

  it('are more at once while they are full', async () => {
    const { ask, calls, askedFor } = doubling({ most: 2, atOnce: 1, fullAtOnce: 3 })
    const answers = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(ask)
    await turn()
    expect(askedFor()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    calls[1]?.end()
    await turn()
    expect(askedFor().slice(3)).toEqual([[7, 8]])
    // What is left is no full one: it waits until no other is under way.
    calls[0]?.end()
    calls[2]?.end()
    await turn()
    expect(askedFor()).toHaveLength(4)
    calls[3]?.end()
    await turn()
    calls[4]?.end()
    expect(await Promise.all(answers)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18])
  })

  it('keep apart what no call may have twice', async () => {
    const { ask, calls, askedFor } = doubling({ most: 10, atOnce: 1, keyOf: (number) => String(number % 10) })
    const answers = [1, 11, 2, 21].map(ask)
    for (const sent of [[1, 2], [11], [21]]) {
      await turn()
      expect(askedFor().at(-1)).toEqual(sent)
      calls.at(-1)?.end()
    }
    expect(await Promise.all(answers)).toEqual([2, 22, 4, 42])
  })

  it('that fail tell those in them alone, and the next go on', async () => {
    const { ask, calls } = doubling({ most: 2, atOnce: 1 })
    const answers = Promise.allSettled([1, 2, 3].map(ask))
    await turn()
    calls[0]?.end(new Error('no'))
    await turn()
    calls[1]?.end()
    expect((await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason)))).toEqual([
      'Error: no',
      'Error: no',
      6,
    ])
  })

  it('refuse whom they give no answer', async () => {
    const ask = shareCalls({ most: 5, atOnce: 1 }, async (asked: readonly number[]) => asked.slice(1))
    await expect(Promise.all([1, 2].map(ask))).rejects.toThrow('too few answers')
  })

  it('say when nothing is asked or under way any more', async () => {
    let idle = 0
    const { ask, calls } = doubling({ most: 1, atOnce: 2, onIdle: () => idle++ })
    const answers = [1, 2, 3].map(ask)
    for (let sent = 0; sent < 3; sent++) {
      await turn()
      expect(idle).toBe(0)
      calls[sent]?.end()
    }
    await Promise.all(answers)
    await turn()
    expect(idle).toBe(1)
  })
})
