import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['apps/*/{src,test}/**/*.test.ts', 'packages/*/src/**/*.test.ts', '{test,bench}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/*.full.test.ts'],
    globalSetup: 'packages/testing/src/redis-setup.ts',
    // Vitest would leave one core idle; the suite waits for sockets and processes as much as it computes.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: 'node_modules/.cache/suite.json' }]],
  },
})
