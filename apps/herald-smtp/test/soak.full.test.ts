import { it } from 'vitest'
import { soak } from './soak.fixture.ts'

it(
  'sends one mail per key in a thousand requests with twins, drops, kills and restarts',
  { timeout: 900_000 },
  () => soak({ keys: 500, kills: 8 }),
)
