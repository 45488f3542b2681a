/** What one step leaves for a later one of this process, by a key; of too many the eldest are forgotten. Each is given away once. */
export class Handover<Value> {
  readonly #most: number
  readonly #kept = new Map<string, Value>()

  constructor(most: number) {
    this.#most = most
  }

  keep(key: string, value: Value): void {
    const [eldest] = this.#kept.keys()
    if (this.#kept.size >= this.#most && eldest !== undefined) this.#kept.delete(eldest)
    this.#kept.set(key, value)
  }

  take(key: string): Value | undefined {
    const value = this.#kept.get(key)
    this.#kept.delete(key)
    return value
  }
}
