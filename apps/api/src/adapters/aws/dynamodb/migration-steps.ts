import type { Dynamo } from './client.ts'

/** What a step works with. */
export interface StepContext {
  dynamo: Dynamo
  /** What it saved last, when it was interrupted. */
  position: string | undefined
  /** Saves how far it is. @throws Error when another process has taken over: end, and leave the rest to that one */
  save(position: string): Promise<void>
  /** Tells the operator. */
  report(line: string): void
}

/**
 * Leads from one version of the schema to the next: of what is in the items, since tables and indexes are made by their design. It may be
 * interrupted at any point, and begins again at what it saved last; and another process may do the same at that time, unknown to both, after a
 * long pause. So whatever it does can be done twice, and every write of it is conditional on the item as it was read.
 */
export interface MigrationStep {
  /** One line, for the operator. */
  name: string
  run(context: StepContext): Promise<void>
}

/** The steps, oldest first; the version of a schema is the number of those applied. A released one is never edited. */
export const STEPS: readonly MigrationStep[] = [{ name: 'the tables as they were first made', run: async () => {} }]
