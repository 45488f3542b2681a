export interface Sharing<Asked> {
  /** What one call takes. */
  most: number
  /** Calls under way at once. */
  atOnce: number
  /** Of full calls more may be: slow ones must not hold up all others. Absent: as many. */
  fullAtOnce?: number
  /** What no call may have twice; absent: a call takes anything together. */
  keyOf?(asked: Asked): string
  /** Nothing is asked or under way any more. */
  onIdle?(): void
}

interface Waiting<Asked, Answer> {
  asked: Asked
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * Answers many askers by few calls: one costs DynamoDB's client about the same, whether it is for one or for many. None waits for company: what is asked in
 * one turn of the event loop goes together, and what comes while as many calls as may be are under way makes up the next.
 * @param run gives one answer each, in order; all whom it rejects are told so
 */
export function shareCalls<Asked, Answer>(
  { most, atOnce, fullAtOnce = atOnce, keyOf, onIdle }: Sharing<Asked>,
  run: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): (asked: Asked) => Promise<Answer> {
  let queue: Waiting<Asked, Answer>[] = []
  let underWay = 0
  let isPlanned = false

  const maySend = (): boolean => queue.length > 0 && underWay < (queue.length >= most ? fullAtOnce : atOnce)

  function plan(): void {
    if (isPlanned || !maySend()) return
    isPlanned = true
    setImmediate(() => {
      isPlanned = false
      while (maySend()) void send(take())
    })
  }

  function take(): Waiting<Asked, Answer>[] {
    const keys = new Set<string>()
    const taken: Waiting<Asked, Answer>[] = []
    queue = queue.filter((waiting) => {
      const key = keyOf?.(waiting.asked)
      if (taken.length === most || (key !== undefined && keys.has(key))) return true
      if (key !== undefined) keys.add(key)
      taken.push(waiting)
      return false
    })
    return taken
  }

  async function send(some: readonly Waiting<Asked, Answer>[]): Promise<void> {
    underWay++
    try {
      const answers = await run(some.map(({ asked }) => asked))
      for (const [index, { resolve, reject }] of some.entries()) {
        const answer = answers[index]
        if (answer === undefined) reject(new Error('A shared call gave too few answers.'))
        else resolve(answer)
      }
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
    underWay--
    if (queue.length > 0) plan()
    else if (underWay === 0) onIdle?.()
  }

  return (asked) =>
    new Promise((resolve, reject) => {
      queue.push({ asked, resolve, reject })
      plan()
    })
}
