import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { stripInternal: true } },
  target: ['es2022', 'node20'],
  // Also for workers and browsers: nothing of Node's is imported.
  platform: 'neutral',
  external: ['axios'],
  sourcemap: true,
  clean: true,
})
