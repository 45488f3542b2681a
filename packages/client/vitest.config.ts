import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Each file runs in a process of its own; the servers that it starts end with it.
    pool: 'forks',
    testTimeout: 30_000,
  },
})
