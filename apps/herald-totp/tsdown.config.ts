import { defineConfig } from 'tsdown'

// One file that runs from an empty folder: every dependency is inlined, only Node's own modules stay outside.
export default defineConfig({
  entry: 'src/main.ts',
  outDir: 'dist',
  format: 'esm',
  platform: 'node',
  target: 'node26',
  deps: { alwaysBundle: [/.*/], onlyBundle: false },
  fixedExtension: false,
  outputOptions: { codeSplitting: false },
  dts: false,
  sourcemap: false,
})
