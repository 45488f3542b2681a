import { defineConfig } from 'vitest/config'
import { canRunDynamodb } from './src/testing/dynamodb-setup.ts'

/** What needs a DynamoDB. */
const DYNAMODB = ['src/adapters/aws/dynamodb/**/*.test.ts', 'src/testing/dynamodb-proxy.test.ts']
/** What a client sees: these run on each store. */
const HTTP = [
  'src/*.test.ts',
  'src/{middleware,routes}/**/*.test.ts',
  'src/domain/change-master-key*.test.ts',
  'src/entrypoints/admin.*.test.ts',
  'src/entrypoints/server.{crash,http,rotation,stop}.test.ts',
]

const dynamodb = {
  extends: true as const,
  test: {
    name: 'dynamodb',
    include: [...DYNAMODB, ...HTTP],
    exclude: ['src/config.test.ts'],
    env: { TEST_STORE: 'dynamodb' },
    globalSetup: 'src/testing/dynamodb-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
}

export default defineConfig({
  test: {
    // Each file runs in a process of its own; the servers and threads that it starts end with it.
    pool: 'forks',
    // Most tests wait for a disk, a timer or another process: one at a time leaves a core idle.
    maxWorkers: 2,
    testTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'api', include: ['src/**/*.test.ts'], exclude: DYNAMODB } },
      ...(canRunDynamodb() ? [dynamodb] : []),
    ],
  },
})
