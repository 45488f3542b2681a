/** The clients that the tests run through. */
import { describe } from 'vitest'
import type { Driver } from './driver.ts'
import { createGoDriver, hasGo } from './go-driver.ts'
import { typescriptDriver } from './typescript-driver.ts'

const go = createGoDriver()
const isWithoutGo = !hasGo()
if (isWithoutGo) process.stderr.write('SKIPPED: the tests of the Go client. There is no go to build it with.\n')

/** Describes the same thing for the client of each language. Without Go its half is skipped, and counted so. All at once: they mostly wait. */
export function describeClients(name: string, tests: (driver: Driver) => void): void {
  describe(`${name}, TypeScript`, { concurrent: true }, () => tests(typescriptDriver))
  describe(`${name}, Go`, { concurrent: true, skip: isWithoutGo }, () => tests(go))
}
