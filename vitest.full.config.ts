import { defineConfig } from 'vitest/config'
import suite from './vitest.config.ts'

/** What is too heavy for every change: the nightly run. One file after another, so that measurements stand. */
export default defineConfig({
  test: {
    ...suite.test,
    include: [
      'apps/*/{src,test}/**/*.full.test.ts',
      'packages/*/src/**/*.full.test.ts',
      '{test,bench}/**/*.full.test.ts',
    ],
    exclude: ['**/node_modules/**'],
    fileParallelism: false,
    passWithNoTests: true,
    testTimeout: 20 * 60_000,
    reporters: ['default', ['json', { outputFile: 'node_modules/.cache/suite-full.json' }]],
  },
})
