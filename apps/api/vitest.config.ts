import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // Each file runs in a process of its own; the servers and threads that it starts end with it.
    pool: 'forks',
    // Most tests wait for a disk, a timer or another process: one at a time leaves a core idle.
    maxWorkers: 2,
    testTimeout: 30_000,
  },
})
