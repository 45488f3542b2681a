import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['sdk/**/*.test.ts', 'webhooks/**/*.test.ts'],
    // Each file runs in a process of its own; the servers that it starts end with it.
    pool: 'forks',
    // One file after the other: each keeps the machine busy by itself.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
