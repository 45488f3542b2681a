import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // Each file runs in a process of its own; the servers and threads that it starts end with it.
    pool: 'forks',
    testTimeout: 30_000,
  },
})
