import { defineConfig } from 'vitest/config'
import { canRunDynamodb } from '../api/src/testing/dynamodb-setup.ts'

/** The webhook lab on the other store; a full disk is nothing that DynamoDB knows. */
const dynamodb = {
  extends: true as const,
  test: {
    name: 'dynamodb',
    include: ['{servers,webhooks}/**/*.test.ts'],
    exclude: ['webhooks/full-disk.test.ts'],
    env: { TEST_STORE: 'dynamodb' },
    globalSetup: '../api/src/testing/dynamodb-setup.ts',
  },
}

export default defineConfig({
  test: {
    // Each file runs in a process of its own; the servers that it starts end with it.
    pool: 'forks',
    // One file after the other: each keeps the machine busy by itself.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'e2e', include: ['sdk/**/*.test.ts', 'webhooks/**/*.test.ts'] } },
      ...(canRunDynamodb() ? [dynamodb] : []),
    ],
  },
})
