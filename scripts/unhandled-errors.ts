/**
 * A reporter for vitest beside its JSON one, which says nothing of errors that happen outside every test: an unhandled rejection, a
 * worker that died. They fail a run all the same; `scripts/test.ts` reads them here.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Where they are left, beside vitest's JSON report: a {@link UnhandledError}[] as JSON, in the package's folder. */
export const UNHANDLED_ERRORS = 'node_modules/.cache/unhandled-errors.json'

/** An error outside every test. */
export interface UnhandledError {
  /** `Unhandled Rejection`, `Unhandled Error`, … */
  type: string
  /** The file whose worker it happened in, and the test that ran meanwhile; empty where vitest does not know them. */
  file: string
  test: string
  /** The error's stack, or its message. */
  message: string
}

/** As vitest hands an error on: with `type`, and the test that its worker was at, beside the error's own fields. */
interface Reported {
  type?: string
  VITEST_TEST_PATH?: string
  VITEST_TEST_NAME?: string
  message: string
  stack?: string
  cause?: Reported
}

function messageOf({ stack, message, cause }: Reported): string {
  const own = stack?.includes(message) ? stack : `${message}\n${stack ?? ''}`
  return cause === undefined ? own : `${own}\ncaused by ${messageOf(cause)}`
}

export default class UnhandledErrorsReporter {
  onTestRunEnd(_modules: unknown, errors: readonly Reported[]): void {
    mkdirSync(dirname(UNHANDLED_ERRORS), { recursive: true })
    const unhandled: UnhandledError[] = errors.map((error) => ({
      type: error.type ?? 'Error outside every test',
      file: error.VITEST_TEST_PATH ?? '',
      test: error.VITEST_TEST_NAME ?? '',
      message: messageOf(error),
    }))
    writeFileSync(UNHANDLED_ERRORS, JSON.stringify(unhandled))
  }
}
