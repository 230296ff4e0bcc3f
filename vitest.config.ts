import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Areas whose results must not depend on the arithmetic: they run a second time on the portable backend. */
const onBothBackends = ['test/crypto/**/*.test.ts', 'test/published/**/*.test.ts', 'test/protocol/**/*.test.ts']

const config: ViteUserConfig = defineConfig({
  test: {
    // A file that starts Anvil or a server needs its share of two cores: no more workers than that.
    maxWorkers: 2,
    // Not a measure: only a test that hangs should end here, on a busy machine too.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    restoreMocks: true,
    projects: [
      { extends: true, test: { name: 'native', include: ['test/**/*.test.ts'] } },
      { extends: true, test: { name: 'portable', include: onBothBackends, env: { LOCKSTEP_BACKEND: 'portable' } } },
    ],
  },
})

export default config
